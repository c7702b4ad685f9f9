//! The launches of a Winograd convolution, chosen for the hardware.

use super::Winograd;
use crate::kernels::tile::{Block, Hardware, Limits, WinogradTile};
use crate::kernels::{Precision, WIDTH};

/// The launches of a [`Winograd`] convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// One launch for both transforms and the products.
    Fused(WinogradTile),
    /// Three launches, for the transform of the inputs, the products and the transform of the sums.
    /// Transformed inputs and sums pass through memory, in f32.
    Phases {
        /// Side of the tiles: 2 or 4.
        side: usize,
        /// The work of the products' work-groups.
        block: Block,
    },
}

/// Bytes between the launches of a convolution that takes three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseBytes {
    /// Transformed inputs, which the first launch writes.
    pub inputs: usize,
    /// Sums of products, which the second launch writes.
    pub sums: usize,
    /// Biases, which the third launch reads; the second reads the filters.
    pub bias: usize,
}

impl Work {
    /// The work that suits `hardware`, or `None` if no tile fits the adapter's limits.
    pub fn chosen(
        hardware: Hardware,
        limits: Limits,
        out_channels: usize,
        precision: Precision,
    ) -> Option<Self> {
        let mut sides = Winograd::sides(precision).iter().copied();
        match hardware {
            Hardware::Gpu => {
                sides.find_map(|side| WinogradTile::within(limits, side)).map(Self::Fused)
            }
            Hardware::Processor => {
                let block = Block::of(out_channels.div_ceil(WIDTH));
                sides.next().map(|side| Self::Phases { side, block })
            }
        }
    }

    /// Side of the tiles: 2 or 4.
    pub fn side(self) -> usize {
        match self {
            Self::Fused(tile) => tile.side,
            Self::Phases { side, .. } => side,
        }
    }

    /// Element-wise products per tile.
    pub(super) fn positions(self) -> usize {
        (self.side() + 2) * (self.side() + 2)
    }
}
