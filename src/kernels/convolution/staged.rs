//! The kernel for GPUs, which stages inputs and weights in shared memory. The parent module
//! documents its memory layout.

use cubecl::prelude::*;

use super::Sizes;
use crate::kernels::epilogue::activated;
use crate::kernels::tile::Tile;
use crate::kernels::{Four, WIDTH};
use crate::plan::Activation;

/// Compile-time parameters of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    pub kernel: usize,
    pub stride: usize,
    pub activation: Activation,
    pub shortcut: bool,
    pub tile: Tile,
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
    #[comptime] config: Config,
) {
    let kernel = comptime!(config.kernel);
    let (lanes, depth, pixels) =
        comptime!((config.tile.lanes, config.tile.depth, config.tile.pixels));
    let (block, units) = comptime!((config.tile.block(), config.tile.units()));

    let unit = UNIT_POS as usize;
    let lane = unit % lanes;
    let row = unit / lanes;
    let first = (CUBE_POS_X as usize + CUBE_POS_Z as usize * sizes.across) * block;
    let first_vector = CUBE_POS_Y as usize * lanes;

    let mut staged = Shared::<[Four<f32>]>::new_slice(comptime!(block * depth));
    let mut filters = Shared::<[Four<f32>]>::new_slice(comptime!(WIDTH * depth * lanes));

    // Top left corners, in padded coordinates, of the patches whose inputs this unit stages.
    let loads = comptime!(block * depth / units);
    let mut photos = Array::<usize>::new(loads);
    let mut tops = Array::<usize>::new(loads);
    let mut lefts = Array::<usize>::new(loads);
    let photo_pixels = sizes.out_height * sizes.out_width;
    #[unroll]
    for load in 0..loads {
        let pixel = first + (unit + comptime!(load * units)) / depth;
        let within = pixel % photo_pixels;
        photos[load] = pixel / photo_pixels * sizes.height;
        tops[load] = within / sizes.out_width * comptime!(config.stride);
        lefts[load] = within % sizes.out_width * comptime!(config.stride);
    }

    let mut sums = Array::<Four<f32>>::new(pixels);
    #[unroll]
    for pixel in 0..pixels {
        sums[pixel] = Four::<f32>::new(0.0);
    }

    let terms = comptime!(kernel * kernel) * sizes.in_vectors;
    let steps = terms.div_ceil(depth);
    let filter_loads = comptime!((WIDTH * depth * lanes).div_ceil(units));
    for step in 0..steps {
        let term = step * depth + unit % depth;
        let tap = term / sizes.in_vectors;
        let channel = term % sizes.in_vectors;
        #[unroll]
        for load in 0..loads {
            let pixel = (unit + comptime!(load * units)) / depth;
            let y = tops[load] + tap / kernel;
            let x = lefts[load] + tap % kernel;
            let inside = y >= sizes.top
                && y < sizes.top + sizes.height
                && x >= sizes.left
                && x < sizes.left + sizes.width;
            let mut value = Four::<f32>::new(0.0);
            if inside && term < terms && first + pixel < sizes.pixels {
                let at = (photos[load] + y - sizes.top) * sizes.width + x - sizes.left;
                value = Four::<f32>::cast_from(input[at * sizes.in_vectors + channel]);
            }
            staged[unit % depth * block + pixel] = value;
        }
        #[unroll]
        for load in 0..filter_loads {
            let at = unit + comptime!(load * units);
            if at < comptime!(WIDTH * depth * lanes) {
                let weight_row = step * comptime!(depth * WIDTH) + at / lanes;
                let vector = first_vector + at % lanes;
                let mut value = Four::<f32>::new(0.0);
                if weight_row < terms * WIDTH && vector < sizes.out_vectors {
                    value = Four::<f32>::cast_from(weight[weight_row * sizes.out_vectors + vector]);
                }
                filters[at] = value;
            }
        }
        sync_cube();
        for vector in 0..depth {
            let mut values = Array::<Four<f32>>::new(pixels);
            #[unroll]
            for pixel in 0..pixels {
                values[pixel] = staged[vector * block + row * pixels + pixel];
            }
            #[unroll]
            for channel in 0..WIDTH {
                let filter = filters[(vector * WIDTH + channel) * lanes + lane];
                #[unroll]
                for pixel in 0..pixels {
                    sums[pixel] += Four::<f32>::new(values[pixel].extract(channel)) * filter;
                }
            }
        }
        sync_cube();
    }

    let vector = first_vector + lane;
    if vector < sizes.out_vectors {
        #[unroll]
        for pixel in 0..pixels {
            let at = first + row * pixels + pixel;
            if at < sizes.pixels {
                let mut value = sums[pixel] + bias[vector];
                if comptime!(config.shortcut) {
                    value += Four::<f32>::cast_from(shortcut[at * sizes.out_vectors + vector]);
                }
                let value = activated(value, comptime!(config.activation));
                output[at * sizes.out_vectors + vector] = Four::<F>::cast_from(value);
            }
        }
    }
}
