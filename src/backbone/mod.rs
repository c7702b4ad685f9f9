//! The frozen network that turns photos into features.

mod resnet;

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;

pub use resnet::{BasicBlock, Downsample, ResNet, ResNetConfig};

use crate::photos::Recipe;

/// Which backbone: a name that can be written on the command line and read back from a run.
///
/// `resnet18` and `resnet34` are the published networks; `resnet18-w16` is one of the same topology
/// that starts with 16 channels instead of 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Architecture {
    depth: Depth,
    width: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    Eighteen,
    ThirtyFour,
}

impl Depth {
    const ALL: [Self; 2] = [Self::Eighteen, Self::ThirtyFour];

    /// Table 1 of the ResNet paper.
    fn blocks(self) -> [usize; 4] {
        match self {
            Self::Eighteen => [2, 2, 2, 2],
            Self::ThirtyFour => [3, 4, 6, 3],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Eighteen => "resnet18",
            Self::ThirtyFour => "resnet34",
        }
    }
}

/// Channels of the stem in the published networks.
const PUBLISHED_WIDTH: usize = 64;
/// Widest stem that is taken: beyond it a name is a typing error, not a network.
const MAX_WIDTH: usize = 256;

impl Architecture {
    /// ResNet-18 with 64 channels in the stem.
    pub const RESNET18: Self = Self { depth: Depth::Eighteen, width: PUBLISHED_WIDTH };

    /// The architecture with these measures, where it is one that is known here.
    pub fn from_measures(blocks: [usize; 4], width: usize) -> Option<Self> {
        let depth = Depth::ALL.into_iter().find(|depth| depth.blocks() == blocks)?;
        (1..=MAX_WIDTH).contains(&width).then_some(Self { depth, width })
    }

    /// The network's measures.
    pub fn config(&self) -> ResNetConfig {
        ResNetConfig { blocks: self.depth.blocks(), width: self.width }
    }

    /// Length of a photo's feature vector.
    pub fn features(&self) -> usize {
        self.config().features()
    }

    /// How a photo is made ready for it.
    pub fn recipe(&self) -> Recipe {
        Recipe::IMAGENET
    }

    /// The network with zero weights on `device`, to be imported into.
    pub fn init(&self, device: &Device) -> ResNet {
        self.config().init(device)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.depth.name())?;
        match self.width {
            PUBLISHED_WIDTH => Ok(()),
            width => write!(formatter, "-w{width}"),
        }
    }
}

/// A name that is no backbone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no backbone is called `{0}`; there are resnet18 and resnet34, and narrower or wider ones \
     with the stem's channels behind them, such as resnet18-w16"
)]
pub struct UnknownBackbone(String);

impl FromStr for Architecture {
    type Err = UnknownBackbone;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownBackbone(name.to_owned());
        let (depth, width) = match name.split_once("-w") {
            Some((depth, width)) => (depth, width.parse().map_err(|_| unknown())?),
            None => (name, PUBLISHED_WIDTH),
        };
        Depth::ALL
            .into_iter()
            .find(|known| known.name() == depth)
            .and_then(|depth| Self::from_measures(depth.blocks(), width))
            .ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backbones_name_reads_back_as_itself() {
        for name in ["resnet18", "resnet34", "resnet18-w8", "resnet34-w16"] {
            assert_eq!(name.parse::<Architecture>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn a_wrong_backbone_name_says_which_ones_there_are() {
        for name in ["resnet50", "resnet18-w", "resnet18-w0", "resnet18-w99999999", "", "-w8"] {
            let error = name.parse::<Architecture>().unwrap_err().to_string();
            assert!(error.contains("resnet18 and resnet34"), "{error}");
        }
    }
}
