//! Convolutions of all channels: the stem, strided and 1x1 ones, and 3x3 ones where Winograd's way cannot run.
//!
//! An implicit matrix product: `pixels x (kernel * kernel * channels in)` by `(kernel * kernel * channels in) x channels
//! out`, whose first factor is never written but gathered from the input as it is needed.
//!
//! **Memory**: input, shortcut and output as [`Map`]s; weights `[kernel, kernel, channels in, channels out]`, channels
//! filled up to fours with zeros, so that a vector holds four channels out of one input.
//! **Launch**: a work-group of `rows x lanes` units computes `rows * pixels` pixels by `4 * lanes` channels. It stages
//! `depth` vectors of inputs for each of its pixels and the weights that meet them in shared memory; each unit then adds
//! its `pixels` by 4 sums up in registers. Nothing is asked of sub-groups.
//! **Arithmetic intensity**: a work-group of the largest tile does `64 * 64 * 2` operations for `64 + 64` values, 16 a
//! byte; a unit does 128 operations for 8 + 4 vectors from shared memory. Bias, shortcut and activation are worked in
//! before the one write of each output.

use cubecl::client::Client;
use cubecl::prelude::*;

use super::Precision;
use super::finish::activated;
use super::map::{Constants, Map};
use super::tile::{self, Limits, Tile};
use super::{Four, WIDTH};
use crate::backbone::folding::Folded;
use crate::backbone::plan::{self, Activation, Padding};

/// A convolution whose weights are on the device.
#[derive(Clone, Debug)]
pub struct Convolution {
    weight: Constants,
    bias: Constants,
    from: usize,
    to: usize,
    kernel: usize,
    stride: usize,
    padding: Padding,
    activation: Activation,
    precision: Precision,
    tile: Tile,
}

impl Convolution {
    /// Puts the weights of `convolution` on the device; `activation` comes after the shortcut, where there is one. `None`
    /// where the adapter's limits do not allow the kernel.
    ///
    /// # Panics
    /// Where it is grouped.
    pub fn new(
        client: &Client,
        convolution: &plan::Convolution,
        folded: &Folded,
        activation: Activation,
        precision: Precision,
    ) -> Option<Self> {
        let tile = Tile::within(Limits::of(client), convolution.to.div_ceil(WIDTH))?;
        Some(Self::with_tile(client, convolution, folded, activation, precision, tile))
    }

    /// The same with a tile of one's own.
    ///
    /// # Panics
    /// Where it is grouped.
    pub fn with_tile(
        client: &Client,
        convolution: &plan::Convolution,
        folded: &Folded,
        activation: Activation,
        precision: Precision,
        tile: Tile,
    ) -> Self {
        let plan::Convolution { from, to, kernel, stride, padding, groups, .. } = *convolution;
        assert_eq!(groups, 1, "a convolution of all channels");
        let [stored_from, stored_to] = [from, to].map(|count| count.next_multiple_of(WIDTH));
        let taps = kernel * kernel;
        let mut weight = vec![0.0; taps * stored_from * stored_to];
        for (at, value) in folded.weight.iter().enumerate() {
            let (out, channel, tap) = (at / (from * taps), at / taps % from, at % taps);
            weight[(tap * stored_from + channel) * stored_to + out] = *value;
        }
        Self {
            weight: Constants::new(client, &weight, precision),
            bias: bias(client, folded),
            from,
            to,
            kernel,
            stride,
            padding,
            activation,
            precision,
            tile,
        }
    }

    /// The shape of what comes of `[channels, height, width]`.
    pub fn output(&self, [_, height, width]: [usize; 3]) -> [usize; 3] {
        let side = |side| self.padding.output(side, self.kernel, self.stride);
        [self.to, side(height), side(width)]
    }

    /// Computes `output`, which `shortcut` is added to.
    ///
    /// # Panics
    /// Where the shapes do not belong together.
    pub fn run(&self, client: &Client, input: &Map, shortcut: Option<&Map>, output: &Map) {
        assert_eq!((input.channels, output.shape()), (self.from, self.output(input.shape())));
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
            // One that is not read where there is none.
            shortcut.unwrap_or(input).argument(),
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
        pixels * self.kernel * self.kernel * self.from * self.to
    }
}

/// Biases on the device, filled up to fours with zeros.
pub(super) fn bias(client: &Client, folded: &Folded) -> Constants {
    let mut bias = folded.bias.clone();
    bias.resize(bias.len().next_multiple_of(WIDTH), 0.0);
    Constants::new(client, &bias, Precision::F32)
}

/// What differs from layer to layer without asking for another kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Sizes {
    height: usize,
    width: usize,
    from: usize,
    out_height: usize,
    out_width: usize,
    to: usize,
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

    // Where the patches begin whose inputs this unit stages, counted with the padding.
    let loads = comptime!(block * depth / units);
    let mut photos = Array::<usize>::new(loads);
    let mut tops = Array::<usize>::new(loads);
    let mut lefts = Array::<usize>::new(loads);
    let of_photo = sizes.out_height * sizes.out_width;
    #[unroll]
    for load in 0..loads {
        let pixel = first + (unit + comptime!(load * units)) / depth;
        let within = pixel % of_photo;
        photos[load] = pixel / of_photo * sizes.height;
        tops[load] = within / sizes.out_width * comptime!(config.stride);
        lefts[load] = within % sizes.out_width * comptime!(config.stride);
    }

    let mut sums = Array::<Four<f32>>::new(pixels);
    #[unroll]
    for pixel in 0..pixels {
        sums[pixel] = Four::<f32>::new(0.0);
    }

    let terms = comptime!(kernel * kernel) * sizes.from;
    let steps = terms.div_ceil(depth);
    let filter_loads = comptime!((WIDTH * depth * lanes).div_ceil(units));
    for step in 0..steps {
        let term = step * depth + unit % depth;
        let tap = term / sizes.from;
        let channel = term % sizes.from;
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
                value = Four::<f32>::cast_from(input[at * sizes.from + channel]);
            }
            staged[unit % depth * block + pixel] = value;
        }
        #[unroll]
        for load in 0..filter_loads {
            let at = unit + comptime!(load * units);
            if at < comptime!(WIDTH * depth * lanes) {
                let value_of = step * comptime!(depth * WIDTH) + at / lanes;
                let vector = first_vector + at % lanes;
                let mut value = Four::<f32>::new(0.0);
                if value_of < terms * WIDTH && vector < sizes.to {
                    value = Four::<f32>::cast_from(weight[value_of * sizes.to + vector]);
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
    if vector < sizes.to {
        #[unroll]
        for pixel in 0..pixels {
            let at = first + row * pixels + pixel;
            if at < sizes.pixels {
                let mut value = sums[pixel] + bias[vector];
                if comptime!(config.shortcut) {
                    value += Four::<f32>::cast_from(shortcut[at * sizes.to + vector]);
                }
                let value = activated(value, comptime!(config.activation));
                output[at * sizes.to + vector] = Four::<F>::cast_from(value);
            }
        }
    }
}
