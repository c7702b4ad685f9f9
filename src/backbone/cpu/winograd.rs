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

use std::array;
use std::cell::RefCell;

use pulp::Simd;

use super::finish::Range;
use super::instructions::{Instructions, Task};
use super::layout::Layout;
use super::product::{self, PANEL, Rows, multiply};
use super::team::Team;

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
    output: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Winograd {
    /// Zeros that it reads below and to the right of a `side`.
    pub fn after(side: usize) -> usize {
        side.div_ceil(TILE) * TILE + 1 - side
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
        let mut padded = bias.to_vec();
        padded.resize(to.stored, 0.0);
        let tiles = [to.width.div_ceil(TILE), to.height.div_ceil(TILE)];
        let row = POSITIONS * tiles[0] * depth * size_of::<f32>();
        let block = (CACHE / row).clamp(1, tiles[1]);
        let block = tiles[1].div_ceil(tiles[1].div_ceil(block));
        Self { filters, bias: padded, from, to, range, tiles, block }
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
            let shortcut = shortcut.map(|shortcut| {
                let start = to.rows().start + first * to.row();
                &shortcut[photo * to.photo() + start..][..output.len()]
            });
            let input = &input[photo * from.photo()..][..from.photo()];
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
        team: Team,
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
        team.pieces(patches, POSITIONS * patch, |photo, patches| {
            let input = &input[photo * from.photo()..][..from.photo()];
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
        team.each(pieces, |(position, panel, sums)| {
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
        team.lines(&to, TILE, output, |photo, first, output| {
            let shortcut = shortcut.map(|shortcut| {
                let start = to.rows().start + first * to.row();
                &shortcut[photo * to.photo() + start..][..output.len()]
            });
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

/// The first `count` values, which are there from then on.
fn grown(values: &mut Vec<f32>, count: usize) -> &mut [f32] {
    if values.len() < count {
        values.resize(count, 0.0);
    }
    &mut values[..count]
}

/// `G g G'`, in f64.
fn transformed(kernel: [f64; 9]) -> [f64; POSITIONS] {
    let line = |[a, b, c]: [f64; 3]| {
        [
            a / 4.0,
            -(a + b + c) / 6.0,
            -(a - b + c) / 6.0,
            a / 24.0 + b / 12.0 + c / 6.0,
            a / 24.0 - b / 12.0 + c / 6.0,
            c,
        ]
    };
    let lines: [[f64; PATCH]; 3] = array::from_fn(|y| line(array::from_fn(|x| kernel[y * 3 + x])));
    let columns: [[f64; PATCH]; PATCH] = array::from_fn(|x| line(array::from_fn(|y| lines[y][x])));
    array::from_fn(|at| columns[at % PATCH][at / PATCH])
}

/// `B' d`.
#[inline(always)]
fn into<S: Simd>(simd: S, d: [S::f32s; PATCH]) -> [S::f32s; PATCH] {
    let (two, four, five) = (simd.splat_f32s(2.0), simd.splat_f32s(4.0), simd.splat_f32s(5.0));
    // d4 - 4 d2, d3 - 4 d1, d4 - d2, 2 (d3 - d1)
    let a = simd.negate_mul_add_e_f32s(four, d[2], d[4]);
    let b = simd.negate_mul_add_e_f32s(four, d[1], d[3]);
    let c = simd.sub_f32s(d[4], d[2]);
    let e = simd.mul_f32s(two, simd.sub_f32s(d[3], d[1]));
    [
        simd.mul_add_e_f32s(four, d[0], simd.negate_mul_add_e_f32s(five, d[2], d[4])),
        simd.add_f32s(a, b),
        simd.sub_f32s(a, b),
        simd.add_f32s(c, e),
        simd.sub_f32s(c, e),
        simd.mul_add_e_f32s(four, d[1], simd.negate_mul_add_e_f32s(five, d[3], d[5])),
    ]
}

/// `A' m`.
#[inline(always)]
fn back<S: Simd>(simd: S, m: [S::f32s; PATCH]) -> [S::f32s; TILE] {
    let (two, four, eight) = (simd.splat_f32s(2.0), simd.splat_f32s(4.0), simd.splat_f32s(8.0));
    let (a, b) = (simd.add_f32s(m[1], m[2]), simd.sub_f32s(m[1], m[2]));
    let (c, e) = (simd.add_f32s(m[3], m[4]), simd.sub_f32s(m[3], m[4]));
    [
        simd.add_f32s(simd.add_f32s(m[0], a), c),
        simd.mul_add_e_f32s(two, e, b),
        simd.mul_add_e_f32s(four, c, a),
        simd.add_f32s(simd.mul_add_e_f32s(eight, e, b), m[5]),
    ]
}

/// Transforms rows of tiles: `patches` is `[position][tile][channel]`.
struct Into<'a> {
    winograd: &'a Winograd,
    /// The photo.
    input: &'a [f32],
    first: usize,
    rows: usize,
    patches: &'a mut [f32],
}

impl Task for Into<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Winograd { from, tiles, .. } = self.winograd;
        let registers = from.stored / S::F32_LANES;
        let patch = self.winograd.patch(tiles[0] * self.rows);
        for tile in 0..tiles[0] * self.rows {
            let (row, column) = (self.first + tile / tiles[0], tile % tiles[0]);
            let (top, left) = ((row * TILE) as isize - 1, (column * TILE) as isize - 1);
            let corner = from.at(top, left);
            let mut pixels: [&[S::f32s]; POSITIONS] = [&[]; POSITIONS];
            for at in 0..POSITIONS {
                let start = corner + at / PATCH * from.row() + at % PATCH * from.stored;
                pixels[at] = &S::as_simd_f32s(&self.input[start..][..from.stored]).0[..registers];
            }
            let mut positions = self.patches.chunks_exact_mut(patch);
            let places: [&mut [S::f32s]; POSITIONS] = array::from_fn(|_| {
                let position = positions.next().expect("there are as many");
                let place = &mut position[tile * from.stored..][..from.stored];
                &mut S::as_mut_simd_f32s(place).0[..registers]
            });
            for at in 0..registers {
                let mut lines = [[simd.splat_f32s(0.0); PATCH]; PATCH];
                for y in 0..PATCH {
                    let mut line = [simd.splat_f32s(0.0); PATCH];
                    for x in 0..PATCH {
                        line[x] = pixels[y * PATCH + x][at];
                    }
                    lines[y] = into(simd, line);
                }
                for x in 0..PATCH {
                    let mut column = [simd.splat_f32s(0.0); PATCH];
                    for y in 0..PATCH {
                        column[y] = lines[y][x];
                    }
                    let column = into(simd, column);
                    for y in 0..PATCH {
                        places[y * PATCH + x][at] = column[y];
                    }
                }
            }
        }
    }
}

/// Transforms a row of tiles back: `sums` is `[position][panel][tile][16]`.
struct Back<'a> {
    winograd: &'a Winograd,
    sums: &'a [f32],
    panel_step: usize,
    position_step: usize,
    /// The first tile of the row.
    tile: usize,
    /// The panels that `sums` holds.
    panels: std::ops::Range<usize>,
    /// The lines of the output, with their borders: four, or what is left of the photo.
    output: &'a mut [f32],
    shortcut: Option<&'a [f32]>,
}

impl Task for Back<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Winograd { to, tiles, bias, range, .. } = self.winograd;
        let registers = PANEL / S::F32_LANES;
        let lines = self.output.len() / to.row();
        for column in 0..tiles[0] {
            let across = TILE.min(to.width - column * TILE);
            for (index, panel) in self.panels.clone().enumerate() {
                let start = index * self.panel_step + (self.tile + column) * PANEL;
                let mut sums: [&[S::f32s]; POSITIONS] = [&[]; POSITIONS];
                for at in 0..POSITIONS {
                    let place = start + at * self.position_step;
                    sums[at] = &S::as_simd_f32s(&self.sums[place..][..PANEL]).0[..registers];
                }
                let bias = &S::as_simd_f32s(&bias[panel * PANEL..][..PANEL]).0[..registers];
                for register in 0..registers {
                    let mut columns = [[simd.splat_f32s(0.0); TILE]; PATCH];
                    for x in 0..PATCH {
                        let mut column = [simd.splat_f32s(0.0); PATCH];
                        for y in 0..PATCH {
                            column[y] = sums[y * PATCH + x][register];
                        }
                        columns[x] = back(simd, column);
                    }
                    for y in 0..lines {
                        let mut line = [simd.splat_f32s(0.0); PATCH];
                        for x in 0..PATCH {
                            line[x] = columns[x][y];
                        }
                        let values = back(simd, line);
                        let place = y * to.row()
                            + (to.before + column * TILE) * to.stored
                            + panel * PANEL
                            + register * S::F32_LANES;
                        for x in 0..across {
                            let place = place + x * to.stored;
                            let mut value = simd.add_f32s(values[x], bias[register]);
                            if let Some(shortcut) = self.shortcut {
                                let shortcut = S::as_simd_f32s(&shortcut[place..]).0;
                                value = simd.add_f32s(value, shortcut[0]);
                            }
                            let output = S::as_mut_simd_f32s(&mut self.output[place..]).0;
                            output[0] = range.keep(simd, value);
                        }
                    }
                }
            }
        }
    }
}

/// One position's product for some panels of all photos: `sums` is `[panel][tile][16]`.
struct Position<'a> {
    winograd: &'a Winograd,
    /// `[photo][position][tile][channel]`.
    patches: &'a [f32],
    photos: usize,
    /// In a photo.
    tiles: usize,
    position: usize,
    /// The first panel.
    panel: usize,
    sums: &'a mut [f32],
}

impl Task for Position<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { winograd, patches, photos, tiles, position, .. } = self;
        let [most_rows, most_panels] = product::block::<S>();
        let depth = winograd.from.stored;
        let step = photos * tiles * PANEL;
        let count = self.sums.len() / step;
        for (group, sums) in self.sums.chunks_mut(most_panels * step).enumerate() {
            let first = self.panel + group * most_panels;
            let filters: Vec<&[f32]> = (first
                ..first + most_panels.min(count - group * most_panels))
                .map(|panel| winograd.filter(panel, position))
                .collect();
            let patch = winograd.patch(tiles);
            for photo in 0..photos {
                for block in product::blocks(tiles, most_rows) {
                    let rows = Rows {
                        input: patches,
                        start: (photo * POSITIONS + position) * patch + block.start * depth,
                        step: depth,
                        parts: 1,
                        part_step: 0,
                        depth,
                    };
                    let place = (photo * tiles + block.start) * PANEL;
                    multiply(simd, block.len(), rows, &filters, &mut sums[place..], step);
                }
            }
        }
    }
}

/// Some rows of one photo's tiles, all the way.
struct Block<'a> {
    winograd: &'a Winograd,
    /// The photo.
    input: &'a [f32],
    first: usize,
    rows: usize,
    output: &'a mut [f32],
    shortcut: Option<&'a [f32]>,
    scratch: &'a mut Scratch,
}

impl Task for Block<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { winograd, input, first, rows, output, shortcut, scratch } = self;
        let [most_rows, most_panels] = product::block::<S>();
        let depth = winograd.from.stored;
        let tiles = rows * winograd.tiles[0];
        let patch = winograd.patch(tiles);
        let panels = winograd.to.stored / PANEL;
        Into { winograd, input, first, rows, patches: &mut scratch.input }.run(simd);
        let position_step = tiles * most_panels * PANEL + APART;
        for first_panel in (0..panels).step_by(most_panels) {
            let count = most_panels.min(panels - first_panel);
            for position in 0..POSITIONS {
                let mut filters: [&[f32]; 2] = [&[]; 2];
                for at in 0..count {
                    filters[at] = winograd.filter(first_panel + at, position);
                }
                let sums = &mut scratch.output[position * position_step..];
                for block in product::blocks(tiles, most_rows) {
                    let rows = Rows {
                        input: &scratch.input,
                        start: position * patch + block.start * depth,
                        step: depth,
                        parts: 1,
                        part_step: 0,
                        depth,
                    };
                    let sums = &mut sums[block.start * PANEL..];
                    multiply(simd, block.len(), rows, &filters[..count], sums, tiles * PANEL);
                }
            }
            let line = TILE * winograd.to.row();
            for (row, output) in output.chunks_mut(line).enumerate() {
                Back {
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
