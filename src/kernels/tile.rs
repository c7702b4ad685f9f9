//! How much a work-group takes on, by what the adapter allows. Nothing is assumed of it: not the units of a work-group,
//! not its shared memory, not the size of a sub-group, which no kernel here uses.

use cubecl::client::Client;
use cubecl::prelude::{CubeCount, CubeDim};

use super::WIDTH;

/// What an adapter allows a work-group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Units, that is threads.
    pub units: usize,
    /// Bytes of shared memory.
    pub shared: usize,
}

impl Limits {
    /// Those of the adapter.
    pub fn of(client: &Client) -> Self {
        let hardware = &client.properties().hardware;
        let across = hardware.max_units_per_cube.min(hardware.max_cube_dim.0);
        Self { units: across as usize, shared: hardware.max_shared_memory_size }
    }

    /// Whether every kernel has a tile that they allow.
    pub fn allow_kernels(self) -> bool {
        Tile::within(self, 1).is_some()
    }
}

/// What a work-group of a convolution computes: pixels by channels, over so many inputs at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Units along the channels that go out, a vector each.
    pub lanes: usize,
    /// Units along the pixels.
    pub rows: usize,
    /// Pixels of a unit.
    pub pixels: usize,
    /// Vectors of inputs that are staged at a time.
    pub depth: usize,
}

impl Tile {
    /// What there is to choose from, from the largest to the smallest.
    pub const CHOICES: [Self; 3] = [
        Self { lanes: 16, rows: 8, pixels: 8, depth: 4 },
        Self { lanes: 8, rows: 8, pixels: 4, depth: 4 },
        Self { lanes: 4, rows: 4, pixels: 4, depth: 4 },
    ];

    /// The largest that `limits` allow and that `vectors` of channels fill; `None` where they allow none.
    pub fn within(limits: Limits, vectors: usize) -> Option<Self> {
        let mut allowed = Self::CHOICES.into_iter().filter(|tile| tile.fits(limits));
        // One that has lanes for twice the channels would let half its units idle.
        allowed.clone().find(|tile| tile.lanes < 2 * vectors).or(allowed.next_back())
    }

    /// Units of a work-group.
    pub fn units(self) -> usize {
        self.lanes * self.rows
    }

    /// Pixels of a work-group.
    pub fn block(self) -> usize {
        self.rows * self.pixels
    }

    /// Whether `limits` allow it.
    pub fn fits(self, limits: Limits) -> bool {
        self.units() <= limits.units && self.shared() <= limits.shared
    }

    fn shared(self) -> usize {
        (self.block() * self.depth + WIDTH * self.depth * self.lanes) * VECTOR_BYTES
    }
}

/// Bytes of a vector in shared memory, where values are f32.
const VECTOR_BYTES: usize = 4 * WIDTH;

/// What a work-group of a Winograd convolution computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WinogradTile {
    /// Side of the outputs of a tile: 2 or 4.
    pub side: usize,
    /// Tiles of a work-group.
    pub tiles: usize,
    /// Units along the channels that go out.
    pub lanes: usize,
    /// Vectors of channels of a unit, `lanes` apart.
    pub vectors: usize,
    /// Vectors of inputs that are transformed at a time.
    pub depth: usize,
}

impl WinogradTile {
    /// What there is to choose from, from the largest to the smallest.
    pub const CHOICES: [Self; 6] = [
        Self { side: 4, tiles: 8, lanes: 4, vectors: 2, depth: 4 },
        Self { side: 4, tiles: 6, lanes: 4, vectors: 2, depth: 4 },
        Self { side: 4, tiles: 4, lanes: 3, vectors: 2, depth: 2 },
        Self { side: 2, tiles: 8, lanes: 8, vectors: 2, depth: 8 },
        Self { side: 2, tiles: 8, lanes: 4, vectors: 2, depth: 4 },
        Self { side: 2, tiles: 4, lanes: 2, vectors: 2, depth: 2 },
    ];

    /// The largest of this `side` that `limits` allow; `None` where they allow none.
    pub fn within(limits: Limits, side: usize) -> Option<Self> {
        Self::CHOICES.into_iter().find(|tile| tile.side == side && tile.fits(limits))
    }

    /// Side of what a tile reads.
    pub fn patch(self) -> usize {
        self.side + 2
    }

    /// Products that are summed apart.
    pub fn positions(self) -> usize {
        self.patch() * self.patch()
    }

    /// Units of a work-group.
    pub fn units(self) -> usize {
        self.positions() * self.lanes
    }

    /// Whether `limits` allow it.
    pub fn fits(self, limits: Limits) -> bool {
        self.units() <= limits.units && self.staged() * VECTOR_BYTES <= limits.shared
    }

    /// Vectors of shared memory: for the transformed inputs, later for the sums.
    pub fn staged(self) -> usize {
        self.positions() * self.tiles * self.depth.max(self.lanes)
    }
}

/// Units of a work-group that does something to each value alone.
const LINE: usize = 64;

/// Work-groups for `units` units in a line, folded into a second dimension where one would not hold them.
pub(super) fn line(client: &Client, units: usize) -> (CubeCount, CubeDim) {
    let limits = Limits::of(client);
    let group = LINE.min(limits.units);
    let cubes = units.div_ceil(group);
    let widest = client.properties().hardware.max_cube_count.0 as usize;
    let rows = cubes.div_ceil(widest);
    let across = cubes.div_ceil(rows);
    (CubeCount::Static(across as u32, rows as u32, 1), CubeDim::new_1d(group as u32))
}

/// Work-groups for `across` blocks of the first kind and `down` of the second; `across` folded into a third dimension
/// where one would not hold them.
pub(super) fn grid(client: &Client, across: usize, down: usize) -> (CubeCount, usize) {
    let widest = client.properties().hardware.max_cube_count.0 as usize;
    let sheets = across.div_ceil(widest);
    let across = across.div_ceil(sheets);
    (CubeCount::Static(across as u32, down as u32, sheets as u32), across)
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
        // https://www.w3.org/TR/webgpu/#limits: maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupStorageSize.
        let least = Limits { units: 256, shared: 16384 };
        assert!(Tile::within(least, 128).is_some());
        for side in [2, 4] {
            assert!(WinogradTile::within(least, side).is_some_and(|tile| tile.fits(least)));
        }
        assert_eq!(WinogradTile::within(Limits { units: 64, shared: 16384 }, 4), None);
    }
}
