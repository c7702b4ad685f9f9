//! The launches of a Winograd convolution, chosen for the hardware.

use std::ops::Range;

use super::Winograd;
use crate::kernels::limits::Limits;
use crate::kernels::tile::{Block, Hardware, WinogradTile};
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

/// Bytes of transformed inputs or sums that a part of the tiles may have: half of the buffer that
/// WebGPU guarantees (`maxStorageBufferBindingSize`).
const PART_BYTES: usize = 64 << 20;

/// Divides `tiles` tiles into parts of at most [`PART_BYTES`].
pub(super) fn parts(tiles: usize, bytes_of_tile: usize) -> Vec<Range<usize>> {
    let part = (PART_BYTES / bytes_of_tile).max(1);
    (0..tiles).step_by(part).map(|first| first..tiles.min(first + part)).collect()
}

/// Bytes between the launches of a part of a convolution in phases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseBytes {
    /// Transformed inputs, which the first launch writes.
    pub inputs: usize,
    /// Sums of products, which the second launch writes.
    pub sums: usize,
    /// Biases, which the third launch reads; the second reads the filters.
    pub bias: usize,
    /// The tiles of the part.
    pub tiles: Range<usize>,
    /// The number of tiles of all parts.
    pub all: usize,
}

impl PhaseBytes {
    /// The part's share of something that all tiles share evenly.
    pub fn share(&self, whole: usize) -> usize {
        whole * self.tiles.end / self.all - whole * self.tiles.start / self.all
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_batches_are_divided_into_parts_that_fit_a_buffer() {
        assert_eq!(
            parts(1000, 1 << 20),
            [0..64, 64..128]
                .into_iter()
                .chain((2..15).map(|at| at * 64..at * 64 + 64))
                .chain(std::iter::once(960..1000))
                .collect::<Vec<_>>()
        );
        assert_eq!(parts(2, PART_BYTES + 1), [0..1, 1..2]);
        let of = |tiles| PhaseBytes { inputs: 0, sums: 0, bias: 0, tiles, all: 3 };
        let shares = [of(0..1).share(100), of(1..2).share(100), of(2..3).share(100)];
        assert_eq!(shares.iter().sum::<usize>(), 100);
    }
}
