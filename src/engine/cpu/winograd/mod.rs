//! 3x3 convolutions with Winograd's minimal filtering F(4x4, 3x3): 36 multiplications for 16
//! outputs, where a direct convolution takes 144.
//!
//! Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, 2015 (arXiv:1509.09308),
//! section 4: an output tile is `A' [(G g G') * (B' d B)] A`, where `d` is the 6x6 input patch
//! under it. The filters `G g G'` are computed once, in f64. The elementwise product, summed over
//! channels, becomes 36 matrix products `[tiles, in_channels] x [in_channels, out_channels]`, one
//! for each position in the patch.
//!
//! The tiles are worked on in groups ([`group`]): the tiles of a group are transformed, multiplied
//! with the filters, and transformed back. Threads share the work in one of two ways:
//! - *by group*: a thread computes all panels of a group of tiles, one or two at a time, while
//!   the group lies in the core's second cache. For early layers, which have small filters and
//!   large feature maps.
//! - *by position*: all threads work on a large group, and a thread computes one position of it at
//!   a time, a plain matrix product. The filters are read once for the group, and its tiles stay in
//!   the second cache during a product; but the sums go through memory. For late layers, whose
//!   filters are larger than their activations.

mod domain;
mod group;
mod multiply;
mod transform;

use std::array;
use std::cell::RefCell;

use super::epilogue::Clamp;
use super::floats::Floats;
use super::layout::Layout;
use super::packed::{Packed, Packer};
use super::parallelism::Parallelism;
use super::product::{self, PANEL};
use super::shared::SharedOutput;
use crate::device::Instructions;
use group::{Group, Multiply, MultiplyPosition, Transform, TransformBack, groups};
use transform::transform_filter;

/// Side of an output tile in pixels.
const TILE: usize = 4;
/// Side of the input patch under an output tile in pixels.
const PATCH: usize = TILE + 2;
/// Positions in a patch.
const POSITIONS: usize = PATCH * PATCH;
/// Most bytes of a group's transformed input. With the sums of two panels and the filters that are
/// read next to it, it fits in a core's cache of 512 KiB or more.
const GROUP: usize = 320 * 1024;
/// Most bytes of the transformed input, and of the sums, of a group that is computed by position.
/// With twice as much it is not faster; with half as much the largest filters of a ResNet, 38 MB,
/// would be read twice for 16 photos.
const POSITION_GROUP: usize = 5 << 20;
/// Most tiles that a thread transforms at a time, where all threads transform a group.
const MAX_PART: usize = 16;

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
}

/// Buffers that are reused from call to call.
#[derive(Default)]
pub struct Scratch {
    input: Floats,
    output: Floats,
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
                    // A row at a time: the positions of a value lie a power of two apart, and
                    // writing them one by one would evict each other's cache lines.
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
        Self {
            filters,
            bias: output_layout.pack(packer, bias),
            input_layout,
            output_layout,
            clamp,
            tiles,
        }
    }

    /// Size of the packed filters in bytes.
    pub fn bytes(&self) -> usize {
        self.filters.len() * size_of::<f32>()
    }

    /// The filters of one position of `count` panels from `panel` on, each `[stored channels][16]`.
    /// What is beyond `count` is empty.
    #[inline(always)]
    fn filters(
        &self,
        panel: usize,
        count: usize,
        position: usize,
    ) -> [&[f32]; product::MAX_PANELS] {
        let length = self.input_layout.stored * PANEL;
        let mut filters: [&[f32]; product::MAX_PANELS] = [&[]; product::MAX_PANELS];
        for at in 0..count {
            let start = ((panel + at) * POSITIONS + position) * length;
            filters[at] = &self.filters[start..][..length];
        }
        filters
    }

    /// Tiles of all photos of `output`.
    fn all_tiles(&self, output: &[f32]) -> usize {
        output.len() / self.output_layout.photo() * self.tiles[0] * self.tiles[1]
    }

    /// Convolves each photo of `input` into `output`, group by group, and adds `shortcut`, which
    /// has the layout of `output`.
    pub fn by_group(
        &self,
        instructions: Instructions,
        parallelism: Parallelism,
        input: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
    ) {
        let fewest = match parallelism {
            Parallelism::Serial => 1,
            Parallelism::Parallel => 2 * rayon::current_num_threads(),
        };
        let most = GROUP / (POSITIONS * self.input_layout.stored * size_of::<f32>());
        let groups = groups(instructions, self.all_tiles(output), most, fewest).collect();
        let output = SharedOutput::new(output);
        parallelism.each(groups, |tiles| {
            let group = Group::new(self, tiles);
            SCRATCH.with_borrow_mut(|Scratch { input: patches, output: sums }| {
                let patches = patches.grown(group.patches().length());
                let (part, shared) = (0..group.tiles, SharedOutput::new(patches));
                instructions.run(Transform { group, input, part, patches: shared });
                instructions.run(Multiply { group, input, patches, sums, output, shortcut });
            });
        });
    }

    /// As [`by_group`](Self::by_group), but position by position for large groups of tiles.
    /// `scratch` are reusable buffers.
    pub fn by_position(
        &self,
        instructions: Instructions,
        input: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
        scratch: &mut Scratch,
    ) {
        let (parallelism, threads) = (Parallelism::Parallel, rayon::current_num_threads());
        let (tiles, panels) = (self.all_tiles(output), self.output_layout.stored / PANEL);
        let stored = self.input_layout.stored.max(self.output_layout.stored);
        let most = POSITION_GROUP / (POSITIONS * stored * size_of::<f32>());
        // Some work for every thread, even if there are more threads than positions.
        let chunks = (4 * threads).div_ceil(POSITIONS);
        let at_a_time = panels.div_ceil(chunks).next_multiple_of(product::MAX_PANELS);
        let output = SharedOutput::new(output);
        for tiles in product::blocks(tiles, most.max(1)).filter(|tiles| !tiles.is_empty()) {
            let group = Group::new(self, tiles);
            let part = group.tiles.div_ceil(4 * threads).min(MAX_PART);
            let parts: Vec<_> = product::blocks(group.tiles, part).collect();
            let patches = scratch.input.grown(group.patches().length());
            let shared = SharedOutput::new(patches);
            parallelism.each(parts.clone(), |part| {
                instructions.run(Transform { group, input, part, patches: shared });
            });

            let (patches, domain) = (&*patches, group.sums(panels));
            let sums = scratch.output.grown(domain.length());
            let products: Vec<_> = sums
                .chunks_mut(domain.position_step())
                .enumerate()
                .flat_map(|(position, sums)| {
                    sums[..panels * domain.block_step()]
                        .chunks_mut(at_a_time * domain.block_step())
                        .enumerate()
                        .map(move |(chunk, sums)| (position, chunk * at_a_time, sums))
                })
                .collect();
            parallelism.each(products, |(position, panel, sums)| {
                let panels = panel..(panel + at_a_time).min(panels);
                instructions.run(MultiplyPosition { group, position, panels, patches, sums });
            });

            let sums = &scratch.output[..domain.length()];
            parallelism.each(parts, |part| {
                instructions.run(TransformBack { group, part, sums, output, shortcut });
            });
        }
    }
}
