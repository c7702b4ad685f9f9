//! The launches of a Winograd convolution, chosen for the hardware.

use std::fmt;
use std::ops::Range;

use super::Winograd;
use crate::kernels::launch::Launch;
use crate::kernels::limits::Limits;
use crate::kernels::tile::{Block, Hardware, WinogradTile};
use crate::kernels::{Precision, WIDTH};
use crate::plan;

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

/// Bytes that a part may have on an adapter: no more than its largest buffer.
pub(super) fn part_bytes(limits: Limits) -> usize {
    PART_BYTES.min(limits.buffer())
}

/// Divides `tiles` tiles into parts of at most `part_bytes`.
pub(super) fn parts(tiles: usize, bytes_of_tile: usize, part_bytes: usize) -> Vec<Range<usize>> {
    let part = (part_bytes / bytes_of_tile).max(1);
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

    /// Bytes of the transformed filters of `convolution`.
    pub fn filter_bytes(self, convolution: &plan::Convolution, precision: Precision) -> usize {
        let plan::Convolution { in_channels, out_channels, .. } = *convolution;
        let [stored_in, stored_out] =
            [in_channels, out_channels].map(|count| count.next_multiple_of(WIDTH));
        self.positions() * stored_in * stored_out * precision.bytes()
    }

    /// Bytes that a tile of a convolution of these input and output channels has in memory between
    /// launches: its transformed inputs or its sums, whichever are more. None in a single launch.
    pub fn bytes_between(self, channels: [usize; 2]) -> usize {
        match self {
            Self::Fused(_) => 0,
            Self::Phases { .. } => self.bytes_of_tile(channels).into_iter().max().unwrap_or(0),
        }
    }

    /// Bytes of the transformed inputs and of the sums of a tile.
    pub(super) fn bytes_of_tile(self, channels: [usize; 2]) -> [usize; 2] {
        channels
            .map(|count| self.positions() * count.next_multiple_of(WIDTH) * Precision::F32.bytes())
    }

    /// The launches of a convolution of these input and output channels for `tiles` tiles.
    pub fn launches(self, limits: Limits, tiles: usize, channels: [usize; 2]) -> Vec<Launch> {
        let vectors = channels.map(|count| count.div_ceil(WIDTH));
        match self {
            Self::Fused(tile) => vec![fused(tile, limits, tiles, vectors[1])],
            Self::Phases { block, .. } => {
                parts(tiles, self.bytes_between(channels), part_bytes(limits))
                    .into_iter()
                    .flat_map(|part| self.phases(block, limits, part.len(), vectors))
                    .collect()
            }
        }
    }

    /// The three launches for a part of `tiles` tiles.
    pub(super) fn phases(
        self,
        block: Block,
        limits: Limits,
        tiles: usize,
        [in_vectors, out_vectors]: [usize; 2],
    ) -> [Launch; 3] {
        let down = self.positions() * out_vectors.div_ceil(block.vectors());
        [
            Launch::line(limits, tiles * in_vectors),
            Launch::grid(limits, tiles.div_ceil(block.pixels()), down, block.units()),
            Launch::line(limits, tiles * out_vectors),
        ]
    }
}

impl fmt::Display for Work {
    /// The algorithm's name with its tile: Winograd tiles, or pixels, by channels.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = self.side();
        write!(formatter, "winograd F({side}x{side}) ")?;
        match self {
            Self::Fused(WinogradTile { tiles, lanes, vectors, .. }) => {
                write!(formatter, "{tiles}x{}", WIDTH * lanes * vectors)
            }
            Self::Phases { block, .. } => write!(formatter, "in phases {block}"),
        }
    }
}

/// The launch of a convolution that takes only one.
pub(super) fn fused(
    tile: WinogradTile,
    limits: Limits,
    tiles: usize,
    out_vectors: usize,
) -> Launch {
    let down = out_vectors.div_ceil(tile.lanes * tile.vectors);
    Launch::grid(limits, tiles.div_ceil(tile.tiles), down, tile.units())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_batches_are_divided_into_parts_that_fit_a_buffer() {
        assert_eq!(
            parts(1000, 1 << 20, PART_BYTES),
            [0..64, 64..128]
                .into_iter()
                .chain((2..15).map(|at| at * 64..at * 64 + 64))
                .chain(std::iter::once(960..1000))
                .collect::<Vec<_>>()
        );
        assert_eq!(parts(2, PART_BYTES + 1, PART_BYTES), [0..1, 1..2]);
        let of = |tiles| PhaseBytes { inputs: 0, sums: 0, bias: 0, tiles, all: 3 };
        let shares = [of(0..1).share(100), of(1..2).share(100), of(2..3).share(100)];
        assert_eq!(shares.iter().sum::<usize>(), 100);
    }
}
