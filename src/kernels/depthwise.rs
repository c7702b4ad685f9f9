//! Depthwise convolutions: one filter per channel.
//!
//! **Memory**: input and output are [`DeviceTensor`]s; weights are `[kernel, kernel, channels]`.
//! **Launch**: one unit per `RUN` neighbouring pixels of a row and four channels; neighbouring
//! units take neighbouring channels; a 1D launch.
//! **Arithmetic intensity**: `kernel * kernel` multiplications for one value read and one written,
//! so the kernel is memory-bound. The windows of a run overlap in columns, which are read once into
//! registers; rows are shared through the cache.

use cubecl::prelude::*;

use super::convolution::bias;
use super::device_tensor::{Constants, DeviceTensor};
use super::epilogue::activated;
use super::gpu_client::GpuClient;
use super::window::{Sizes, sizes};
use super::{Four, Launch, Limits, Precision, WIDTH};
use crate::plan::Folded;
use crate::plan::{self, Activation, Padding};

/// Pixels per unit.
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
    /// Uploads the weights of `convolution`.
    ///
    /// # Panics
    /// If `convolution` is not depthwise.
    pub fn new(
        client: &GpuClient,
        convolution: &plan::Convolution,
        folded: &Folded,
        precision: Precision,
    ) -> Self {
        let plan::Convolution {
            in_channels,
            out_channels,
            kernel,
            stride,
            padding,
            groups,
            activation,
            ..
        } = *convolution;
        assert_eq!((in_channels, out_channels), (groups, groups), "one channel per group");
        let (stored, taps) = (in_channels.next_multiple_of(WIDTH), kernel * kernel);
        let mut weight = vec![0.0; taps * stored];
        for (at, value) in folded.weight.iter().enumerate() {
            weight[at % taps * stored + at / taps] = *value;
        }
        Self {
            weight: Constants::new(client, &weight, precision),
            bias: bias(client, folded),
            channels: in_channels,
            kernel,
            stride,
            padding,
            activation,
            precision,
        }
    }

    /// The output shape for an input of `[channels, height, width]`.
    pub fn output(&self, [_, height, width]: [usize; 3]) -> [usize; 3] {
        let side = |side| self.padding.output(side, self.kernel, self.stride);
        [self.channels, side(height), side(width)]
    }

    /// Convolves `input`, applies the activation and writes `output`.
    ///
    /// # Panics
    /// If the shapes, the numbers of photos or the precisions do not match.
    pub fn run(&self, client: &GpuClient, input: &DeviceTensor, output: &DeviceTensor) {
        assert_eq!((input.channels, output.shape()), (self.channels, self.output(input.shape())));
        output.assert_follows(input, None, self.precision);
        let units = units(output.photos, output.shape());
        let groups = Launch::line(client.limits(), units);
        let sizes = sizes(input, output, units, [self.kernel, self.stride], self.padding);
        let config =
            Config { kernel: self.kernel, stride: self.stride, activation: self.activation };
        let launch = match output.precision {
            Precision::F32 => depthwise::launch::<f32>,
            Precision::F16 => depthwise::launch::<half::f16>,
        };
        launch(
            client,
            groups.cubes(),
            groups.dimension(),
            input.argument(),
            self.weight.argument(),
            self.bias.argument(),
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
        pixels * self.kernel * self.kernel * self.channels
    }
}

/// The units of a launch that writes this output.
fn units(photos: usize, [channels, height, width]: [usize; 3]) -> usize {
    photos * height * width.div_ceil(RUN) * channels.div_ceil(WIDTH)
}

/// The launch that writes this output.
pub fn launch(limits: Limits, photos: usize, output: [usize; 3]) -> Launch {
    Launch::line(limits, units(photos, output))
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
