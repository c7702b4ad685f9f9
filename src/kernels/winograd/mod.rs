//! 3x3 convolutions of stride 1 by Winograd's minimal filtering, F(2x2,3x3) and F(4x4,3x3) (Lavin and Gray, *Fast
//! Algorithms for Convolutional Neural Networks*, 2015, section 4.1): 4 and 2.25 multiplications an output instead of 9.
//!
//! `Y = A' [(G g G') * (B' d B)] A` for each tile, summed over channels before `A`. One kernel does all of it: the
//! transformed inputs and the sums of products live in shared memory and registers and are never written.
//!
//! **Memory**: input, shortcut and output as [`Map`]s; filters transformed once at load, `[channels in / 4, position, 4,
//! channels out]`: at a position, a unit meets four inputs with four vectors of filters.
//! **Launch**: a work-group computes `tiles` tiles by `4 * lanes * vectors` channels; a unit has one of the 16 or 36
//! positions and a lane, and holds `tiles * vectors` vectors of sums in registers. `depth` vectors of inputs at a time are
//! transformed into shared memory, columns first, then rows in place; at the end the sums go through the same memory, a
//! vector of each unit at a time, and each unit writes a row of a tile.
//! **Arithmetic intensity**: for a vector of inputs a unit does `tiles * vectors * 32` operations with `4 * vectors`
//! vectors of filters, which no other unit of its group reads: `tiles / 2` operations a byte from the cache; the inputs
//! cross it once for each `4 * lanes * vectors` channels out.

mod transform;

use cubecl::client::Client;
use cubecl::prelude::*;

use super::Precision;
use super::convolution::bias;
use super::finish::activated;
use super::map::{Constants, Map};
use super::tile::{self, Limits, WinogradTile};
use super::{Four, WIDTH};
use crate::backbone::folding::Folded;
use crate::backbone::plan::{self, Activation, Padding};
use transform::{Matrix, transformed};
pub(super) use transform::{ROUNDINGS, squares};

/// Vectors of inputs that are left out of each sum: with the feature `faulty-kernel`, which tests have to notice, the last
/// one, as of a kernel that counts its steps wrongly.
const FAULT: usize = if cfg!(feature = "faulty-kernel") { 1 } else { 0 };

/// A 3x3 convolution whose transformed filters are on the device.
#[derive(Clone, Debug)]
pub struct Winograd {
    filters: Constants,
    bias: Constants,
    from: usize,
    to: usize,
    activation: Activation,
    precision: Precision,
    tile: WinogradTile,
}

impl Winograd {
    /// Whether it computes this convolution.
    pub fn computes(convolution: &plan::Convolution) -> bool {
        let plan::Convolution { kernel, stride, padding, groups, .. } = convolution;
        (*kernel, *stride, *padding, *groups) == (3, 1, Padding::Each(1), 1)
    }

    /// Sides of the tiles that it takes in this precision, best first.
    pub fn sides(precision: Precision) -> &'static [usize] {
        match precision {
            Precision::F32 => &[4, 2],
            Precision::F16 => &[2],
        }
    }

    /// Puts the transformed filters of `convolution` on the device; `activation` comes after the shortcut, where there is
    /// one. Tiles of 4x4 in f32, of 2x2 in f16, whose three digits the larger transforms would use up, and where the
    /// adapter's limits ask for it; `None` where they do not allow either.
    ///
    /// # Panics
    /// Where it is none that it [computes](Self::computes).
    pub fn new(
        client: &Client,
        convolution: &plan::Convolution,
        folded: &Folded,
        activation: Activation,
        precision: Precision,
    ) -> Option<Self> {
        let limits = Limits::of(client);
        let tile =
            Self::sides(precision).iter().find_map(|side| WinogradTile::within(limits, *side))?;
        Some(Self::with_tile(client, convolution, folded, activation, precision, tile))
    }

    /// The same with a tile of one's own.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn with_tile(
        client: &Client,
        convolution: &plan::Convolution,
        folded: &Folded,
        activation: Activation,
        precision: Precision,
        tile: WinogradTile,
    ) -> Self {
        assert!(Self::computes(convolution), "a 3x3 convolution of stride 1");
        let plan::Convolution { from, to, .. } = *convolution;
        let (positions, stored_to) = (tile.positions(), to.next_multiple_of(WIDTH));
        let mut filters = vec![0.0; from.next_multiple_of(WIDTH) * positions * stored_to];
        for (pair, kernel) in folded.weight.chunks_exact(9).enumerate() {
            let (out, channel) = (pair / from, pair % from);
            for (position, value) in transformed(kernel, tile.side).into_iter().enumerate() {
                let row = (channel / WIDTH * positions + position) * WIDTH + channel % WIDTH;
                filters[row * stored_to + out] = value as f32;
            }
        }
        let filters = Constants::new(client, &filters, precision);
        Self { filters, bias: bias(client, folded), from, to, activation, precision, tile }
    }

    /// The shape of what comes of `[channels, height, width]`.
    pub fn output(&self, [_, height, width]: [usize; 3]) -> [usize; 3] {
        [self.to, height, width]
    }

    /// Side of its tiles.
    pub fn side(&self) -> usize {
        self.tile.side
    }

    /// Computes `output`, which `shortcut` is added to.
    ///
    /// # Panics
    /// Where the shapes do not belong together.
    pub fn run(&self, client: &Client, input: &Map, shortcut: Option<&Map>, output: &Map) {
        assert_eq!((input.channels, output.shape()), (self.from, self.output(input.shape())));
        let batch = (input.photos, self.precision);
        assert_eq!((input.batch(), output.batch()), (batch, batch));
        assert!(
            shortcut.is_none_or(|map| (map.batch(), map.shape()) == (batch, output.shape())),
            "a shortcut like the output"
        );
        let tile = self.tile;
        let (down, right) = (output.height.div_ceil(tile.side), output.width.div_ceil(tile.side));
        let tiles = output.photos * down * right;
        let (cubes, across) = tile::grid(
            client,
            tiles.div_ceil(tile.tiles),
            output.vectors().div_ceil(tile.lanes * tile.vectors),
        );
        let sizes = SizesLaunch::new(
            input.height,
            input.width,
            input.vectors(),
            output.vectors(),
            down,
            right,
            tiles,
            across,
        );
        let config = Config { activation: self.activation, shortcut: shortcut.is_some(), tile };
        let launch = match output.precision {
            Precision::F32 => winograd::launch::<f32>,
            Precision::F16 => winograd::launch::<half::f16>,
        };
        launch(
            client,
            cubes,
            CubeDim::new_1d(tile.units() as u32),
            input.argument(),
            self.filters.argument(),
            self.bias.argument(),
            // One that is not read where there is none.
            shortcut.unwrap_or(input).argument(),
            output.argument(),
            sizes,
            config,
        );
    }

    /// Bytes of filters.
    pub fn bytes(&self) -> usize {
        self.filters.bytes() + self.bias.bytes()
    }

    /// Multiplications of inputs with filters for some photos of `[channels, height, width]`.
    pub fn multiplications(&self, photos: usize, [_, height, width]: [usize; 3]) -> usize {
        let tiles = height.div_ceil(self.tile.side) * width.div_ceil(self.tile.side);
        photos * tiles * self.tile.positions() * self.from * self.to
    }
}

#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Sizes {
    height: usize,
    width: usize,
    from: usize,
    to: usize,
    down: usize,
    right: usize,
    tiles: usize,
    across: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Config {
    activation: Activation,
    shortcut: bool,
    tile: WinogradTile,
}

/// One value of a transform of a line: the entries of a row of the matrix by the line.
#[cube]
fn entry_of(
    line: &Array<Four<f32>>,
    #[comptime] matrix: Matrix,
    #[comptime] side: usize,
    #[comptime] row: usize,
) -> Four<f32> {
    let mut sum = Four::<f32>::new(0.0);
    #[unroll]
    for column in 0..comptime!(side + 2) {
        let factor = comptime!(matrix.entry(side, row, column) as f32);
        if comptime!(factor != 0.0) {
            sum += line[column] * Four::<f32>::new(factor);
        }
    }
    sum
}

#[cube(launch)]
fn winograd<F: Float>(
    input: &[Four<F>],
    filters: &[Four<F>],
    bias: &[Four<f32>],
    shortcut: &[Four<F>],
    output: &mut [Four<F>],
    sizes: Sizes,
    #[comptime] config: Config,
) {
    let tile = comptime!(config.tile);
    let (side, patch, positions) = comptime!((tile.side, tile.patch(), tile.positions()));
    let (tiles, lanes, vectors, depth) =
        comptime!((tile.tiles, tile.lanes, tile.vectors, tile.depth));
    let units = comptime!(tile.units());

    let unit = UNIT_POS as usize;
    let lane = unit % lanes;
    let position = unit / lanes;
    let first = (CUBE_POS_X as usize + CUBE_POS_Z as usize * sizes.across) * tiles;
    let first_vector = CUBE_POS_Y as usize * comptime!(lanes * vectors);
    let of_photo = sizes.down * sizes.right;

    // [depth][position][tile], later [lane][position][tile].
    let mut staged = Shared::<[Four<f32>]>::new_slice(comptime!(tile.staged()));

    let mut sums = Array::<Four<f32>>::new(comptime!(tiles * vectors));
    #[unroll]
    for at in 0..comptime!(tiles * vectors) {
        sums[at] = Four::<f32>::new(0.0);
    }

    let line_tasks = comptime!(depth * tiles * patch);
    let rounds = comptime!(line_tasks.div_ceil(units));
    for step in 0..sizes.from.div_ceil(depth) {
        // Columns: B' d. Tasks of one tile lie `tiles` apart, so that neighbours write side by side.
        #[unroll]
        for round in 0..rounds {
            let task = unit + comptime!(round * units);
            if task < line_tasks {
                let of_group = task % tiles;
                let column = task / tiles % patch;
                let slice = task / comptime!(tiles * patch);
                let channel = step * depth + slice;
                let at = first + of_group;
                let within = at % of_photo;
                let photo = at / of_photo * sizes.height;
                let top = within / sizes.right * side;
                let x = within % sizes.right * side + column;
                let inside =
                    at < sizes.tiles && channel < sizes.from && x >= 1 && x < sizes.width + 1;
                let mut line = Array::<Four<f32>>::new(patch);
                #[unroll]
                for row in 0..patch {
                    let y = top + row;
                    let mut value = Four::<f32>::new(0.0);
                    if inside && y >= 1 && y < sizes.height + 1 {
                        let pixel = (photo + y - 1) * sizes.width + x - 1;
                        value = Four::<f32>::cast_from(input[pixel * sizes.from + channel]);
                    }
                    line[row] = value;
                }
                #[unroll]
                for row in 0..patch {
                    let value = entry_of(&line, Matrix::Input, side, row);
                    let to =
                        (slice * positions + comptime!(row * patch) + column) * tiles + of_group;
                    staged[to] = value;
                }
            }
        }
        sync_cube();
        // Rows, in place: (B' d) B.
        #[unroll]
        for round in 0..rounds {
            let task = unit + comptime!(round * units);
            if task < line_tasks {
                let of_group = task % tiles;
                let row = task / tiles % patch;
                let slice = task / comptime!(tiles * patch);
                let start = (slice * positions + row * patch) * tiles + of_group;
                let mut line = Array::<Four<f32>>::new(patch);
                #[unroll]
                for column in 0..patch {
                    line[column] = staged[start + comptime!(column * tiles)];
                }
                #[unroll]
                for column in 0..patch {
                    staged[start + comptime!(column * tiles)] =
                        entry_of(&line, Matrix::Input, side, column);
                }
            }
        }
        sync_cube();
        for slice in 0..depth {
            let channel = step * depth + slice;
            if channel + comptime!(FAULT) < sizes.from {
                let mut values = Array::<Four<f32>>::new(tiles);
                #[unroll]
                for of_group in 0..tiles {
                    values[of_group] = staged[(slice * positions + position) * tiles + of_group];
                }
                #[unroll]
                for vector in 0..vectors {
                    let to = first_vector + comptime!(vector * lanes) + lane;
                    if to < sizes.to {
                        let start = (channel * positions + position) * WIDTH;
                        #[unroll]
                        for of_four in 0..WIDTH {
                            let filter =
                                Four::<f32>::cast_from(filters[(start + of_four) * sizes.to + to]);
                            #[unroll]
                            for of_group in 0..tiles {
                                sums[comptime!(vector * tiles + of_group)] +=
                                    Four::<f32>::new(values[of_group].extract(of_four)) * filter;
                            }
                        }
                    }
                }
            }
        }
        sync_cube();
    }

    // A' m A, a row of a tile a task.
    let row_tasks = comptime!(lanes * tiles * side);
    #[unroll]
    for vector in 0..vectors {
        #[unroll]
        for of_group in 0..tiles {
            staged[(lane * positions + position) * tiles + of_group] =
                sums[comptime!(vector * tiles + of_group)];
        }
        sync_cube();
        #[unroll]
        for round in 0..comptime!(row_tasks.div_ceil(units)) {
            let task = unit + comptime!(round * units);
            if task < row_tasks {
                let of_lane = task % lanes;
                let of_group = task / lanes % tiles;
                let row = task / comptime!(lanes * tiles);
                let at = first + of_group;
                let within = at % of_photo;
                let y = within / sizes.right * side + row;
                let left = within % sizes.right * side;
                let to = first_vector + comptime!(vector * lanes) + of_lane;
                if at < sizes.tiles && to < sizes.to && y < sizes.height {
                    let start = of_lane * comptime!(positions * tiles) + of_group;
                    let mut line = Array::<Four<f32>>::new(patch);
                    #[unroll]
                    for choice in 0..side {
                        // The rows of A' differ, and which is this unit's is known at run time only.
                        if row == choice {
                            #[unroll]
                            for column in 0..patch {
                                let mut own = Array::<Four<f32>>::new(patch);
                                #[unroll]
                                for from in 0..patch {
                                    own[from] =
                                        staged[start + comptime!((from * patch + column) * tiles)];
                                }
                                line[column] = entry_of(&own, Matrix::Output, side, choice);
                            }
                        }
                    }
                    let start =
                        ((at / of_photo * sizes.height + y) * sizes.width + left) * sizes.to + to;
                    #[unroll]
                    for column in 0..side {
                        if left + column < sizes.width {
                            let mut value =
                                entry_of(&line, Matrix::Output, side, column) + bias[to];
                            let place = start + column * sizes.to;
                            if comptime!(config.shortcut) {
                                value += Four::<f32>::cast_from(shortcut[place]);
                            }
                            let value = activated(value, comptime!(config.activation));
                            output[place] = Four::<F>::cast_from(value);
                        }
                    }
                }
            }
        }
        sync_cube();
    }
}
