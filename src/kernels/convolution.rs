//! Dense (ungrouped) convolutions: the stem, strided and 1x1 convolutions, and 3x3 convolutions for
//! which the Winograd kernel cannot run.
//!
//! An implicit matrix product (implicit GEMM) of `pixels x (kernel * kernel * in_channels)` by
//! `(kernel * kernel * in_channels) x out_channels`. The first factor is never written to memory:
//! its values are gathered from the input as they are needed.
//!
//! **Memory**: input, shortcut and output are [`DeviceTensor`]s; weights are
//! `[kernel, kernel, in_channels, out_channels]`, with both channel counts padded with zeros to a
//! multiple of four, so that a vector holds the weights of one input channel for four output
//! channels.
//! **Launch**: a work-group of `rows x lanes` units computes `rows * pixels` pixels by `4 * lanes`
//! channels. It stages `depth` vectors of inputs for each of its pixels, and the matching weights,
//! in shared memory; each unit then accumulates `pixels` by 4 sums in registers. It uses no
//! sub-group operations.
//! **Arithmetic intensity**: a work-group of the largest tile does `64 * 64 * 2` operations for
//! `64 + 64` values, which is 16 operations a byte; a unit does 128 operations for 8 + 4 vectors
//! from shared memory. Bias, shortcut and activation are applied in registers, and each output is
//! written once.

use cubecl::client::Client;
use cubecl::prelude::*;

use super::Precision;
use super::device_tensor::{Constants, DeviceTensor};
use super::epilogue::activated;
use super::tile::{self, Limits, Tile};
use super::{Four, WIDTH};
use crate::plan::Folded;
use crate::plan::{self, Activation, Padding};

/// A convolution whose weights are on the device.
#[derive(Clone, Debug)]
pub struct Convolution {
    weight: Constants,
    bias: Constants,
    in_channels: usize,
    out_channels: usize,
    kernel: usize,
    stride: usize,
    padding: Padding,
    activation: Activation,
    precision: Precision,
    tile: Tile,
}

impl Convolution {
    /// Uploads the weights of `convolution`. `activation` is applied last, after the shortcut if
    /// there is one. Returns `None` if no tile fits the adapter's limits.
    ///
    /// # Panics
    /// If `convolution` is grouped.
    pub fn new(
        client: &Client,
        convolution: &plan::Convolution,
        folded: &Folded,
        activation: Activation,
        precision: Precision,
    ) -> Option<Self> {
        let tile = Tile::within(Limits::of(client), convolution.out_channels.div_ceil(WIDTH))?;
        Some(Self::with_tile(client, convolution, folded, activation, precision, tile))
    }

    /// As [`new`](Self::new), with a given tile.
    ///
    /// # Panics
    /// If `convolution` is grouped.
    pub fn with_tile(
        client: &Client,
        convolution: &plan::Convolution,
        folded: &Folded,
        activation: Activation,
        precision: Precision,
        tile: Tile,
    ) -> Self {
        let plan::Convolution {
            in_channels, out_channels, kernel, stride, padding, groups, ..
        } = *convolution;
        assert_eq!(groups, 1, "the convolution must not be grouped");
        let [stored_in, stored_out] =
            [in_channels, out_channels].map(|count| count.next_multiple_of(WIDTH));
        let taps = kernel * kernel;
        let mut weight = vec![0.0; taps * stored_in * stored_out];
        for (at, value) in folded.weight.iter().enumerate() {
            let (out, channel, tap) =
                (at / (in_channels * taps), at / taps % in_channels, at % taps);
            weight[(tap * stored_in + channel) * stored_out + out] = *value;
        }
        Self {
            weight: Constants::new(client, &weight, precision),
            bias: bias(client, folded),
            in_channels,
            out_channels,
            kernel,
            stride,
            padding,
            activation,
            precision,
            tile,
        }
    }

    /// The output shape for an input of `[channels, height, width]`.
    pub fn output(&self, [_, height, width]: [usize; 3]) -> [usize; 3] {
        let side = |side| self.padding.output(side, self.kernel, self.stride);
        [self.out_channels, side(height), side(width)]
    }

    /// Convolves `input`, adds `shortcut` if there is one, applies the activation and writes
    /// `output`.
    ///
    /// # Panics
    /// If the shapes, the numbers of photos or the precisions do not match.
    pub fn run(
        &self,
        client: &Client,
        input: &DeviceTensor,
        shortcut: Option<&DeviceTensor>,
        output: &DeviceTensor,
    ) {
        assert_eq!(
            (input.channels, output.shape()),
            (self.in_channels, self.output(input.shape()))
        );
        output.assert_follows(input, shortcut, self.precision);
        let lanes = self.tile.lanes;
        let (cubes, across) = tile::grid(
            client,
            output.pixels().div_ceil(self.tile.block()),
            output.vectors().div_ceil(lanes),
        );
        let dimension = CubeDim::new_1d(self.tile.units() as u32);
        let before = |side| self.padding.around(side, self.kernel, self.stride)[0];
        let sizes = SizesLaunch::new(
            input.height,
            input.width,
            input.vectors(),
            output.height,
            output.width,
            output.vectors(),
            output.pixels(),
            before(input.height),
            before(input.width),
            across,
        );
        let config = Config {
            kernel: self.kernel,
            stride: self.stride,
            activation: self.activation,
            shortcut: shortcut.is_some(),
            tile: self.tile,
        };
        let launch = match output.precision {
            Precision::F32 => convolution::launch::<f32>,
            Precision::F16 => convolution::launch::<half::f16>,
        };
        launch(
            client,
            cubes,
            dimension,
            input.argument(),
            self.weight.argument(),
            self.bias.argument(),
            // Dummy binding, unread without a shortcut.
            shortcut.unwrap_or(input).argument(),
            output.argument(),
            sizes,
            config,
        );
    }

    /// Size of weights and biases in bytes.
    pub fn bytes(&self) -> usize {
        self.weight.bytes() + self.bias.bytes()
    }

    /// Number of multiplications for `pixels` output pixels.
    pub fn multiplications(&self, pixels: usize) -> usize {
        pixels * self.kernel * self.kernel * self.in_channels * self.out_channels
    }
}

/// Uploads the biases, padded with zeros to a multiple of four.
pub(super) fn bias(client: &Client, folded: &Folded) -> Constants {
    let mut bias = folded.bias.clone();
    bias.resize(bias.len().next_multiple_of(WIDTH), 0.0);
    Constants::new(client, &bias, Precision::F32)
}

/// Run-time sizes: layers that differ only in these share a compiled kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Sizes {
    height: usize,
    width: usize,
    in_vectors: usize,
    out_height: usize,
    out_width: usize,
    out_vectors: usize,
    pixels: usize,
    top: usize,
    left: usize,
    across: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Config {
    kernel: usize,
    stride: usize,
    activation: Activation,
    shortcut: bool,
    tile: Tile,
}

#[cube(launch)]
fn convolution<F: Float>(
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
