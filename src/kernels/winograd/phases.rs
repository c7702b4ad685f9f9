//! Winograd in three launches, for drivers on the processor: none needs shared memory or a barrier.
//!
//! **Memory**: transformed inputs and sums are `[position, tile, channels]` in f32. They are 2.25
//! (4x4 tiles) or 4 times (2x2) as large as inputs and outputs, so the tiles of a large batch are
//! computed in parts: WebGPU guarantees buffers of 128 MiB only.
//! **Launch**: the transforms take a unit per tile and four channels, which holds the whole patch
//! in registers; neighbouring units take neighbouring channels. The products are one matrix product
//! per position, `tiles x in_channels` by `in_channels x out_channels`, with the blocks of the
//! convolution in registers.

use cubecl::prelude::*;

use super::kernel::{FAULT, Sizes, entry_of};
use super::transform::Matrix;
use crate::kernels::convolution::registers::{
    Units, accumulate, first_pixel, first_vector, vectors_of, zeros,
};
use crate::kernels::epilogue::activated;
use crate::kernels::tile::Block;
use crate::kernels::{Four, WIDTH};
use crate::plan::Activation;

/// `B' d B` of each tile.
#[cube(launch)]
pub fn inputs<F: Float>(
    input: &[Four<F>],
    transformed: &mut [Four<f32>],
    sizes: Sizes,
    first_tile: usize,
    #[comptime] side: usize,
) {
    let patch = comptime!(side + 2);
    let tile = ABSOLUTE_POS / sizes.in_vectors;
    let vector = ABSOLUTE_POS % sizes.in_vectors;
    if tile < sizes.tiles {
        let within = (first_tile + tile) % (sizes.down * sizes.right);
        let photo = (first_tile + tile) / (sizes.down * sizes.right) * sizes.height;
        let top = within / sizes.right * side;
        let left = within % sizes.right * side;
        let mut columns = Array::<Four<f32>>::new(comptime!(patch * patch));
        #[unroll]
        for column in 0..patch {
            let x = left + column;
            let mut line = Array::<Four<f32>>::new(patch);
            #[unroll]
            for row in 0..patch {
                let y = top + row;
                // Pixels in the padding are read elsewhere and replaced by zeros: a branch would
                // cost more.
                let inside = y >= 1 && y < sizes.height + 1 && x >= 1 && x < sizes.width + 1;
                let pixel = select(inside, (photo + y - 1) * sizes.width + x - 1, 0);
                let value = Four::<f32>::cast_from(input[pixel * sizes.in_vectors + vector]);
                line[row] = select(inside, value, Four::<f32>::new(0.0));
            }
            #[unroll]
            for row in 0..patch {
                columns[comptime!(row * patch + column)] =
                    entry_of(&line, Matrix::Input, side, row);
            }
        }
        #[unroll]
        for row in 0..patch {
            let mut line = Array::<Four<f32>>::new(patch);
            #[unroll]
            for column in 0..patch {
                line[column] = columns[comptime!(row * patch + column)];
            }
            #[unroll]
            for column in 0..patch {
                let position = comptime!(row * patch + column);
                transformed[(position * sizes.tiles + tile) * sizes.in_vectors + vector] =
                    entry_of(&line, Matrix::Input, side, column);
            }
        }
    }
}

/// The products of each position, summed over the input channels.
#[cube(launch)]
pub fn products<F: Float>(
    transformed: &[Four<f32>],
    filters: &[Four<F>],
    sums: &mut [Four<f32>],
    sizes: Sizes,
    units: Units,
    groups: usize,
    positions: usize,
) {
    let first = first_pixel(&units, sizes.across);
    let position = CUBE_POS_Y as usize / groups;
    let first_vector = first_vector(&units, CUBE_POS_Y as usize % groups);
    let vectors = vectors_of(first_vector, &units, sizes.out_vectors);

    let mut starts = Array::<usize>::new(comptime!(Block::PIXELS));
    #[unroll]
    for at in 0..comptime!(Block::PIXELS) {
        let tile = min(first + at, sizes.tiles - 1);
        starts[at] = (position * sizes.tiles + tile) * sizes.in_vectors;
    }
    let mut totals = zeros();
    for channel in 0..sizes.in_vectors - comptime!(FAULT) {
        let mut values = Array::<Four<f32>>::new(comptime!(Block::PIXELS));
        #[unroll]
        for at in 0..comptime!(Block::PIXELS) {
            values[at] = transformed[starts[at] + channel];
        }
        let first_row = (channel * positions + position) * WIDTH;
        accumulate(&mut totals, &values, filters, first_row, &vectors, sizes.out_vectors);
    }
    #[unroll]
    for vector in 0..comptime!(Block::VECTORS) {
        let out_vector = first_vector + vector * units.lanes;
        #[unroll]
        for at in 0..comptime!(Block::PIXELS) {
            if out_vector < sizes.out_vectors && first + at < sizes.tiles {
                let tile = position * sizes.tiles + first + at;
                sums[tile * sizes.out_vectors + out_vector] =
                    totals[comptime!(vector * Block::PIXELS + at)];
            }
        }
    }
}

/// `A' m A` of each tile, with bias, shortcut and activation.
#[cube(launch)]
pub fn outputs<F: Float>(
    sums: &[Four<f32>],
    bias: &[Four<f32>],
    shortcut: &[Four<F>],
    output: &mut [Four<F>],
    sizes: Sizes,
    first_tile: usize,
    #[comptime] side: usize,
    #[comptime] activation: Activation,
    #[comptime] has_shortcut: bool,
) {
    let patch = comptime!(side + 2);
    let tile = ABSOLUTE_POS / sizes.out_vectors;
    let vector = ABSOLUTE_POS % sizes.out_vectors;
    if tile < sizes.tiles {
        let within = (first_tile + tile) % (sizes.down * sizes.right);
        let photo = (first_tile + tile) / (sizes.down * sizes.right) * sizes.height;
        let top = within / sizes.right * side;
        let left = within % sizes.right * side;
        let mut columns = Array::<Four<f32>>::new(comptime!(side * patch));
        #[unroll]
        for column in 0..patch {
            let mut line = Array::<Four<f32>>::new(patch);
            #[unroll]
            for row in 0..patch {
                let position = comptime!(row * patch + column);
                line[row] = sums[(position * sizes.tiles + tile) * sizes.out_vectors + vector];
            }
            #[unroll]
            for row in 0..side {
                columns[comptime!(row * patch + column)] =
                    entry_of(&line, Matrix::Output, side, row);
            }
        }
        #[unroll]
        for row in 0..side {
            let mut line = Array::<Four<f32>>::new(patch);
            #[unroll]
            for column in 0..patch {
                line[column] = columns[comptime!(row * patch + column)];
            }
            #[unroll]
            for column in 0..side {
                if top + row < sizes.height && left + column < sizes.width {
                    let pixel = (photo + top + row) * sizes.width + left + column;
                    let at = pixel * sizes.out_vectors + vector;
                    let mut value = entry_of(&line, Matrix::Output, side, column) + bias[vector];
                    if comptime!(has_shortcut) {
                        value += Four::<f32>::cast_from(shortcut[at]);
                    }
                    output[at] = Four::<F>::cast_from(activated(value, activation));
                }
            }
        }
    }
}
