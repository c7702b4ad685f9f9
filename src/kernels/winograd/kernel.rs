//! The kernel itself. How its data lies, its launch geometry and its arithmetic intensity stand at the head of the module above.

use cubecl::prelude::*;

use super::transform::Matrix;
use crate::backbone::plan::Activation;
use crate::kernels::finish::activated;
use crate::kernels::tile::WinogradTile;
use crate::kernels::{Four, WIDTH};

/// Vectors of inputs that are left out of each sum: with the feature `faulty-kernel`, which tests have to notice, the last
/// one, as of a kernel that counts its steps wrongly.
const FAULT: usize = if cfg!(feature = "faulty-kernel") { 1 } else { 0 };

/// What differs from layer to layer without asking for another kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Sizes {
    pub height: usize,
    pub width: usize,
    pub from: usize,
    pub to: usize,
    pub down: usize,
    pub right: usize,
    pub tiles: usize,
    pub across: usize,
}

/// What each kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    pub activation: Activation,
    pub shortcut: bool,
    pub tile: WinogradTile,
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

/// The convolution.
#[cube(launch)]
pub fn winograd<F: Float>(
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
