//! 3x3 convolutions by Winograd's minimal filtering, F(4x4, 3x3): 36 multiplies for 16 outputs that directly take 144.
//!
//! Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, 2015 (arXiv:1509.09308), section 4: an output tile
//! is `A' [(G g G') * (B' d B)] A`, where `d` is the 6x6 input under it. The filters `G g G'` are made once, in f64. The
//! elementwise product, summed over channels, is 36 matrix products, one for each position in the tile, of tiles by
//! channels with channels by outputs.
//!
//! Two ways through memory:
//! - *a block at a time*: some rows of tiles are transformed, multiplied with every panel and transformed back
//!   while they lie in the cache. For early layers, whose filters are small and whose maps are large.
//! - *a position at a time*: all tiles of all photos are transformed, then each position's filters pass once over all of
//!   them, then all are transformed back. For late layers, whose filters are larger than the activations.

mod multiply;
mod transform;

use std::array;
use std::cell::RefCell;

use super::finish::Range;
use super::instructions::Instructions;
use super::layout::{Layout, grown};
use super::product::PANEL;
use super::team::Team;
use multiply::{Block, Position};
use transform::{Back, Into, transformed};

/// Side of an output tile.
const TILE: usize = 4;
/// Side of the input under it.
const PATCH: usize = TILE + 2;
/// Positions in it.
const POSITIONS: usize = PATCH * PATCH;
/// Bytes of transformed input that stay in a core's cache.
const CACHE: usize = 256 * 1024;

/// What a patch's positions are apart by more than their values, so that they do not all fall on the same lines of the
/// cache.
const APART: usize = 16;

/// A convolution whose filters are transformed and packed.
pub struct Winograd {
    /// `[panel][position][stored channels][16]`.
    filters: Vec<f32>,
    /// For each stored channel.
    bias: Vec<f32>,
    from: Layout,
    to: Layout,
    range: Range,
    /// Tiles in a row, and rows of them, in a photo.
    tiles: [usize; 2],
    /// Rows of tiles that are transformed into one block.
    block: usize,
}

/// What follows from one call to the next: memory.
#[derive(Default)]
pub struct Scratch {
    input: Vec<f32>,
    pub(super) output: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Winograd {
    /// Tiles along a `side`.
    pub fn tiles(side: usize) -> usize {
        side.div_ceil(TILE)
    }

    /// Zeros that it reads below and to the right of a `side`.
    pub fn after(side: usize) -> usize {
        Self::tiles(side) * TILE + 1 - side
    }

    /// Transforms and packs `weight`, `[to, from, 3, 3]`.
    pub fn new(weight: &[f32], bias: &[f32], from: Layout, to: Layout, range: Range) -> Self {
        let depth = from.stored;
        let panel = POSITIONS * depth * PANEL;
        let mut filters = vec![0.0; to.stored / PANEL * panel];
        Team::Together.pieces(&mut filters, panel, |panel, filters| {
            let outs = panel * PANEL..((panel + 1) * PANEL).min(to.channels);
            for channel in 0..from.channels {
                for (lane, out) in outs.clone().enumerate() {
                    let kernel = &weight[(out * from.channels + channel) * 9..][..9];
                    let filter = transformed(array::from_fn(|at| f64::from(kernel[at])));
                    for (position, value) in filter.into_iter().enumerate() {
                        filters[(position * depth + channel) * PANEL + lane] = value as f32;
                    }
                }
            }
        });
        let tiles = [Self::tiles(to.width), Self::tiles(to.height)];
        let row = POSITIONS * tiles[0] * depth * size_of::<f32>();
        let block = (CACHE / row).clamp(1, tiles[1]);
        let block = tiles[1].div_ceil(tiles[1].div_ceil(block));
        Self { filters, bias: to.padded(bias), from, to, range, tiles, block }
    }

    /// Bytes of its filters.
    pub fn bytes(&self) -> usize {
        self.filters.len() * size_of::<f32>()
    }

    /// The filters of a panel at a position, `[stored channels][16]`.
    #[inline(always)]
    fn filter(&self, panel: usize, position: usize) -> &[f32] {
        let length = self.from.stored * PANEL;
        &self.filters[(panel * POSITIONS + position) * length..][..length]
    }

    /// The filters that come next, to be prefetched: nothing beyond the last panel.
    #[inline(always)]
    fn next_filter(&self, panel: usize, position: usize) -> &[f32] {
        match panel < self.to.stored / PANEL {
            true => self.filter(panel, position),
            false => &[],
        }
    }

    /// Floats of a position in a block of so many `tiles`.
    fn patch(&self, tiles: usize) -> usize {
        tiles * self.from.stored + APART
    }

    /// Convolves each photo of `input` into `output`, adding `shortcut`, which lies as `output` does; a block at a time.
    pub fn by_block(
        &self,
        instructions: Instructions,
        team: Team,
        input: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
    ) {
        let (from, to) = (self.from, self.to);
        team.lines(&to, self.block * TILE, output, |photo, first, output| {
            let shortcut = shortcut.map(|values| to.lines(values, photo, first, output.len()));
            let input = from.one(input, photo);
            SCRATCH.with_borrow_mut(|scratch| {
                let rows = output.len().div_ceil(TILE * to.row());
                let tiles = rows * self.tiles[0];
                grown(&mut scratch.input, POSITIONS * self.patch(tiles));
                grown(&mut scratch.output, POSITIONS * (tiles * 2 * PANEL + APART));
                let first = first / TILE;
                instructions.run(Block {
                    winograd: self,
                    input,
                    first,
                    rows,
                    output,
                    shortcut,
                    scratch,
                });
            });
        });
    }

    /// The same, a position at a time.
    pub fn by_position(
        &self,
        instructions: Instructions,
        input: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
        scratch: &mut Scratch,
    ) {
        let (from, to) = (self.from, self.to);
        let photos = output.len() / to.photo();
        let tiles = self.tiles[0] * self.tiles[1];
        let panels = to.stored / PANEL;
        let patch = self.patch(tiles);
        let patches = grown(&mut scratch.input, photos * POSITIONS * patch);
        Team::Together.pieces(patches, POSITIONS * patch, |photo, patches| {
            let input = from.one(input, photo);
            instructions.run(Into {
                winograd: self,
                input,
                first: 0,
                rows: self.tiles[1],
                patches,
            });
        });
        let group = 2;
        let sums = grown(&mut scratch.output, POSITIONS * panels * photos * tiles * PANEL);
        // Panels of a position side by side, so that pieces are whole groups of them.
        let pieces: Vec<(usize, usize, &mut [f32])> = sums
            .chunks_mut(panels * photos * tiles * PANEL)
            .enumerate()
            .flat_map(|(position, sums)| {
                sums.chunks_mut(group * photos * tiles * PANEL)
                    .enumerate()
                    .map(move |(at, sums)| (position, at * group, sums))
            })
            .collect();
        let patches = &scratch.input;
        Team::Together.each(pieces, |(position, panel, sums)| {
            instructions.run(Position {
                winograd: self,
                patches,
                photos,
                tiles,
                position,
                panel,
                sums,
            });
        });
        let sums = &scratch.output;
        Team::Together.lines(&to, TILE, output, |photo, first, output| {
            let shortcut = shortcut.map(|values| to.lines(values, photo, first, output.len()));
            instructions.run(Back {
                winograd: self,
                sums,
                panel_step: photos * tiles * PANEL,
                position_step: panels * photos * tiles * PANEL,
                tile: photo * tiles + first / TILE * self.tiles[0],
                panels: 0..panels,
                output,
                shortcut,
            });
        });
    }
}
