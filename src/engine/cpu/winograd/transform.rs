//! The Winograd transforms of filters, inputs and outputs.

use std::array;
use std::ops::Range;

use pulp::Simd;

use super::super::product::PANEL;
use super::{PATCH, POSITIONS, TILE, Winograd};
use crate::device::Task;

/// `G g G'`, in f64.
pub(super) fn transform_filter(kernel: [f64; 9]) -> [f64; POSITIONS] {
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
fn transform_input<S: Simd>(simd: S, d: [S::f32s; PATCH]) -> [S::f32s; PATCH] {
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
fn transform_output<S: Simd>(simd: S, m: [S::f32s; PATCH]) -> [S::f32s; TILE] {
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

/// Computes `B' d B` for some rows of one photo's tiles; `patches` is `[position][tile][channel]`.
pub(super) struct InputTransform<'a> {
    pub(super) winograd: &'a Winograd,
    /// The photo.
    pub(super) input: &'a [f32],
    /// The first row of tiles.
    pub(super) first: usize,
    /// Rows of tiles.
    pub(super) rows: usize,
    pub(super) patches: &'a mut [f32],
}

impl Task for InputTransform<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Winograd { input_layout, tiles, .. } = self.winograd;
        let registers = input_layout.stored / S::F32_LANES;
        let position_stride = self.winograd.position_stride(tiles[0] * self.rows);
        for tile in 0..tiles[0] * self.rows {
            let (row, column) = (self.first + tile / tiles[0], tile % tiles[0]);
            let (top, left) = ((row * TILE) as isize - 1, (column * TILE) as isize - 1);
            let corner = input_layout.at(top, left);
            let mut pixels: [&[S::f32s]; POSITIONS] = [&[]; POSITIONS];
            for at in 0..POSITIONS {
                let start =
                    corner + at / PATCH * input_layout.row() + at % PATCH * input_layout.stored;
                pixels[at] =
                    &S::as_simd_f32s(&self.input[start..][..input_layout.stored]).0[..registers];
            }
            let mut positions = self.patches.chunks_exact_mut(position_stride);
            let targets: [&mut [S::f32s]; POSITIONS] = array::from_fn(|_| {
                let position = positions.next().expect("`patches` holds every position");
                let target = &mut position[tile * input_layout.stored..][..input_layout.stored];
                &mut S::as_mut_simd_f32s(target).0[..registers]
            });
            for at in 0..registers {
                let mut lines = [[simd.splat_f32s(0.0); PATCH]; PATCH];
                for y in 0..PATCH {
                    let mut line = [simd.splat_f32s(0.0); PATCH];
                    for x in 0..PATCH {
                        line[x] = pixels[y * PATCH + x][at];
                    }
                    lines[y] = transform_input(simd, line);
                }
                for x in 0..PATCH {
                    let mut column = [simd.splat_f32s(0.0); PATCH];
                    for y in 0..PATCH {
                        column[y] = lines[y][x];
                    }
                    let column = transform_input(simd, column);
                    for y in 0..PATCH {
                        targets[y * PATCH + x][at] = column[y];
                    }
                }
            }
        }
    }
}

/// Computes `A' m A` for one row of tiles and applies the epilogue; `sums` is
/// `[position][panel][tile][16]`.
pub(super) struct OutputTransform<'a> {
    pub(super) winograd: &'a Winograd,
    pub(super) sums: &'a [f32],
    pub(super) panel_step: usize,
    pub(super) position_step: usize,
    /// The first tile of the row.
    pub(super) tile: usize,
    /// The panels that `sums` holds.
    pub(super) panels: Range<usize>,
    /// The output lines, including their borders: four, or fewer at the end of the photo.
    pub(super) output: &'a mut [f32],
    pub(super) shortcut: Option<&'a [f32]>,
}

impl Task for OutputTransform<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Winograd { output_layout, tiles, bias, clamp, .. } = self.winograd;
        let registers = PANEL / S::F32_LANES;
        let lines = self.output.len() / output_layout.row();
        for column in 0..tiles[0] {
            let across = TILE.min(output_layout.width - column * TILE);
            for (index, panel) in self.panels.clone().enumerate() {
                let start = index * self.panel_step + (self.tile + column) * PANEL;
                let mut sums: [&[S::f32s]; POSITIONS] = [&[]; POSITIONS];
                for at in 0..POSITIONS {
                    let offset = start + at * self.position_step;
                    sums[at] = &S::as_simd_f32s(&self.sums[offset..][..PANEL]).0[..registers];
                }
                let bias = &S::as_simd_f32s(&bias[panel * PANEL..][..PANEL]).0[..registers];
                for register in 0..registers {
                    let mut columns = [[simd.splat_f32s(0.0); TILE]; PATCH];
                    for x in 0..PATCH {
                        let mut column = [simd.splat_f32s(0.0); PATCH];
                        for y in 0..PATCH {
                            column[y] = sums[y * PATCH + x][register];
                        }
                        columns[x] = transform_output(simd, column);
                    }
                    for y in 0..lines {
                        let mut line = [simd.splat_f32s(0.0); PATCH];
                        for x in 0..PATCH {
                            line[x] = columns[x][y];
                        }
                        let values = transform_output(simd, line);
                        let offset = y * output_layout.row()
                            + (output_layout.before + column * TILE) * output_layout.stored
                            + panel * PANEL
                            + register * S::F32_LANES;
                        for x in 0..across {
                            let offset = offset + x * output_layout.stored;
                            let mut value = simd.add_f32s(values[x], bias[register]);
                            if let Some(shortcut) = self.shortcut {
                                let shortcut = S::as_simd_f32s(&shortcut[offset..]).0;
                                value = simd.add_f32s(value, shortcut[0]);
                            }
                            let output = S::as_mut_simd_f32s(&mut self.output[offset..]).0;
                            output[0] = clamp.apply(simd, value);
                        }
                    }
                }
            }
        }
    }
}
