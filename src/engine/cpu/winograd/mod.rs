//! 3x3 convolutions with Winograd's minimal filtering F(4x4, 3x3): 36 multiplications for 16
//! outputs, where a direct convolution takes 144.
//!
//! Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, 2015 (arXiv:1509.09308),
//! section 4: an output tile is `A' [(G g G') * (B' d B)] A`, where `d` is the 6x6 input patch
//! under it. The filters `G g G'` are computed once, in f64. The elementwise product, summed over
//! channels, becomes 36 matrix products `[tiles, in_channels] x [in_channels, out_channels]`, one
//! for each position in the patch.
//!
//! The work is done in one of two orders:
//! - *by block*: some rows of tiles are transformed, multiplied with every panel and transformed
//!   back while they are in the cache. For early layers, which have small filters and large feature
//!   maps.
//! - *by position*: all tiles of all photos are transformed, then each position's filters are read
//!   once for all of them, then all are transformed back. For late layers, whose filters are larger
//!   than their activations.

mod multiply;
mod transform;

use std::array;
use std::cell::RefCell;

use super::epilogue::Clamp;
use super::floats::Floats;
use super::layout::Layout;
use super::packed::{Packed, Packer};
use super::parallelism::Parallelism;
use super::product::PANEL;
use crate::device::Instructions;
use multiply::{Block, Position};
use transform::{InputTransform, OutputTransform, transform_filter};

/// Side of an output tile in pixels.
const TILE: usize = 4;
/// Side of the input patch under an output tile in pixels.
const PATCH: usize = TILE + 2;
/// Positions in a patch.
const POSITIONS: usize = PATCH * PATCH;
/// Bytes of transformed input that fit in a core's cache.
const CACHE: usize = 256 * 1024;

/// Unused floats between the positions, so that they do not all map to the same cache lines.
const POSITION_PADDING: usize = 16;

/// A convolution with transformed and packed filters.
pub struct Winograd {
    /// `[panel][position][stored channels][16]`.
    filters: Packed,
    /// One value per stored channel.
    bias: Packed,
    input_layout: Layout,
    output_layout: Layout,
    clamp: Clamp,
    /// Tiles per row, and rows of tiles, in a photo.
    tiles: [usize; 2],
    /// Rows of tiles per block.
    block: usize,
}

/// Buffers that are reused from call to call.
#[derive(Default)]
pub struct Scratch {
    input: Floats,
    pub(super) output: Floats,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Winograd {
    /// Number of tiles along a side of `side` pixels.
    pub fn tiles(side: usize) -> usize {
        side.div_ceil(TILE)
    }

    /// Width of the border read below and to the right of a side of `side` pixels.
    pub fn after(side: usize) -> usize {
        Self::tiles(side) * TILE + 1 - side
    }

    /// Transforms and packs `weight`, `[out_channels, in_channels, 3, 3]`, and packs `bias`,
    /// `[out_channels]`.
    pub fn new(
        packer: &mut Packer,
        weight: &[f32],
        bias: &[f32],
        input_layout: Layout,
        output_layout: Layout,
        clamp: Clamp,
    ) -> Self {
        let depth = input_layout.stored;
        let panel = POSITIONS * depth * PANEL;
        let filters = packer.pack(output_layout.stored / PANEL * panel, |filters| {
            Parallelism::Parallel.pieces(filters, panel, |panel, filters| {
                let outs = panel * PANEL..((panel + 1) * PANEL).min(output_layout.channels);
                for channel in 0..input_layout.channels {
                    // A row at a time: the positions of a value lie a power of two apart, and writing
                    // them one by one would evict each other's cache lines.
                    let mut rows = [[0.0; PANEL]; POSITIONS];
                    for (lane, out) in outs.clone().enumerate() {
                        let kernel = &weight[(out * input_layout.channels + channel) * 9..][..9];
                        let filter = transform_filter(array::from_fn(|at| f64::from(kernel[at])));
                        for position in 0..POSITIONS {
                            rows[position][lane] = filter[position] as f32;
                        }
                    }
                    for (position, row) in rows.iter().enumerate() {
                        let start = (position * depth + channel) * PANEL;
                        filters[start..][..PANEL].copy_from_slice(row);
                    }
                }
            });
        });
        let tiles = [Self::tiles(output_layout.width), Self::tiles(output_layout.height)];
        let row = POSITIONS * tiles[0] * depth * size_of::<f32>();
        let block = (CACHE / row).clamp(1, tiles[1]);
        let block = tiles[1].div_ceil(tiles[1].div_ceil(block));
        Self {
            filters,
            bias: output_layout.pack(packer, bias),
            input_layout,
            output_layout,
            clamp,
            tiles,
            block,
        }
    }

    /// Size of the packed filters in bytes.
    pub fn bytes(&self) -> usize {
        self.filters.len() * size_of::<f32>()
    }

    /// The filters of one panel and position, `[stored channels][16]`.
    #[inline(always)]
    fn filter(&self, panel: usize, position: usize) -> &[f32] {
        let length = self.input_layout.stored * PANEL;
        &self.filters[(panel * POSITIONS + position) * length..][..length]
    }

    /// The filters to prefetch for the next product; empty beyond the last panel.
    #[inline(always)]
    fn next_filter(&self, panel: usize, position: usize) -> &[f32] {
        match panel < self.output_layout.stored / PANEL {
            true => self.filter(panel, position),
            false => &[],
        }
    }

    /// Distance between the positions of a block of `tiles` tiles, in floats.
    fn position_stride(&self, tiles: usize) -> usize {
        tiles * self.input_layout.stored + POSITION_PADDING
    }

    /// Convolves each photo of `input` into `output`, block by block, and adds `shortcut`, which
    /// has the layout of `output`.
    pub fn by_block(
        &self,
        instructions: Instructions,
        parallelism: Parallelism,
        input: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
    ) {
        let (input_layout, output_layout) = (self.input_layout, self.output_layout);
        parallelism.lines(&output_layout, self.block * TILE, output, |photo, first, output| {
            let shortcut =
                shortcut.map(|values| output_layout.lines(values, photo, first, output.len()));
            let input = input_layout.one(input, photo);
            SCRATCH.with_borrow_mut(|scratch| {
                let rows = output.len().div_ceil(TILE * output_layout.row());
                let tiles = rows * self.tiles[0];
                scratch.input.grown(POSITIONS * self.position_stride(tiles));
                scratch.output.grown(POSITIONS * (tiles * 2 * PANEL + POSITION_PADDING));
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

    /// Like [`by_block`](Self::by_block), but position by position for all photos.
    pub fn by_position(
        &self,
        instructions: Instructions,
        input: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
        scratch: &mut Scratch,
    ) {
        let (input_layout, output_layout) = (self.input_layout, self.output_layout);
        let photos = output.len() / output_layout.photo();
        let tiles = self.tiles[0] * self.tiles[1];
        let panels = output_layout.stored / PANEL;
        let patches_size = POSITIONS * self.position_stride(tiles);
        let patches = scratch.input.grown(photos * patches_size);
        Parallelism::Parallel.pieces(patches, patches_size, |photo, patches| {
            let input = input_layout.one(input, photo);
            instructions.run(InputTransform {
                winograd: self,
                input,
                first: 0,
                rows: self.tiles[1],
                patches,
            });
        });
        let group = 2;
        let sums = scratch.output.grown(POSITIONS * panels * photos * tiles * PANEL);
        // Each piece is a group of neighbouring panels of one position.
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
        Parallelism::Parallel.each(pieces, |(position, panel, sums)| {
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
        Parallelism::Parallel.lines(&output_layout, TILE, output, |photo, first, output| {
            let shortcut =
                shortcut.map(|values| output_layout.lines(values, photo, first, output.len()));
            instructions.run(OutputTransform {
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
