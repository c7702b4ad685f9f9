//! The Winograd kernel. The parent module documents its memory layout, launch geometry and
//! arithmetic intensity.

use cubecl::prelude::*;

use super::transform::Matrix;
use crate::kernels::epilogue::activated;
use crate::kernels::tile::WinogradTile;
use crate::kernels::{Four, WIDTH};
use crate::plan::Activation;

/// Vectors of inputs missing from each sum. The cargo feature `faulty-kernel` drops the last one,
/// as a kernel with an off-by-one error would; tests must detect it.
pub const FAULT: usize = if cfg!(feature = "faulty-kernel") { 1 } else { 0 };

/// Run-time sizes: layers that differ only in these share a compiled kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Sizes {
    pub height: usize,
    pub width: usize,
    pub in_vectors: usize,
    pub out_vectors: usize,
    pub down: usize,
    pub right: usize,
    pub tiles: usize,
    pub across: usize,
}

/// Compile-time parameters of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    pub activation: Activation,
    pub shortcut: bool,
    pub tile: WinogradTile,
}

/// One value of a transformed line: the dot product of a row of `matrix` and `line`.
#[cube]
pub fn entry_of(
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

/// A 3x3 convolution with stride 1.
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
    let photo_tiles = sizes.down * sizes.right;

    // [depth][position][tile] for the inputs, then [lane][position][tile] for the sums.
    let mut staged = Shared::<[Four<f32>]>::new_slice(comptime!(tile.staged()));

    let mut sums = Array::<Four<f32>>::new(comptime!(tiles * vectors));
    #[unroll]
    for at in 0..comptime!(tiles * vectors) {
        sums[at] = Four::<f32>::new(0.0);
    }

    let line_tasks = comptime!(depth * tiles * patch);
    let rounds = comptime!(line_tasks.div_ceil(units));
    for step in 0..sizes.in_vectors.div_ceil(depth) {
        // Columns: B' d. Neighbouring units take neighbouring tiles, so that they write to
        // neighbouring addresses.
        #[unroll]
        for round in 0..rounds {
            let task = unit + comptime!(round * units);
            if task < line_tasks {
                let local_tile = task % tiles;
                let column = task / tiles % patch;
                let slice = task / comptime!(tiles * patch);
                let channel = step * depth + slice;
                let at = first + local_tile;
                let within = at % photo_tiles;
                let photo = at / photo_tiles * sizes.height;
                let top = within / sizes.right * side;
                let x = within % sizes.right * side + column;
                let inside =
                    at < sizes.tiles && channel < sizes.in_vectors && x >= 1 && x < sizes.width + 1;
                let mut line = Array::<Four<f32>>::new(patch);
                #[unroll]
                for row in 0..patch {
                    let y = top + row;
                    let mut value = Four::<f32>::new(0.0);
                    if inside && y >= 1 && y < sizes.height + 1 {
                        let pixel = (photo + y - 1) * sizes.width + x - 1;
                        value = Four::<f32>::cast_from(input[pixel * sizes.in_vectors + channel]);
                    }
                    line[row] = value;
                }
                #[unroll]
                for row in 0..patch {
                    let value = entry_of(&line, Matrix::Input, side, row);
                    let slot =
                        (slice * positions + comptime!(row * patch) + column) * tiles + local_tile;
                    staged[slot] = value;
                }
            }
        }
        sync_cube();
        // Rows, in place: (B' d) B.
        #[unroll]
        for round in 0..rounds {
            let task = unit + comptime!(round * units);
            if task < line_tasks {
                let local_tile = task % tiles;
                let row = task / tiles % patch;
                let slice = task / comptime!(tiles * patch);
                let start = (slice * positions + row * patch) * tiles + local_tile;
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
            if channel + comptime!(FAULT) < sizes.in_vectors {
                let mut values = Array::<Four<f32>>::new(tiles);
                #[unroll]
                for local_tile in 0..tiles {
                    values[local_tile] =
                        staged[(slice * positions + position) * tiles + local_tile];
                }
                #[unroll]
                for vector in 0..vectors {
                    let out_vector = first_vector + comptime!(vector * lanes) + lane;
                    if out_vector < sizes.out_vectors {
                        let start = (channel * positions + position) * WIDTH;
                        #[unroll]
                        for component in 0..WIDTH {
                            let filter = Four::<f32>::cast_from(
                                filters[(start + component) * sizes.out_vectors + out_vector],
                            );
                            #[unroll]
                            for local_tile in 0..tiles {
                                sums[comptime!(vector * tiles + local_tile)] +=
                                    Four::<f32>::new(values[local_tile].extract(component))
                                        * filter;
                            }
                        }
                    }
                }
            }
        }
        sync_cube();
    }

    // A' m A, one row of a tile per task.
    let row_tasks = comptime!(lanes * tiles * side);
    #[unroll]
    for vector in 0..vectors {
        #[unroll]
        for local_tile in 0..tiles {
            staged[(lane * positions + position) * tiles + local_tile] =
                sums[comptime!(vector * tiles + local_tile)];
        }
        sync_cube();
        #[unroll]
        for round in 0..comptime!(row_tasks.div_ceil(units)) {
            let task = unit + comptime!(round * units);
            if task < row_tasks {
                let task_lane = task % lanes;
                let local_tile = task / lanes % tiles;
                let row = task / comptime!(lanes * tiles);
                let at = first + local_tile;
                let within = at % photo_tiles;
                let y = within / sizes.right * side + row;
                let left = within % sizes.right * side;
                let out_vector = first_vector + comptime!(vector * lanes) + task_lane;
                if at < sizes.tiles && out_vector < sizes.out_vectors && y < sizes.height {
                    let start = task_lane * comptime!(positions * tiles) + local_tile;
                    let mut line = Array::<Four<f32>>::new(patch);
                    #[unroll]
                    for choice in 0..side {
                        // Each row of A' needs its own code, but a unit's row is only known at
                        // run time.
                        if row == choice {
                            #[unroll]
                            for column in 0..patch {
                                let mut m_column = Array::<Four<f32>>::new(patch);
                                #[unroll]
                                for line_row in 0..patch {
                                    m_column[line_row] = staged
                                        [start + comptime!((line_row * patch + column) * tiles)];
                                }
                                line[column] = entry_of(&m_column, Matrix::Output, side, choice);
                            }
                        }
                    }
                    let start = ((at / photo_tiles * sizes.height + y) * sizes.width + left)
                        * sizes.out_vectors
                        + out_vector;
                    #[unroll]
                    for column in 0..side {
                        if left + column < sizes.width {
                            let mut value =
                                entry_of(&line, Matrix::Output, side, column) + bias[out_vector];
                            let index = start + column * sizes.out_vectors;
                            if comptime!(config.shortcut) {
                                value += Four::<f32>::cast_from(shortcut[index]);
                            }
                            let value = activated(value, comptime!(config.activation));
                            output[index] = Four::<F>::cast_from(value);
                        }
                    }
                }
            }
        }
        sync_cube();
    }
}
