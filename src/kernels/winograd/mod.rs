//! 3x3 convolutions of stride 1 by Winograd's minimal filtering, F(2x2,3x3) and F(4x4,3x3) (Lavin and Gray, *Fast
//! Algorithms for Convolutional Neural Networks*, 2015, section 4.1): 4 and 2.25 multiplications an output instead of 9.
//!
//! `Y = A' [(G g G') * (B' d B)] A` for each tile, summed over channels before `A`. One kernel does all of it: the
//! transformed inputs and the sums of products live in shared memory and registers and are never written.
//!
//! **Memory**: input, shortcut and output as [`Map`]s; filters transformed once at load, `[channels in / 4, position, 4,
//! channels out]`: at a position, a unit meets four inputs with four vectors of filters.
//! **Launch**: a work-group computes `tiles` tiles by `4 * lanes * vectors` channels; a unit has one of the 16 or 36
//! positions and a lane, and holds `tiles * vectors` vectors of sums in registers. `depth` vectors of inputs at a time are
//! transformed into shared memory, columns first, then rows in place; at the end the sums go through the same memory, a
//! vector of each unit at a time, and each unit writes a row of a tile.
//! **Arithmetic intensity**: for a vector of inputs a unit does `tiles * vectors * 32` operations with `4 * vectors`
//! vectors of filters, which no other unit of its group reads: `tiles / 2` operations a byte from the cache; the inputs
//! cross it once for each `4 * lanes * vectors` channels out.

mod kernel;
mod transform;

use cubecl::client::Client;
use cubecl::prelude::*;

use super::Precision;
use super::WIDTH;
use super::convolution::bias;
use super::map::{Constants, Map};
use super::tile::{self, Limits, WinogradTile};
use crate::backbone::folding::Folded;
use crate::backbone::plan::{self, Activation, Padding};
use kernel::{Config, SizesLaunch, winograd};
use transform::transformed;
pub(super) use transform::{ROUNDINGS, squares};

/// A 3x3 convolution whose transformed filters are on the device.
#[derive(Clone, Debug)]
pub struct Winograd {
    filters: Constants,
    bias: Constants,
    from: usize,
    to: usize,
    activation: Activation,
    precision: Precision,
    tile: WinogradTile,
}

impl Winograd {
    /// Whether it computes this convolution.
    pub fn computes(convolution: &plan::Convolution) -> bool {
        let plan::Convolution { kernel, stride, padding, groups, .. } = convolution;
        (*kernel, *stride, *padding, *groups) == (3, 1, Padding::Each(1), 1)
    }

    /// Sides of the tiles that it takes in this precision, best first.
    pub fn sides(precision: Precision) -> &'static [usize] {
        match precision {
            Precision::F32 => &[4, 2],
            Precision::F16 => &[2],
        }
    }

    /// Puts the transformed filters of `convolution` on the device; `activation` comes after the shortcut, where there is
    /// one. Tiles of 4x4 in f32, of 2x2 in f16, whose three digits the larger transforms would use up, and where the
    /// adapter's limits ask for it; `None` where they do not allow either.
    ///
    /// # Panics
    /// Where it is none that it [computes](Self::computes).
    pub fn new(
        client: &Client,
        convolution: &plan::Convolution,
        folded: &Folded,
        activation: Activation,
        precision: Precision,
    ) -> Option<Self> {
        let limits = Limits::of(client);
        let tile =
            Self::sides(precision).iter().find_map(|side| WinogradTile::within(limits, *side))?;
        Some(Self::with_tile(client, convolution, folded, activation, precision, tile))
    }

    /// The same with a tile of one's own.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn with_tile(
        client: &Client,
        convolution: &plan::Convolution,
        folded: &Folded,
        activation: Activation,
        precision: Precision,
        tile: WinogradTile,
    ) -> Self {
        assert!(Self::computes(convolution), "a 3x3 convolution of stride 1");
        let plan::Convolution { from, to, .. } = *convolution;
        let (positions, stored_to) = (tile.positions(), to.next_multiple_of(WIDTH));
        let mut filters = vec![0.0; from.next_multiple_of(WIDTH) * positions * stored_to];
        for (pair, kernel) in folded.weight.chunks_exact(9).enumerate() {
            let (out, channel) = (pair / from, pair % from);
            for (position, value) in transformed(kernel, tile.side).into_iter().enumerate() {
                let row = (channel / WIDTH * positions + position) * WIDTH + channel % WIDTH;
                filters[row * stored_to + out] = value as f32;
            }
        }
        let filters = Constants::new(client, &filters, precision);
        Self { filters, bias: bias(client, folded), from, to, activation, precision, tile }
    }

    /// The shape of what comes of `[channels, height, width]`.
    pub fn output(&self, [_, height, width]: [usize; 3]) -> [usize; 3] {
        [self.to, height, width]
    }

    /// Side of its tiles.
    pub fn side(&self) -> usize {
        self.tile.side
    }

    /// Computes `output`, which `shortcut` is added to.
    ///
    /// # Panics
    /// Where the shapes do not belong together.
    pub fn run(&self, client: &Client, input: &Map, shortcut: Option<&Map>, output: &Map) {
        assert_eq!((input.channels, output.shape()), (self.from, self.output(input.shape())));
        output.assert_follows(input, shortcut, self.precision);
        let tile = self.tile;
        let (down, right) = (output.height.div_ceil(tile.side), output.width.div_ceil(tile.side));
        let tiles = output.photos * down * right;
        let (cubes, across) = tile::grid(
            client,
            tiles.div_ceil(tile.tiles),
            output.vectors().div_ceil(tile.lanes * tile.vectors),
        );
        let sizes = SizesLaunch::new(
            input.height,
            input.width,
            input.vectors(),
            output.vectors(),
            down,
            right,
            tiles,
            across,
        );
        let config = Config { activation: self.activation, shortcut: shortcut.is_some(), tile };
        let launch = match output.precision {
            Precision::F32 => winograd::launch::<f32>,
            Precision::F16 => winograd::launch::<half::f16>,
        };
        launch(
            client,
            cubes,
            CubeDim::new_1d(tile.units() as u32),
            input.argument(),
            self.filters.argument(),
            self.bias.argument(),
            // One that is not read where there is none.
            shortcut.unwrap_or(input).argument(),
            output.argument(),
            sizes,
            config,
        );
    }

    /// Bytes of filters.
    pub fn bytes(&self) -> usize {
        self.filters.bytes() + self.bias.bytes()
    }

    /// Multiplications of inputs with filters for some photos of `[channels, height, width]`.
    pub fn multiplications(&self, photos: usize, [_, height, width]: [usize; 3]) -> usize {
        let tiles = height.div_ceil(self.tile.side) * width.div_ceil(self.tile.side);
        photos * tiles * self.tile.positions() * self.from * self.to
    }
}
