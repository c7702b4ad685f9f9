//! 3x3 convolutions of stride 1 by Winograd's minimal filtering, F(2x2,3x3) and F(4x4,3x3) (Lavin
//! and Gray, [*Fast Algorithms for Convolutional Neural
//! Networks*](https://arxiv.org/abs/1509.09308), 2015, section 4.1): 4 and 2.25 multiplications per
//! output instead of 9.
//!
//! `Y = A' [(G g G') * (B' d B)] A` for each tile, with the products summed over the input channels
//! before the output transform. On a GPU a single kernel does all of it: the transformed inputs and
//! the sums of products stay in shared memory and registers, and are never written to global
//! memory. A driver on the processor takes three launches (`phases`), because shared memory and
//! barriers are expensive there.
//!
//! **Memory**: input, shortcut and output are [`DeviceTensor`]s. Filters are transformed once at
//! load and lie as `[in_channels / 4, position, 4, out_channels]`: at its position, a unit
//! multiplies four inputs by four vectors of filters.
//! **Launch** on a GPU: a work-group computes `tiles` tiles by `4 * lanes * vectors` channels. A
//! unit has one of the 16 or 36 positions and a lane, and holds `tiles * vectors` vectors of sums
//! in registers. `depth` vectors of inputs at a time are transformed into shared memory, columns
//! first, then rows in place. At the end the sums pass through the same memory, one vector of each
//! unit at a time, and each unit writes a row of a tile.
//! **Arithmetic intensity** on a GPU: for each vector of inputs, a unit does `tiles * vectors * 32`
//! operations with `4 * vectors` vectors of filters, which no other unit of its work-group reads:
//! `tiles / 2` operations a byte from the cache. The inputs are read once for every
//! `4 * lanes * vectors` output channels.

mod kernel;
mod phases;
mod transform;
mod work;

use std::ops::Range;

use super::Precision;
use super::WIDTH;
use super::convolution::bias;
use super::device_tensor::{Constants, DeviceTensor};
use super::gpu_client::GpuClient;
use super::tile::{Block, WinogradTile};
use crate::plan::Folded;
use crate::plan::{self, Activation, Padding};
use kernel::{Config, SizesLaunch, winograd};
use transform::transformed;
pub(super) use transform::{ROUNDINGS, squares};
pub use work::{PhaseBytes, Work};

/// A 3x3 convolution whose transformed filters are on the device.
#[derive(Clone, Debug)]
pub struct Winograd {
    filters: Constants,
    bias: Constants,
    in_channels: usize,
    out_channels: usize,
    activation: Activation,
    precision: Precision,
    work: Work,
    /// Bytes that a part between launches may have.
    part_bytes: usize,
}

impl Winograd {
    /// Whether this kernel can compute `convolution`: 3x3, stride 1, padding 1, ungrouped.
    pub fn computes(convolution: &plan::Convolution) -> bool {
        let plan::Convolution { kernel, stride, padding, groups, .. } = convolution;
        (*kernel, *stride, *padding, *groups) == (3, 1, Padding::Each(1), 1)
    }

    /// Tile sides to use in this precision, best first.
    pub fn sides(precision: Precision) -> &'static [usize] {
        match precision {
            Precision::F32 => &[4, 2],
            Precision::F16 => &[2],
        }
    }

    /// Transforms the filters of `convolution` and uploads them. Its activation is applied last,
    /// after the shortcut if there is one.
    ///
    /// [`Work::chosen`] gives the launches and the tile: in f32 tiles are 4x4, and 2x2 if the
    /// adapter's limits require it. In f16 they are always 2x2, because the larger transforms would
    /// lose most of its three digits.
    ///
    /// # Panics
    /// If the kernel does not [compute](Self::computes) this convolution.
    pub fn with_work(
        client: &GpuClient,
        convolution: &plan::Convolution,
        folded: &Folded,
        precision: Precision,
        work: Work,
    ) -> Self {
        assert!(Self::computes(convolution), "a 3x3 convolution of stride 1");
        let plan::Convolution { in_channels, out_channels, activation, .. } = *convolution;
        let (positions, stored_out) = (work.positions(), out_channels.next_multiple_of(WIDTH));
        let mut filters = vec![0.0; in_channels.next_multiple_of(WIDTH) * positions * stored_out];
        for (pair, kernel) in folded.weight.chunks_exact(9).enumerate() {
            let (out, channel) = (pair / in_channels, pair % in_channels);
            for (position, value) in transformed(kernel, work.side()).into_iter().enumerate() {
                let row = (channel / WIDTH * positions + position) * WIDTH + channel % WIDTH;
                filters[row * stored_out + out] = value as f32;
            }
        }
        let filters = Constants::new(client, &filters, precision);
        Self {
            filters,
            bias: bias(client, folded),
            in_channels,
            out_channels,
            activation,
            precision,
            work,
            part_bytes: work::part_bytes(client.limits()),
        }
    }

    /// The output shape for an input of `[channels, height, width]`.
    pub fn output(&self, [_, height, width]: [usize; 3]) -> [usize; 3] {
        [self.out_channels, height, width]
    }

    /// How it is launched.
    pub fn work(&self) -> Work {
        self.work
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
        let arguments = Arguments { client, input, shortcut, output };
        match self.work {
            Work::Fused(tile) => self.run_fused(arguments, tile),
            Work::Phases { side, block } => self.run_phases(arguments, side, block),
        }
    }

    fn run_fused(&self, arguments: Arguments, tile: WinogradTile) {
        let Arguments { client, input, shortcut, output } = arguments;
        let [_, down, right] = tiles(output.shape(), tile.side);
        let tiles = output.photos * down * right;
        let groups = work::fused(tile, client.limits(), tiles, output.vectors());
        let sizes = arguments.sizes(tile.side, tiles, groups.across());
        let config = Config { activation: self.activation, shortcut: shortcut.is_some(), tile };
        let launch = match output.precision {
            Precision::F32 => winograd::launch::<f32>,
            Precision::F16 => winograd::launch::<half::f16>,
        };
        launch(
            client,
            groups.cubes(),
            groups.dimension(),
            input.argument(),
            self.filters.argument(),
            self.bias.argument(),
            // Dummy binding, unread without a shortcut.
            shortcut.unwrap_or(input).argument(),
            output.argument(),
            sizes,
            config,
        );
    }

    fn run_phases(&self, arguments: Arguments, side: usize, block: Block) {
        let Arguments { client, input, shortcut, output } = arguments;
        let precision = output.precision;
        let positions = self.work.positions();
        for part in self.parts(output.photos, output.shape()) {
            let tiles = part.len();
            let [transformed, sums] = [self.in_channels, self.out_channels].map(|channels| {
                DeviceTensor::empty(client, positions, [channels, tiles, 1], Precision::F32)
            });
            let sizes = |across| arguments.sizes(side, tiles, across);
            let vectors = [input.vectors(), output.vectors()];
            let [inputs, products, outputs] =
                self.work.phases(block, client.limits(), tiles, vectors);

            let (cubes, units) = (inputs.cubes(), inputs.dimension());
            let launch = match precision {
                Precision::F32 => phases::inputs::launch::<f32>,
                Precision::F16 => phases::inputs::launch::<half::f16>,
            };
            let (photos, values) = (input.argument(), transformed.argument());
            launch(client, cubes, units, photos, values, sizes(0), part.start, side);

            let groups = output.vectors().div_ceil(block.vectors());
            let launch = match precision {
                Precision::F32 => phases::products::launch::<f32>,
                Precision::F16 => phases::products::launch::<half::f16>,
            };
            launch(
                client,
                products.cubes(),
                products.dimension(),
                transformed.argument(),
                self.filters.argument(),
                sums.argument(),
                sizes(products.across()),
                block.argument(),
                groups,
                positions,
            );

            let (cubes, units) = (outputs.cubes(), outputs.dimension());
            let launch = match precision {
                Precision::F32 => phases::outputs::launch::<f32>,
                Precision::F16 => phases::outputs::launch::<half::f16>,
            };
            launch(
                client,
                cubes,
                units,
                sums.argument(),
                self.bias.argument(),
                // Dummy binding, unread without a shortcut.
                shortcut.unwrap_or(input).argument(),
                output.argument(),
                sizes(0),
                part.start,
                side,
                self.activation,
                shortcut.is_some(),
            );
        }
    }

    /// Bytes of the transformed inputs and of the sums of a tile.
    fn bytes_of_tile(&self) -> [usize; 2] {
        self.work.bytes_of_tile([self.in_channels, self.out_channels])
    }

    /// The tiles of `photos` photos of `[channels, height, width]`, in parts whose intermediate
    /// values fit a buffer.
    fn parts(&self, photos: usize, shape: [usize; 3]) -> Vec<Range<usize>> {
        let [inputs, sums] = self.bytes_of_tile();
        let [_, down, right] = tiles(shape, self.work.side());
        work::parts(photos * down * right, inputs.max(sums), self.part_bytes)
    }

    /// What passes through memory between the launches, for `photos` photos of
    /// `[channels, height, width]`: a value for each three launches. Empty if there is only one
    /// launch.
    pub fn phases(&self, photos: usize, shape: [usize; 3]) -> Vec<PhaseBytes> {
        if matches!(self.work, Work::Fused(_)) {
            return Vec::new();
        }
        let parts = self.parts(photos, shape);
        let all = parts.last().map_or(0, |part| part.end);
        let [inputs, sums] = self.bytes_of_tile();
        let bytes = |part: Range<usize>| PhaseBytes {
            inputs: part.len() * inputs,
            sums: part.len() * sums,
            bias: self.bias.bytes(),
            tiles: part,
            all,
        };
        parts.into_iter().map(bytes).collect()
    }

    /// Size of filters and biases in bytes.
    pub fn bytes(&self) -> usize {
        self.filters.bytes() + self.bias.bytes()
    }

    /// Number of multiplications of inputs by filters for `photos` photos of
    /// `[channels, height, width]`.
    pub fn multiplications(&self, photos: usize, shape: [usize; 3]) -> usize {
        let [_, down, right] = tiles(shape, self.work.side());
        photos * down * right * self.work.positions() * self.in_channels * self.out_channels
    }
}

/// `[channels, rows of tiles, columns of tiles]` of an output.
pub(crate) fn tiles([channels, height, width]: [usize; 3], side: usize) -> [usize; 3] {
    [channels, height.div_ceil(side), width.div_ceil(side)]
}

/// What a convolution reads and writes.
#[derive(Clone, Copy)]
struct Arguments<'a> {
    client: &'a GpuClient,
    input: &'a DeviceTensor,
    shortcut: Option<&'a DeviceTensor>,
    output: &'a DeviceTensor,
}

impl Arguments<'_> {
    /// The sizes for `tiles_count` tiles, in a launch of `across` work-groups along its first
    /// dimension.
    fn sizes(&self, side: usize, tiles_count: usize, across: usize) -> SizesLaunch {
        let (input, output) = (self.input, self.output);
        let [_, down, right] = tiles(output.shape(), side);
        SizesLaunch::new(
            input.height,
            input.width,
            input.vectors(),
            output.vectors(),
            down,
            right,
            tiles_count,
            across,
        )
    }
}
