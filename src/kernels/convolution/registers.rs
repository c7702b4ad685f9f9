//! The kernel for drivers on the processor, which uses neither shared memory nor barriers.
//!
//! **Launch**: a unit computes [`Block::PIXELS`] pixels by [`Block::VECTORS`] vectors of channels.
//! No read depends on a branch: pixels and channels beyond the output repeat the last one and are
//! not written, and inputs in the padding are read elsewhere and replaced by zeros.
//! **Arithmetic intensity**: for each vector of inputs, a unit reads 8 vectors of inputs and 8 of
//! weights, and does 512 operations with them: 2 operations a byte.

use cubecl::prelude::*;

use super::Sizes;
use crate::kernels::epilogue::activated;
use crate::kernels::tile::Block;
use crate::kernels::{Four, WIDTH};
use crate::plan::Activation;

/// Compile-time parameters of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    pub padded: bool,
    pub activation: Activation,
    pub shortcut: bool,
}

/// The work of a work-group as run-time sizes. So are a convolution's window and stride: they
/// matter outside the inner loop only, and a network then compiles a handful of kernels.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Units {
    pub lanes: usize,
    pub rows: usize,
}

impl Block {
    /// The block as a kernel's argument.
    pub fn argument(self) -> UnitsLaunch {
        UnitsLaunch::new(self.lanes, self.rows)
    }
}

/// The first pixel of this unit.
#[cube]
pub fn first_pixel(units: &Units, across: usize) -> usize {
    let group = CUBE_POS_X as usize + CUBE_POS_Z as usize * across;
    (group * units.rows + UNIT_POS as usize / units.lanes) * comptime!(Block::PIXELS)
}

/// The first vector of output channels of this unit, in this group of `lanes * VECTORS` vectors.
#[cube]
pub fn first_vector(units: &Units, group: usize) -> usize {
    group * units.lanes * comptime!(Block::VECTORS) + UNIT_POS as usize % units.lanes
}

/// Sums of zeros, `[VECTORS][PIXELS]`.
#[cube]
pub fn zeros() -> Array<Four<f32>> {
    let mut sums = Array::<Four<f32>>::new(comptime!(Block::PIXELS * Block::VECTORS));
    #[unroll]
    for at in 0..comptime!(Block::PIXELS * Block::VECTORS) {
        sums[at] = Four::<f32>::new(0.0);
    }
    sums
}

/// This unit's vectors of output channels; those beyond `out_vectors` repeat the last.
#[cube]
pub fn vectors_of(first: usize, units: &Units, out_vectors: usize) -> Array<usize> {
    let mut vectors = Array::<usize>::new(comptime!(Block::VECTORS));
    #[unroll]
    for vector in 0..comptime!(Block::VECTORS) {
        vectors[vector] = min(first + vector * units.lanes, out_vectors - 1);
    }
    vectors
}

/// Adds to `sums` the products of four channels of each pixel and their rows of weights.
#[cube]
pub fn accumulate<F: Float>(
    sums: &mut Array<Four<f32>>,
    values: &Array<Four<f32>>,
    weight: &[Four<F>],
    first_row: usize,
    vectors: &Array<usize>,
    out_vectors: usize,
) {
    #[unroll]
    for channel in 0..WIDTH {
        #[unroll]
        for vector in 0..comptime!(Block::VECTORS) {
            let filter = Four::<f32>::cast_from(
                weight[(first_row + channel) * out_vectors + vectors[vector]],
            );
            #[unroll]
            for pixel in 0..comptime!(Block::PIXELS) {
                sums[comptime!(vector * Block::PIXELS + pixel)] +=
                    Four::<f32>::new(values[pixel].extract(channel)) * filter;
            }
        }
    }
}

/// A dense convolution.
#[cube(launch)]
pub fn convolution<F: Float>(
    input: &[Four<F>],
    weight: &[Four<F>],
    bias: &[Four<f32>],
    shortcut: &[Four<F>],
    output: &mut [Four<F>],
    sizes: Sizes,
    units: Units,
    kernel: usize,
    stride: usize,
    #[comptime] config: Config,
) {
    let first = first_pixel(&units, sizes.across);
    let first_vector = first_vector(&units, CUBE_POS_Y as usize);
    let vectors = vectors_of(first_vector, &units, sizes.out_vectors);

    // Rows, counted through all photos, and columns of the top left corners of the patches, in
    // padded coordinates. Only the first is divided; a division costs as much as a read.
    let photo_pixels = sizes.out_height * sizes.out_width;
    let at = min(first, sizes.pixels - 1);
    let mut photo = at / photo_pixels * sizes.height;
    let mut y = at % photo_pixels / sizes.out_width;
    let mut x = at % sizes.out_width;
    let mut photos = Array::<usize>::new(comptime!(Block::PIXELS));
    let mut tops = Array::<usize>::new(comptime!(Block::PIXELS));
    let mut lefts = Array::<usize>::new(comptime!(Block::PIXELS));
    #[unroll]
    for pixel in 0..comptime!(Block::PIXELS) {
        photos[pixel] = photo;
        tops[pixel] = y * stride;
        lefts[pixel] = x * stride;
        let more = first + comptime!(pixel + 1) < sizes.pixels;
        let next_row = more && x + 1 == sizes.out_width;
        let next_photo = next_row && y + 1 == sizes.out_height;
        x = select(next_row, 0, select(more, x + 1, x));
        y = select(next_photo, 0, select(next_row, y + 1, y));
        photo = select(next_photo, photo + sizes.height, photo);
    }

    let mut sums = zeros();
    for tap_row in 0..kernel {
        for tap_column in 0..kernel {
            let mut starts = Array::<usize>::new(comptime!(Block::PIXELS));
            let mut insides = Array::<bool>::new(comptime!(Block::PIXELS));
            #[unroll]
            for pixel in 0..comptime!(Block::PIXELS) {
                let y = tops[pixel] + tap_row;
                let x = lefts[pixel] + tap_column;
                if comptime!(config.padded) {
                    let inside = y >= sizes.top
                        && y < sizes.top + sizes.height
                        && x >= sizes.left
                        && x < sizes.left + sizes.width;
                    let at = (photos[pixel] + y - sizes.top) * sizes.width + x - sizes.left;
                    starts[pixel] = select(inside, at * sizes.in_vectors, 0);
                    insides[pixel] = inside;
                } else {
                    starts[pixel] = ((photos[pixel] + y) * sizes.width + x) * sizes.in_vectors;
                }
            }
            let tap = (tap_row * kernel + tap_column) * sizes.in_vectors;
            for channel in 0..sizes.in_vectors {
                let mut values = Array::<Four<f32>>::new(comptime!(Block::PIXELS));
                #[unroll]
                for pixel in 0..comptime!(Block::PIXELS) {
                    let value = Four::<f32>::cast_from(input[starts[pixel] + channel]);
                    values[pixel] = if comptime!(config.padded) {
                        select(insides[pixel], value, Four::<f32>::new(0.0))
                    } else {
                        value
                    };
                }
                let first_row = (tap + channel) * WIDTH;
                accumulate(&mut sums, &values, weight, first_row, &vectors, sizes.out_vectors);
            }
        }
    }

    #[unroll]
    for vector in 0..comptime!(Block::VECTORS) {
        let out_vector = first_vector + vector * units.lanes;
        #[unroll]
        for pixel in 0..comptime!(Block::PIXELS) {
            if out_vector < sizes.out_vectors && first + pixel < sizes.pixels {
                let at = (first + pixel) * sizes.out_vectors + out_vector;
                let mut value = sums[comptime!(vector * Block::PIXELS + pixel)] + bias[out_vector];
                if comptime!(config.shortcut) {
                    value += Four::<f32>::cast_from(shortcut[at]);
                }
                let value = activated(value, comptime!(config.activation));
                output[at] = Four::<F>::cast_from(value);
            }
        }
    }
}
