//! A group of tiles: from the input through the products to the output.

use std::ops::Range;

use pulp::Simd;

use super::super::floats::Floats;
use super::super::layout::Layout;
use super::super::product::{self, PANEL, block};
use super::super::shared::SharedOutput;
use super::domain::Domain;
use super::multiply::multiply;
use super::{POSITIONS, TILE, Winograd, transform};
use crate::device::{Instructions, Task};

/// Splits `tiles` into at least `fewest` groups of nearly equal size, with at most `most` tiles
/// each: into the number of groups that fills the registers of the products best.
pub(super) fn groups(
    instructions: Instructions,
    tiles: usize,
    most: usize,
    fewest: usize,
) -> impl Iterator<Item = Range<usize>> {
    let mut rows = 0;
    instructions.run(Rows(&mut rows));
    let fewest = tiles.div_ceil(most.max(1)).max(fewest).clamp(1, tiles.max(1));
    let blocks = |count: usize| count * tiles.div_ceil(count).div_ceil(rows);
    let count = (fewest..=(fewest * 3 / 2).min(tiles)).min_by_key(|count| blocks(*count));
    product::blocks(tiles, tiles.div_ceil(count.unwrap_or(1)).max(1))
}

/// Finds the tiles of a product on this processor.
struct Rows<'a>(&'a mut usize);

impl Task for Rows<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        [*self.0, _] = block::<S>();
    }
}

/// Some of the tiles of a batch, counted over all photos.
#[derive(Clone, Copy)]
pub(super) struct Group<'a> {
    pub(super) winograd: &'a Winograd,
    pub(super) first: usize,
    pub(super) tiles: usize,
}

impl<'a> Group<'a> {
    pub(super) fn new(winograd: &'a Winograd, tiles: Range<usize>) -> Self {
        Self { winograd, first: tiles.start, tiles: tiles.len() }
    }

    /// Layout of the group's transformed input.
    #[inline(always)]
    pub(super) fn patches(self) -> Domain {
        Domain { tiles: self.tiles, blocks: self.winograd.input_layout.stored / PANEL }
    }

    /// Layout of the sums of some panels.
    #[inline(always)]
    pub(super) fn sums(self, panels: usize) -> Domain {
        Domain { tiles: self.tiles, blocks: panels }
    }

    /// The photo of tile `at` of the group, and its `[row, column]` in the photo's tiles.
    #[inline(always)]
    fn place(self, at: usize) -> (usize, [usize; 2]) {
        let [across, down] = self.winograd.tiles;
        let tile = self.first + at;
        (tile / (across * down), [tile / across % down, tile % across])
    }

    /// Some tiles of the group, each with its photo and its `[row, column]` in the photo's tiles.
    #[inline(always)]
    fn places(self, part: Range<usize>) -> impl Iterator<Item = (usize, usize, [usize; 2])> {
        let [across, down] = self.winograd.tiles;
        let (mut photo, [mut row, mut column]) = self.place(part.start);
        part.map(move |at| {
            let found = (at, photo, [row, column]);
            column += 1;
            if column == across {
                (row, column) = (row + 1, 0);
            }
            if row == down {
                (photo, row) = (photo + 1, 0);
            }
            found
        })
    }
}

/// Transforms a part of a group's tiles.
pub(super) struct Transform<'a> {
    pub(super) group: Group<'a>,
    /// All photos.
    pub(super) input: &'a [f32],
    /// The tiles of the group to transform. No two tasks transform the same at once.
    pub(super) part: Range<usize>,
    pub(super) patches: SharedOutput<'a>,
}

impl Task for Transform<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { group, input, part, patches } = self;
        // Block by block, because a block's tiles are neighbours in every position.
        for block in 0..group.patches().blocks {
            for (at, photo, place) in group.places(part.clone()) {
                let photo = group.winograd.input_layout.one(input, photo);
                // SAFETY: no other task has this tile.
                unsafe {
                    transform::patch(
                        simd,
                        group.winograd,
                        photo,
                        place,
                        group.patches(),
                        block,
                        at,
                        patches,
                    )
                };
            }
        }
    }
}

/// Multiplies a group's transformed tiles by all panels and transforms the sums back.
pub(super) struct Multiply<'a> {
    /// No two tasks have the same tiles.
    pub(super) group: Group<'a>,
    /// All photos. Those of the next group are prefetched.
    pub(super) input: &'a [f32],
    /// The group's transformed input.
    pub(super) patches: &'a [f32],
    /// A reusable buffer for the sums.
    pub(super) sums: &'a mut Floats,
    /// All photos.
    pub(super) output: SharedOutput<'a>,
    pub(super) shortcut: Option<&'a [f32]>,
}

impl Task for Multiply<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { group, input, patches, sums, output, shortcut } = self;
        let winograd = group.winograd;
        let domain = group.patches();
        let panels = 0..winograd.output_layout.stored / PANEL;
        let position_step = domain.position_step();
        let [_, max_panels] = block::<S>();
        let mut ahead = Ahead::of(group, input, output, shortcut);
        for panel in panels.clone().step_by(max_panels) {
            let count = max_panels.min(panels.end - panel);
            let results = group.sums(count);
            let sums = sums.grown(results.length());
            for position in 0..POSITIONS {
                let next = match position + 1 < POSITIONS {
                    true => winograd.filters(panel, count, position + 1),
                    false if panel + 2 * count <= panels.end => {
                        winograd.filters(panel + count, count, 0)
                    }
                    false => winograd.filters(panel, count, position),
                };
                multiply(
                    simd,
                    domain,
                    &patches[position * position_step..][..position_step],
                    &winograd.filters(panel, count, position)[..count],
                    &next[..count],
                    ahead.next(domain.blocks * PANEL),
                    &mut sums[position * results.position_step()..][..results.position_step()],
                );
            }
            for (at, photo, place) in group.places(0..group.tiles) {
                let start = photo * winograd.output_layout.photo();
                for block in 0..count {
                    // SAFETY: no other task has this tile.
                    unsafe {
                        transform::tile(
                            simd, winograd, sums, results, block, at, panel, place, start, output,
                            shortcut,
                        )
                    };
                }
            }
        }
    }
}

/// Multiplies a group's transformed tiles of one position by some panels.
pub(super) struct MultiplyPosition<'a> {
    pub(super) group: Group<'a>,
    pub(super) position: usize,
    pub(super) panels: Range<usize>,
    /// The group's transformed input.
    pub(super) patches: &'a [f32],
    /// `[panel][tile][16]`.
    pub(super) sums: &'a mut [f32],
}

impl Task for MultiplyPosition<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { group, position, panels, patches, sums } = self;
        let (winograd, domain) = (group.winograd, group.patches());
        let step = domain.position_step();
        let patches = &patches[position * step..][..step];
        let [_, max_panels] = block::<S>();
        let pairs = sums.chunks_mut(max_panels * group.sums(panels.len()).block_step());
        for (panel, sums) in panels.clone().step_by(max_panels).zip(pairs) {
            let count = max_panels.min(panels.end - panel);
            let next = if panel + 2 * count <= panels.end { panel + count } else { panel };
            multiply(
                simd,
                domain,
                patches,
                &winograd.filters(panel, count, position)[..count],
                &winograd.filters(next, count, position)[..count],
                // The sums, which are written at the end.
                sums.as_ptr(),
                sums,
            );
        }
    }
}

/// Transforms the sums of some of a group's tiles back.
pub(super) struct TransformBack<'a> {
    pub(super) group: Group<'a>,
    /// The tiles of the group. No two tasks have the same.
    pub(super) part: Range<usize>,
    /// The group's sums of all panels.
    pub(super) sums: &'a [f32],
    /// All photos.
    pub(super) output: SharedOutput<'a>,
    pub(super) shortcut: Option<&'a [f32]>,
}

impl Task for TransformBack<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { group, part, sums, output, shortcut } = self;
        let winograd = group.winograd;
        let domain = group.sums(winograd.output_layout.stored / PANEL);
        for block in 0..domain.blocks {
            for (at, photo, place) in group.places(part.clone()) {
                let start = photo * winograd.output_layout.photo();
                // SAFETY: no other task has this tile.
                unsafe {
                    transform::tile(
                        simd, winograd, sums, domain, block, at, 0, place, start, output, shortcut,
                    )
                };
            }
        }
    }
}

/// The activations to prefetch during a group's products: those that the products' sums will be
/// added to and written to, then those that the next group of tiles reads. They come from the last
/// cache or from memory, while the products use the second cache alone.
struct Ahead {
    /// Addresses, and numbers of floats.
    stretches: [(*const f32, usize); 3],
    /// The current stretch.
    at: usize,
}

impl Ahead {
    #[inline(always)]
    fn of(group: Group, input: &[f32], output: SharedOutput, shortcut: Option<&[f32]>) -> Self {
        // The lines from that of a group's first tile to that of its last.
        let lines = |group: Group, layout: &Layout| {
            let start = |photo: usize, row: usize| {
                photo * layout.photo() + (layout.before + row * TILE) * layout.row()
            };
            let (photo, [row, _]) = group.place(0);
            let (last, [end, _]) = group.place(group.tiles - 1);
            start(photo, row)..start(last, end + 1)
        };
        let written = lines(group, &group.winograd.output_layout);
        let following = Group { first: group.first + group.tiles, ..group };
        let read = lines(following, &group.winograd.input_layout);
        let stretch =
            |start: *const f32, lines: Range<usize>| (start.wrapping_add(lines.start), lines.len());
        let stretches = [
            shortcut.map_or((std::ptr::null(), 0), |all| stretch(all.as_ptr(), written.clone())),
            stretch(output.start(), written),
            stretch(input.as_ptr(), read),
        ];
        Self { stretches, at: 0 }
    }

    /// The address of the next `lines` cache lines. At the end, some address.
    #[inline(always)]
    fn next(&mut self, lines: usize) -> *const f32 {
        while self.at < 2 && self.stretches[self.at].1 == 0 {
            self.at += 1;
        }
        let (start, length) = &mut self.stretches[self.at];
        let address = *start;
        let taken = (*length).min(lines * 16);
        *start = start.wrapping_add(taken);
        *length -= taken;
        address
    }
}
