//! Depthwise convolutions: each channel alone.
//!
//! **Memory**: input and output as [`Map`]s; weights `[kernel, kernel, channels]`.
//! **Launch**: a unit for [`RUN`] neighbouring pixels of a row and four channels, units of one pixel side by side along
//! the channels; work-groups in a line.
//! **Arithmetic intensity**: `kernel * kernel` multiplications a value for one value read and one written: it is the
//! memory that takes the time. A run shares the columns that its windows overlap in, which lie in registers; rows are
//! shared through the cache.

use cubecl::client::Client;
use cubecl::prelude::*;

use super::Precision;
use super::convolution::bias;
use super::finish::activated;
use super::map::{Constants, Map};
use super::tile;
use super::window::{Sizes, sizes};
use super::{Four, WIDTH};
use crate::backbone::folding::Folded;
use crate::backbone::plan::{self, Activation, Padding};

/// Pixels of a unit.
const RUN: usize = 4;

/// A depthwise convolution whose weights are on the device.
#[derive(Clone, Debug)]
pub struct Depthwise {
    weight: Constants,
    bias: Constants,
    channels: usize,
    kernel: usize,
    stride: usize,
    padding: Padding,
    activation: Activation,
    precision: Precision,
}

impl Depthwise {
    /// Puts the weights of `convolution` on the device.
    ///
    /// # Panics
    /// Where it is not depthwise.
    pub fn new(
        client: &Client,
        convolution: &plan::Convolution,
        folded: &Folded,
        precision: Precision,
    ) -> Self {
        let plan::Convolution { from, to, kernel, stride, padding, groups, activation, .. } =
            *convolution;
        assert_eq!((from, to), (groups, groups), "a channel a group");
        let (stored, taps) = (from.next_multiple_of(WIDTH), kernel * kernel);
        let mut weight = vec![0.0; taps * stored];
        for (at, value) in folded.weight.iter().enumerate() {
            weight[at % taps * stored + at / taps] = *value;
        }
        Self {
            weight: Constants::new(client, &weight, precision),
            bias: bias(client, folded),
            channels: from,
            kernel,
            stride,
            padding,
            activation,
            precision,
        }
    }

    /// The shape of what comes of `[channels, height, width]`.
    pub fn output(&self, [_, height, width]: [usize; 3]) -> [usize; 3] {
        let side = |side| self.padding.output(side, self.kernel, self.stride);
        [self.channels, side(height), side(width)]
    }

    /// Computes `output`.
    ///
    /// # Panics
    /// Where the shapes do not belong together.
    pub fn run(&self, client: &Client, input: &Map, output: &Map) {
        assert_eq!((input.channels, output.shape()), (self.channels, self.output(input.shape())));
        output.assert_follows(input, None, self.precision);
        let runs = output.width.div_ceil(RUN);
        let units = output.photos * output.height * runs * output.vectors();
        let (cubes, dimension) = tile::line(client, units);
        let sizes = sizes(input, output, units, [self.kernel, self.stride], self.padding);
        let config =
            Config { kernel: self.kernel, stride: self.stride, activation: self.activation };
        let launch = match output.precision {
            Precision::F32 => depthwise::launch::<f32>,
            Precision::F16 => depthwise::launch::<half::f16>,
        };
        launch(
            client,
            cubes,
            dimension,
            input.argument(),
            self.weight.argument(),
            self.bias.argument(),
            output.argument(),
            sizes,
            config,
        );
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        self.weight.bytes() + self.bias.bytes()
    }

    /// Multiplications for so many pixels of output.
    pub fn multiplications(&self, pixels: usize) -> usize {
        pixels * self.kernel * self.kernel * self.channels
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Config {
    kernel: usize,
    stride: usize,
    activation: Activation,
}

#[cube(launch)]
fn depthwise<F: Float>(
    input: &[Four<F>],
    weight: &[Four<F>],
    bias: &[Four<f32>],
    output: &mut [Four<F>],
    sizes: Sizes,
    #[comptime] config: Config,
) {
    let (kernel, stride) = comptime!((config.kernel, config.stride));
    let columns = comptime!((RUN - 1) * stride + kernel);
    if ABSOLUTE_POS < sizes.units {
        let vector = ABSOLUTE_POS % sizes.vectors;
        let run = ABSOLUTE_POS / sizes.vectors;
        let runs = sizes.out_width.div_ceil(RUN);
        let first = run % runs * RUN;
        let line = run / runs;
        let photo = line / sizes.out_height;
        let top = line % sizes.out_height * stride;
        let left = first * stride;

        let mut sums = Array::<Four<f32>>::new(RUN);
        #[unroll]
        for pixel in 0..RUN {
            sums[pixel] = bias[vector];
        }
        for row in 0..kernel {
            let y = top + row;
            if y >= sizes.top && y < sizes.top + sizes.height {
                let start = (photo * sizes.height + y - sizes.top) * sizes.width;
                let mut values = Array::<Four<f32>>::new(columns);
                #[unroll]
                for column in 0..columns {
                    let x = left + column;
                    let mut value = Four::<f32>::new(0.0);
                    if x >= sizes.left && x < sizes.left + sizes.width {
                        let at = (start + x - sizes.left) * sizes.vectors + vector;
                        value = Four::<f32>::cast_from(input[at]);
                    }
                    values[column] = value;
                }
                #[unroll]
                for column in 0..kernel {
                    let filter = Four::<f32>::cast_from(
                        weight[(row * kernel + column) * sizes.vectors + vector],
                    );
                    #[unroll]
                    for pixel in 0..RUN {
                        sums[pixel] += values[comptime!(pixel * stride + column)] * filter;
                    }
                }
            }
        }
        #[unroll]
        for pixel in 0..RUN {
            if first + pixel < sizes.out_width {
                let value = activated(sums[pixel], comptime!(config.activation));
                let at = (line * sizes.out_width + first + pixel) * sizes.vectors + vector;
                output[at] = Four::<F>::cast_from(value);
            }
        }
    }
}
