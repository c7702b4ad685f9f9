//! The matrix products between the transforms.

use std::array;

use pulp::Simd;

use super::super::product::{self, PANEL, Rows, multiply, prefetch, share};
use super::transform::{InputTransform, OutputTransform};
use super::{POSITION_PADDING, POSITIONS, Scratch, TILE, Winograd};
use crate::device::Task;

/// Computes one position's product for some panels of all photos; `sums` is `[panel][tile][16]`.
pub(super) struct Position<'a> {
    pub(super) winograd: &'a Winograd,
    /// `[photo][position][tile][channel]`.
    pub(super) patches: &'a [f32],
    pub(super) photos: usize,
    /// Tiles per photo.
    pub(super) tiles: usize,
    pub(super) position: usize,
    /// The first panel.
    pub(super) panel: usize,
    pub(super) sums: &'a mut [f32],
}

impl Task for Position<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { winograd, patches, photos, tiles, position, .. } = self;
        let [max_rows, max_panels] = product::block::<S>();
        let depth = winograd.input_layout.stored;
        let step = photos * tiles * PANEL;
        let count = self.sums.len() / step;
        for (group, sums) in self.sums.chunks_mut(max_panels * step).enumerate() {
            let first = self.panel + group * max_panels;
            let filters: Vec<&[f32]> = (first..first + max_panels.min(count - group * max_panels))
                .map(|panel| winograd.filter(panel, position))
                .collect();
            let next = winograd.next_filter(first + max_panels, position);
            let position_stride = winograd.position_stride(tiles);
            let blocks = (photos * tiles).div_ceil(max_rows);
            for (at, block) in product::blocks(photos * tiles, max_rows).enumerate() {
                prefetch(share(next, at, blocks));
                // A block may contain tiles of several photos.
                let start = |at: usize| {
                    let tile = (block.start + at).min(photos * tiles - 1);
                    (tile / tiles * POSITIONS + position) * position_stride + tile % tiles * depth
                };
                let rows = Rows {
                    input: patches,
                    starts: array::from_fn(start),
                    parts: 1,
                    part_step: 0,
                    depth,
                };
                let sums = &mut sums[block.start * PANEL..];
                multiply(simd, block.len(), rows, &filters, sums, step);
            }
        }
    }
}

/// Transforms, multiplies and transforms back some rows of one photo's tiles.
pub(super) struct Block<'a> {
    pub(super) winograd: &'a Winograd,
    /// The photo.
    pub(super) input: &'a [f32],
    /// The first row of tiles.
    pub(super) first: usize,
    /// Rows of tiles.
    pub(super) rows: usize,
    pub(super) output: &'a mut [f32],
    pub(super) shortcut: Option<&'a [f32]>,
    pub(super) scratch: &'a mut Scratch,
}

impl Task for Block<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { winograd, input, first, rows, output, shortcut, scratch } = self;
        let [max_rows, max_panels] = product::block::<S>();
        let depth = winograd.input_layout.stored;
        let tiles = rows * winograd.tiles[0];
        let position_stride = winograd.position_stride(tiles);
        let panels = winograd.output_layout.stored / PANEL;
        InputTransform { winograd, input, first, rows, patches: &mut scratch.input }.run(simd);
        let position_step = tiles * max_panels * PANEL + POSITION_PADDING;
        for first_panel in (0..panels).step_by(max_panels) {
            let count = max_panels.min(panels - first_panel);
            for position in 0..POSITIONS {
                let mut filters: [&[f32]; 2] = [&[]; 2];
                for at in 0..count {
                    filters[at] = winograd.filter(first_panel + at, position);
                }
                let next = match position + 1 < POSITIONS {
                    true => winograd.next_filter(first_panel, position + 1),
                    false => winograd.next_filter(first_panel + count, 0),
                };
                let sums = &mut scratch.output[position * position_step..];
                let blocks = tiles.div_ceil(max_rows);
                for (at, block) in product::blocks(tiles, max_rows).enumerate() {
                    prefetch(share(next, at, blocks));
                    let start = position * position_stride + block.start * depth;
                    let rows = Rows {
                        input: &scratch.input,
                        starts: array::from_fn(|at| start + at * depth),
                        parts: 1,
                        part_step: 0,
                        depth,
                    };
                    let sums = &mut sums[block.start * PANEL..];
                    multiply(simd, block.len(), rows, &filters[..count], sums, tiles * PANEL);
                }
            }
            let line = TILE * winograd.output_layout.row();
            for (row, output) in output.chunks_mut(line).enumerate() {
                OutputTransform {
                    winograd,
                    sums: &scratch.output,
                    panel_step: tiles * PANEL,
                    position_step,
                    tile: row * winograd.tiles[0],
                    panels: first_panel..first_panel + count,
                    shortcut: shortcut.map(|shortcut| &shortcut[row * line..][..output.len()]),
                    output,
                }
                .run(simd);
            }
        }
    }
}
