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
//! **Launch** on a GPU (`staged`): a work-group of `rows x lanes` units computes `rows * pixels`
//! pixels by `4 * lanes` channels. It stages `depth` vectors of inputs for each of its pixels, and
//! the matching weights, in shared memory; each unit then accumulates `pixels` by 4 sums in
//! registers. It uses no sub-group operations.
//! **Arithmetic intensity**: a work-group of the largest tile does `64 * 64 * 2` operations for
//! `64 + 64` values, which is 16 operations a byte; a unit does 128 operations for 8 + 4 vectors
//! from shared memory. Bias, shortcut and activation are applied in registers, and each output is
//! written once.
//!
//! A driver on the processor runs `registers` instead, which needs neither shared memory nor
//! barriers.

pub(super) mod registers;
mod staged;

use std::fmt;

use cubecl::prelude::*;

use super::Precision;
use super::WIDTH;
use super::device_tensor::{Constants, DeviceTensor};
use super::gpu_client::GpuClient;
use super::launch::Launch;
use super::limits::Limits;
use super::tile::{Block, Hardware, Tile};
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
    work: Work,
}

/// The kernel of a [`Convolution`], with the work of its work-groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Inputs and weights are staged in shared memory.
    Staged(Tile),
    /// Each unit reads its own inputs and weights.
    Registers(Block),
}

impl Work {
    /// The work that suits `hardware`, or `None` if no tile fits the adapter's limits.
    pub fn chosen(hardware: Hardware, limits: Limits, out_channels: usize) -> Option<Self> {
        let vectors = out_channels.div_ceil(WIDTH);
        match hardware {
            Hardware::Gpu => Tile::within(limits, vectors).map(Self::Staged),
            Hardware::Processor => Some(Self::Registers(Block::of(vectors))),
        }
    }
}

impl Work {
    /// The launch that writes `pixels` pixels of `vectors` vectors of channels.
    pub fn launch(self, limits: Limits, pixels: usize, vectors: usize) -> Launch {
        let (block, lanes, units) = match self {
            Self::Staged(tile) => (tile.block(), tile.lanes, tile.units()),
            Self::Registers(block) => (block.pixels(), block.vectors(), block.units()),
        };
        Launch::grid(limits, pixels.div_ceil(block), vectors.div_ceil(lanes), units)
    }

    /// Bytes of the weights of `convolution`.
    pub fn weight_bytes(convolution: &plan::Convolution, precision: Precision) -> usize {
        let plan::Convolution { in_channels, out_channels, kernel, .. } = *convolution;
        let [stored_in, stored_out] =
            [in_channels, out_channels].map(|count| count.next_multiple_of(WIDTH));
        kernel * kernel * stored_in * stored_out * precision.bytes()
    }
}

impl fmt::Display for Work {
    /// The kernel's name with its tile: pixels by channels.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Staged(tile) => {
                write!(formatter, "convolution {}x{}", tile.block(), WIDTH * tile.lanes)
            }
            Self::Registers(block) => write!(formatter, "convolution in registers {block}"),
        }
    }
}

impl Convolution {
    /// Uploads the weights of `convolution`. Its activation is applied last, after the shortcut if
    /// there is one. [`Work::chosen`] gives the kernel and its tile.
    ///
    /// # Panics
    /// If `convolution` is grouped.
    pub fn with_work(
        client: &GpuClient,
        convolution: &plan::Convolution,
        folded: &Folded,
        precision: Precision,
        work: Work,
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
            work,
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
        client: &GpuClient,
        input: &DeviceTensor,
        shortcut: Option<&DeviceTensor>,
        output: &DeviceTensor,
    ) {
        assert_eq!(
            (input.channels, output.shape()),
            (self.in_channels, self.output(input.shape()))
        );
        output.assert_follows(input, shortcut, self.precision);
        let groups = self.work.launch(client.limits(), output.pixels(), output.vectors());
        let (cubes, units) = (groups.cubes(), groups.dimension());
        let [_, height, width] = input.shape();
        let before = |side| self.padding.around(side, self.kernel, self.stride)[0];
        let sizes = SizesLaunch::new(
            height,
            width,
            input.vectors(),
            output.height,
            output.width,
            output.vectors(),
            output.pixels(),
            before(height),
            before(width),
            groups.across(),
        );
        let (kernel, stride, activation) = (self.kernel, self.stride, self.activation);
        let (weight, bias) = (self.weight.argument(), self.bias.argument());
        // Dummy binding, unread without a shortcut.
        let added = shortcut.unwrap_or(input).argument();
        let (shortcut, input, output_argument) =
            (shortcut.is_some(), input.argument(), output.argument());
        match self.work {
            Work::Staged(tile) => {
                let launch = match output.precision {
                    Precision::F32 => staged::convolution::launch::<f32>,
                    Precision::F16 => staged::convolution::launch::<half::f16>,
                };
                let config = staged::Config { kernel, stride, activation, shortcut, tile };
                launch(
                    client,
                    cubes,
                    units,
                    input,
                    weight,
                    bias,
                    added,
                    output_argument,
                    sizes,
                    config,
                );
            }
            Work::Registers(block) => {
                let launch = match output.precision {
                    Precision::F32 => registers::convolution::launch::<f32>,
                    Precision::F16 => registers::convolution::launch::<half::f16>,
                };
                let around = |side| self.padding.around(side, self.kernel, self.stride);
                let padded = [height, width].map(around) != [[0; 2]; 2];
                let config = registers::Config { padded, activation, shortcut };
                launch(
                    client,
                    cubes,
                    units,
                    input,
                    weight,
                    bias,
                    added,
                    output_argument,
                    sizes,
                    block.argument(),
                    kernel,
                    stride,
                    config,
                );
            }
        }
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
pub(super) fn bias(client: &GpuClient, folded: &Folded) -> Constants {
    let mut bias = folded.bias.clone();
    bias.resize(bias.len().next_multiple_of(WIDTH), 0.0);
    Constants::new(client, &bias, Precision::F32)
}

/// Run-time sizes: layers that differ only in these share a compiled kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Sizes {
    pub height: usize,
    pub width: usize,
    pub in_vectors: usize,
    pub out_height: usize,
    pub out_width: usize,
    pub out_vectors: usize,
    pub pixels: usize,
    pub top: usize,
    pub left: usize,
    pub across: usize,
}
