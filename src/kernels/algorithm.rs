//! The algorithms that compute a convolution on a GPU, and the choice among them.

use std::fmt;

use super::tile::{Block, Hardware, Tile, WinogradTile};
use super::{
    Convolution, Depthwise, GpuClient, Launch, Limits, Precision, PreparedConvolution, WIDTH,
    Winograd, convolution, depthwise, winograd,
};
use crate::plan::{self, Folded};

/// The algorithm that computes a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// A direct kernel for convolutions of all channels, with its tile.
    Direct(convolution::Work),
    /// The Winograd kernels for 3x3 convolutions of all channels with stride 1, with their tile.
    Winograd(winograd::Work),
    /// The kernel for depthwise convolutions.
    Depthwise,
}

const TOO_HEAVY: &str = "its weights are larger than the adapter's largest buffer";
const NO_TILE: &str = "the adapter's limits do not allow its kernel";

impl Algorithm {
    /// Every algorithm and tile that can compute `convolution` in this precision within the
    /// adapter's limits.
    pub fn all(limits: Limits, convolution: &plan::Convolution, precision: Precision) -> Vec<Self> {
        if convolution.groups > 1 {
            return vec![Self::Depthwise];
        }
        let tiles = Tile::CHOICES.into_iter().filter(|tile| tile.fits(limits));
        let direct = tiles
            .map(convolution::Work::Staged)
            .chain(Block::CHOICES.map(convolution::Work::Registers))
            .map(Self::Direct);
        let sides = Winograd::sides(precision);
        let tiles = WinogradTile::CHOICES.into_iter().filter(|tile| tile.fits(limits));
        let fused = tiles.filter(|tile| sides.contains(&tile.side)).map(winograd::Work::Fused);
        let phases = sides.iter().flat_map(|side| {
            Block::CHOICES.map(|block| winograd::Work::Phases { side: *side, block })
        });
        let winograd =
            fused.chain(phases).filter(|_| Winograd::computes(convolution)).map(Self::Winograd);
        direct.chain(winograd).collect()
    }

    /// The algorithm and tile that suit `hardware`: Winograd's if they compute the convolution.
    ///
    /// # Errors
    /// Why the adapter's limits allow none.
    pub fn chosen(
        hardware: Hardware,
        limits: Limits,
        convolution: &plan::Convolution,
        precision: Precision,
    ) -> Result<Self, &'static str> {
        let plan::Convolution { groups, in_channels, out_channels, .. } = *convolution;
        if groups > 1 {
            return Ok(Self::Depthwise);
        }
        let fits = |bytes: usize| bytes <= limits.buffer();
        let winograd = Winograd::computes(convolution)
            .then(|| winograd::Work::chosen(hardware, limits, out_channels, precision))
            .flatten()
            .filter(|work| {
                fits(work.filter_bytes(convolution, precision))
                    && fits(work.bytes_between([in_channels, out_channels]))
            });
        if let Some(work) = winograd {
            return Ok(Self::Winograd(work));
        }
        let work = convolution::Work::chosen(hardware, limits, out_channels).ok_or(NO_TILE)?;
        match fits(convolution::Work::weight_bytes(convolution, precision)) {
            true => Ok(Self::Direct(work)),
            false => Err(TOO_HEAVY),
        }
    }

    /// Its launches for this many photos and an output of `[channels, height, width]`.
    pub fn launches(
        self,
        limits: Limits,
        convolution: &plan::Convolution,
        photos: usize,
        output: [usize; 3],
    ) -> Vec<Launch> {
        let [channels, height, width] = output;
        match self {
            Self::Direct(work) => {
                vec![work.launch(limits, photos * height * width, channels.div_ceil(WIDTH))]
            }
            Self::Winograd(work) => {
                let [_, down, right] = winograd::tiles(output, work.side());
                let channels = [convolution.in_channels, channels];
                work.launches(limits, photos * down * right, channels)
            }
            Self::Depthwise => vec![depthwise::launch(limits, photos, output)],
        }
    }

    /// Uploads the weights of `convolution`, in the order of this algorithm.
    ///
    /// # Panics
    /// If the algorithm cannot compute it.
    pub fn prepare(
        self,
        client: &GpuClient,
        convolution: &plan::Convolution,
        folded: &Folded,
        precision: Precision,
    ) -> PreparedConvolution {
        match self {
            Self::Direct(work) => PreparedConvolution::Direct(Convolution::with_work(
                client,
                convolution,
                folded,
                precision,
                work,
            )),
            Self::Winograd(work) => PreparedConvolution::Winograd(Winograd::with_work(
                client,
                convolution,
                folded,
                precision,
                work,
            )),
            Self::Depthwise => PreparedConvolution::Depthwise(Depthwise::new(
                client,
                convolution,
                folded,
                precision,
            )),
        }
    }
}

impl fmt::Display for Algorithm {
    /// Its name, with the tile if it has one.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(work) => work.fmt(formatter),
            Self::Winograd(work) => work.fmt(formatter),
            Self::Depthwise => formatter.write_str("depthwise"),
        }
    }
}
