//! The memory layout of tiles between the transforms.

use super::super::product::PANEL;
use super::POSITIONS;

/// Layout of a group of tiles in the transformed domain: `[position][block][tile][16]`, where a
/// block is 16 channels.
///
/// The tiles of a block are contiguous, so that a product reads its rows, and stores its sums, at
/// distances that are known when it is compiled, and one pointer serves them all. The positions are
/// an odd number of cache lines apart: a transform writes a line of every position, and at a power
/// of two they would evict each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Domain {
    /// Tiles in the group.
    pub(super) tiles: usize,
    /// Blocks of 16 channels.
    pub(super) blocks: usize,
}

impl Domain {
    /// Distance between the blocks of a position, in floats.
    #[inline(always)]
    pub(super) fn block_step(self) -> usize {
        self.tiles * PANEL
    }

    /// Distance between the positions, in floats.
    #[inline(always)]
    pub(super) fn position_step(self) -> usize {
        ((self.tiles * self.blocks) | 1) * PANEL
    }

    /// Floats of the group.
    #[inline(always)]
    pub(super) fn length(self) -> usize {
        POSITIONS * self.position_step()
    }
}
