//! The frozen network that turns photos into features.
//!
//! An [`Architecture`] is a backbone before its weights: a name, what it wants of a photo, how many
//! features it gives, what published files call its tensors. [`Architecture::init`] makes the
//! [`Backbone`] itself, and a [`Plan`] tells what it computes. Each family of networks is a file here and
//! a line in `FAMILIES`.

pub mod cpu;
mod efficientnet_lite;
pub mod folding;
mod fusion;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub mod gpu;
mod interpreted;
mod naming;
mod network;
pub mod plan;
mod resnet;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use burn::store::burn_pack;
use burn::tensor::module::adaptive_avg_pool2d;
use burn::tensor::{Device, Tensor};

pub use cpu::CpuNetwork;
pub use efficientnet_lite::{EfficientNetLite, MBConv};
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub use gpu::GpuNetwork;
pub use naming::Naming;
pub(crate) use network::values;
pub use network::{Forward, Tensors};
pub use plan::{Plan, Planned};
pub use resnet::{BasicBlock, Downsample, ResNet, ResNetConfig};

use crate::photos::Recipe;
use crate::sha256::Sha256;
use network::Network;

/// Every family of networks that is known here.
const FAMILIES: [Family; 2] = [resnet::FAMILY, efficientnet_lite::FAMILY];

/// Networks that are built alike.
struct Family {
    /// The names under which weights are published.
    published: &'static [&'static str],
    /// The network of this name.
    named: fn(&str) -> Option<Architecture>,
    /// Which network a file holds, told by the shapes of its tensors; the reason where it is one of
    /// the family and none that is known; nothing where it is of another family.
    recognised: fn(&Shapes) -> Option<Result<Architecture, String>>,
}

/// The shape of each tensor of a file, by name.
type Shapes<'a> = dyn Fn(&str) -> Option<Vec<usize>> + 'a;

/// Which backbone: a name that can be written on the command line and read back from a run, and what
/// there is to know about it before it has weights.
///
/// `resnet18`, `resnet34` and `efficientnet-lite0` are the published networks; `resnet18-w16` is one
/// of ResNet-18's topology that starts with 16 channels instead of 64.
#[derive(Clone)]
pub struct Architecture {
    name: String,
    features: usize,
    recipe: Recipe,
    naming: Naming,
    build: Arc<Build>,
}

/// Makes the network, with zero weights.
type Build = dyn Fn(&Device) -> Box<dyn Network> + Send + Sync;

impl Architecture {
    /// Length of a photo's feature vector.
    pub fn features(&self) -> usize {
        self.features
    }

    /// How a photo is made ready for it.
    pub fn recipe(&self) -> Recipe {
        self.recipe
    }

    /// What published files call its tensors.
    pub fn naming(&self) -> Naming {
        self.naming
    }

    /// The network with zero weights on `device`, to be imported into.
    pub fn init(&self, device: &Device) -> Backbone {
        Backbone { architecture: self.clone(), network: (self.build)(device) }
    }

    /// The names under which weights are published, of every family.
    pub fn published() -> impl Iterator<Item = &'static str> {
        FAMILIES.iter().flat_map(|family| family.published.iter().copied())
    }

    /// Which network a file holds, told by the shapes of its tensors: `None` where it looks like no
    /// family that is known here.
    ///
    /// # Errors
    /// Where it looks like one and is none that is known: says why.
    pub fn recognised(shape: impl Fn(&str) -> Option<Vec<usize>>) -> Option<Result<Self, String>> {
        FAMILIES.iter().find_map(|family| (family.recognised)(&shape))
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl fmt::Debug for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Architecture({})", self.name)
    }
}

/// A name that is no backbone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no backbone is called `{0}`; there are {names}, and narrower or wider ResNets with the \
     stem's channels behind them, such as resnet18-w16",
    names = Architecture::published().collect::<Vec<_>>().join(", ")
)]
pub struct UnknownBackbone(String);

impl FromStr for Architecture {
    type Err = UnknownBackbone;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        FAMILIES
            .iter()
            .find_map(|family| (family.named)(name))
            .ok_or_else(|| UnknownBackbone(name.to_owned()))
    }
}

/// A network that turns photos into features.
///
/// Keep it on a plain (not autodiff) device: there BatchNorm uses its running statistics and never
/// updates them.
pub struct Backbone {
    architecture: Architecture,
    network: Box<dyn Network>,
}

impl Backbone {
    /// Which one it is.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Features of a batch of preprocessed photos.
    ///
    /// # Shapes
    /// - `photos`: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, features]`
    ///
    /// # Panics
    /// Where the photos do not have three channels, or live on another device.
    pub fn forward(&self, photos: Tensor<4>) -> Tensor<2> {
        self.forward_observed(photos, |_, _| ())
    }

    /// [`forward`](Self::forward), showing `observe` what leaves each stage, by name, each
    /// `[batch, channels, height, width]`.
    pub fn forward_observed(
        &self,
        photos: Tensor<4>,
        mut observe: impl FnMut(&str, &Tensor<4>),
    ) -> Tensor<2> {
        // Global average pooling: every network here ends in it.
        adaptive_avg_pool2d(self.network.feature_map(photos, &mut observe), [1, 1]).flatten(1, 3)
    }

    /// The last feature map of a batch of preprocessed photos: the features are its means over height
    /// and width.
    ///
    /// # Shapes
    /// - `photos`: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, features, height / 32, width / 32]`, rounded up
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn feature_map(&self, photos: Tensor<4>) -> Tensor<4> {
        self.network.feature_map(photos, &mut |_, _| ())
    }
}

impl Backbone {
    /// Compiles it for the processor, for photos of `[height, width]`: much faster than
    /// [`forward`](Self::forward), the same numbers but for rounding.
    ///
    /// # Errors
    /// Where the device does not give the weights back.
    ///
    /// # Panics
    /// Where photos are not square and the network's padding would differ between their sides.
    pub fn compiled(&self, photo: [usize; 2]) -> Result<CpuNetwork, burn_pack::Error> {
        self.compiled_with(photo, cpu::Tuning::default())
    }

    /// The same, tuned by hand.
    ///
    /// # Errors
    /// As [`compiled`](Self::compiled).
    ///
    /// # Panics
    /// As it.
    pub fn compiled_with(
        &self,
        photo: [usize; 2],
        tuning: cpu::Tuning,
    ) -> Result<CpuNetwork, burn_pack::Error> {
        let weights = folding::Weights::of(self)?;
        let folded = |convolution: &plan::Convolution| convolution.folded(&weights);
        Ok(CpuNetwork::compile(&self.plan(), photo, tuning, folded))
    }

    /// Compiles it for the GPU of `client`, for photos of `[height, width]`: our own kernels, the same numbers as
    /// [`forward`](Self::forward) but for rounding, and in f16 for three digits. `None` where the adapter's limits do not
    /// allow them.
    ///
    /// # Errors
    /// Where the device does not give the weights back.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    pub fn compiled_for_gpu(
        &self,
        client: &cubecl::client::Client,
        photo: [usize; 2],
        precision: crate::kernels::Precision,
    ) -> Result<Option<GpuNetwork>, burn_pack::Error> {
        let weights = folding::Weights::of(self)?;
        let folded = |convolution: &plan::Convolution| convolution.folded(&weights);
        Ok(GpuNetwork::compile(client, &self.plan(), photo, precision, folded))
    }

    /// SHA-256 of its tensors: names, shapes and values, in the order of the names. The same for the same
    /// weights, whatever file they come from.
    ///
    /// # Errors
    /// Where the device does not give them back.
    pub fn sha256(&self) -> Result<[u8; 32], burn_pack::Error> {
        let mut tensors = self.tensors();
        tensors.sort_by(|one, other| one.name.cmp(&other.name));
        let mut hash = Sha256::new();
        for tensor in &tensors {
            hash.update(format!("{} {:?}\n", tensor.name, tensor.shape));
            hash.update(&*tensor.to_bytes()?);
        }
        Ok(hash.finalize())
    }
}

impl fmt::Debug for Backbone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Backbone({})", self.architecture)
    }
}

impl Planned for Backbone {
    fn plan(&self) -> Plan {
        self.network.plan()
    }
}

impl Tensors for Backbone {
    fn tensors(&self) -> Vec<burn_pack::Tensor> {
        self.network.tensors()
    }

    fn burn_tensors(&self) -> Vec<burn_pack::Tensor> {
        self.network.burn_tensors()
    }

    fn fill(&mut self, tensors: Vec<burn_pack::Tensor>) -> Result<(), String> {
        self.network.fill(tensors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backbones_name_reads_back_as_itself() {
        for name in ["resnet18", "resnet34", "resnet18-w8", "resnet34-w16", "efficientnet-lite0"] {
            assert_eq!(name.parse::<Architecture>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn every_published_backbone_is_known_by_its_name() {
        assert_eq!(Architecture::published().count(), 3);
        for name in Architecture::published() {
            assert_eq!(name.parse::<Architecture>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn a_wrong_backbone_name_says_which_ones_there_are() {
        for name in ["resnet50", "resnet18-w", "resnet18-w0", "resnet18-w99999999", "", "-w8"] {
            let error = name.parse::<Architecture>().unwrap_err().to_string();
            assert!(error.contains("resnet18, resnet34, efficientnet-lite0"), "{error}");
        }
    }

    #[test]
    fn published_names_of_tensors_read_back_as_the_modules_own() {
        for name in Architecture::published() {
            let architecture: Architecture = name.parse().unwrap();
            let naming = architecture.naming();
            for ours in ["fc.weight", "fc.bias", "bn1.running_mean", "blocks.3.bn2.weight"] {
                assert_eq!(naming.module(&naming.published(ours)), ours, "{name}");
            }
        }
    }
}
