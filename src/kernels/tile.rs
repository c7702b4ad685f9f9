//! The work of a work-group, chosen within the adapter's [`Limits`]. The sub-group size is not
//! needed: no kernel here uses sub-groups.

use std::fmt;

use super::WIDTH;
use super::limits::Limits;

/// What runs the shaders, which decides between the kernels of a convolution.
///
/// A driver on the processor (lavapipe, WARP) emulates shared memory and barriers at a high price:
/// a barrier stores and reloads all registers of the work-group, and a read from shared memory is
/// no cheaper than one from the cache. The kernels for it use neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hardware {
    /// A GPU.
    Gpu,
    /// The processor, through a software driver.
    Processor,
}

/// The work of a work-group of a convolution: pixels by channels, with `depth` vectors of inputs
/// staged at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Units along the output channels, one vector each.
    pub lanes: usize,
    /// Units along the pixels.
    pub rows: usize,
    /// Pixels per unit.
    pub pixels: usize,
    /// Vectors of inputs staged at a time.
    pub depth: usize,
}

impl Tile {
    /// All tiles, from the largest to the smallest.
    pub const CHOICES: [Self; 3] = [
        Self { lanes: 16, rows: 8, pixels: 8, depth: 4 },
        Self { lanes: 8, rows: 8, pixels: 4, depth: 4 },
        Self { lanes: 4, rows: 4, pixels: 4, depth: 4 },
    ];

    /// The largest tile that fits `limits` and is not too wide for `vectors` vectors of output
    /// channels, or `None` if no tile fits the limits.
    pub fn within(limits: Limits, vectors: usize) -> Option<Self> {
        let mut allowed = Self::CHOICES.into_iter().filter(|tile| tile.fits(limits));
        // With lanes for twice the channels, half of the units would idle.
        allowed.clone().find(|tile| tile.lanes < 2 * vectors).or(allowed.next_back())
    }

    /// Units per work-group.
    pub fn units(self) -> usize {
        self.lanes * self.rows
    }

    /// Pixels per work-group.
    pub fn block(self) -> usize {
        self.rows * self.pixels
    }

    /// Whether the tile fits `limits`.
    pub fn fits(self, limits: Limits) -> bool {
        self.units() <= limits.units && self.shared() <= limits.shared
    }

    fn shared(self) -> usize {
        (self.block() * self.depth + WIDTH * self.depth * self.lanes) * VECTOR_BYTES
    }
}

/// The work of a work-group of a kernel that keeps everything in registers: pixels by channels.
///
/// Software drivers run neighbouring units in the lanes of vector registers, usually eight, and
/// read memory lane by lane. A read thus costs as much as dozens of multiplications, and each unit
/// must multiply each value that it reads as often as its registers allow: 8 pixels by 2 vectors of
/// channels. Larger blocks are no faster, because their sums are kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Block {
    /// Units along the output channels.
    pub lanes: usize,
    /// Units along the pixels.
    pub rows: usize,
}

impl Block {
    /// Pixels per unit.
    pub const PIXELS: usize = 8;
    /// Vectors of output channels per unit, `lanes` apart.
    pub const VECTORS: usize = 2;
    /// All blocks, from the widest to the narrowest.
    pub const CHOICES: [Self; 4] = [
        Self { lanes: 8, rows: 1 },
        Self { lanes: 4, rows: 2 },
        Self { lanes: 2, rows: 4 },
        Self { lanes: 1, rows: 8 },
    ];

    /// The block that computes the fewest channels beyond `vectors` vectors of output channels.
    pub fn of(vectors: usize) -> Self {
        let computed = |block: &Self| vectors.next_multiple_of(block.vectors());
        Self::CHOICES.into_iter().min_by_key(computed).unwrap_or(Self::CHOICES[0])
    }

    /// Units per work-group.
    pub fn units(self) -> usize {
        self.lanes * self.rows
    }

    /// Pixels per work-group.
    pub fn pixels(self) -> usize {
        self.rows * Self::PIXELS
    }

    /// Vectors of output channels per work-group.
    pub fn vectors(self) -> usize {
        self.lanes * Self::VECTORS
    }
}

impl fmt::Display for Block {
    /// Pixels by channels.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}x{}", self.pixels(), WIDTH * self.vectors())
    }
}

/// Bytes of a vector in shared memory, which holds f32.
const VECTOR_BYTES: usize = 4 * WIDTH;

/// The work of a work-group of a Winograd convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WinogradTile {
    /// Output pixels along the side of a tile: 2 or 4.
    pub side: usize,
    /// Tiles per work-group.
    pub tiles: usize,
    /// Units along the output channels.
    pub lanes: usize,
    /// Vectors of output channels per unit, `lanes` apart.
    pub vectors: usize,
    /// Vectors of inputs transformed at a time.
    pub depth: usize,
}

impl WinogradTile {
    /// All tiles, for each side from the largest to the smallest.
    pub const CHOICES: [Self; 6] = [
        Self { side: 4, tiles: 8, lanes: 4, vectors: 2, depth: 4 },
        Self { side: 4, tiles: 6, lanes: 4, vectors: 2, depth: 4 },
        Self { side: 4, tiles: 4, lanes: 3, vectors: 2, depth: 2 },
        Self { side: 2, tiles: 8, lanes: 8, vectors: 2, depth: 8 },
        Self { side: 2, tiles: 8, lanes: 4, vectors: 2, depth: 4 },
        Self { side: 2, tiles: 4, lanes: 2, vectors: 2, depth: 2 },
    ];

    /// The largest tile of this `side` that fits `limits`, or `None` if none does.
    pub fn within(limits: Limits, side: usize) -> Option<Self> {
        Self::CHOICES.into_iter().find(|tile| tile.side == side && tile.fits(limits))
    }

    /// Input pixels along the side of a tile.
    pub fn patch(self) -> usize {
        self.side + 2
    }

    /// Element-wise products per tile, each summed over the input channels on its own.
    pub fn positions(self) -> usize {
        self.patch() * self.patch()
    }

    /// Units per work-group.
    pub fn units(self) -> usize {
        self.positions() * self.lanes
    }

    /// Whether the tile fits `limits`.
    pub fn fits(self, limits: Limits) -> bool {
        self.units() <= limits.units && self.staged() * VECTOR_BYTES <= limits.shared
    }

    /// Vectors of shared memory, used for the transformed inputs and then for the sums.
    pub fn staged(self) -> usize {
        self.positions() * self.tiles * self.depth.max(self.lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_divides_its_work_evenly() {
        for tile in Tile::CHOICES {
            assert_eq!(tile.units() % tile.depth, 0);
            assert_eq!(tile.block() * tile.depth % tile.units(), 0);
        }
    }

    #[test]
    fn the_least_that_webgpu_guarantees_is_enough() {
        // https://www.w3.org/TR/webgpu/#limits: maxComputeInvocationsPerWorkgroup,
        // maxComputeWorkgroupStorageSize.
        let least = Limits { units: 256, shared: 16384, ..Limits::WEBGPU };
        assert!(Tile::within(least, 128).is_some());
        for side in [2, 4] {
            assert!(WinogradTile::within(least, side).is_some_and(|tile| tile.fits(least)));
        }
        assert_eq!(WinogradTile::within(Limits { units: 64, ..Limits::WEBGPU }, 4), None);
    }
}
