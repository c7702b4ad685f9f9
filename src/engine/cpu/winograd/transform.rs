//! The Winograd transforms of filters, inputs and outputs.

use std::array;

use pulp::Simd;

use super::super::product::PANEL;
use super::super::shared::SharedOutput;
use super::domain::Domain;
use super::{PATCH, POSITIONS, TILE, Winograd};

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
    // d4 - 4 d2, d3 - 4 d1, d4 - d2, d3 - d1
    let a = simd.negate_mul_add_e_f32s(four, d[2], d[4]);
    let b = simd.negate_mul_add_e_f32s(four, d[1], d[3]);
    let c = simd.sub_f32s(d[4], d[2]);
    let e = simd.sub_f32s(d[3], d[1]);
    [
        simd.mul_add_e_f32s(four, d[0], simd.negate_mul_add_e_f32s(five, d[2], d[4])),
        simd.add_f32s(a, b),
        simd.sub_f32s(a, b),
        simd.mul_add_e_f32s(two, e, c),
        simd.negate_mul_add_e_f32s(two, e, c),
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

/// Reads a register.
///
/// # Safety
/// The floats at `address` belong to a slice that the caller may read.
#[inline(always)]
unsafe fn read<S: Simd>(address: *const f32) -> S::f32s {
    // SAFETY: the caller's promise. A register consists of floats and needs no alignment here.
    unsafe { address.cast::<S::f32s>().read_unaligned() }
}

/// Calls `$body` with `$index` as each of 0 to 5. A loop might not be unrolled, and arrays of
/// registers that a variable indexes lie in memory.
macro_rules! six {
    ($index:ident, $body:block) => {
        six!(@ $index, $body, 0 1 2 3 4 5)
    };
    (@ $index:ident, $body:block, $($value:literal)*) => {
        $({
            const $index: usize = $value;
            $body
        })*
    };
}

/// Computes `B' d B` for a block of channels of the tile at `[row, column]` of `photo`, as tile
/// `at` of a group whose transformed input is `patches`.
///
/// # Panics
/// If the tile is not one of the photo's or not one of the group's.
///
/// # Safety
/// No other thread uses this tile of `patches`.
#[inline(always)]
#[expect(clippy::too_many_arguments)]
pub(super) unsafe fn patch<S: Simd>(
    simd: S,
    winograd: &Winograd,
    photo: &[f32],
    [row, column]: [usize; 2],
    domain: Domain,
    block: usize,
    at: usize,
    patches: SharedOutput,
) {
    let layout = &winograd.input_layout;
    let (line, pixel, stored) = (layout.row(), layout.stored, layout.stored);
    let corner = layout.at((row * TILE) as isize - 1, (column * TILE) as isize - 1);
    // What the pointers below rely on.
    assert!(corner + (PATCH - 1) * (line + pixel) + stored <= photo.len());
    assert!(patches.len() >= domain.length() && at < domain.tiles);
    assert!(domain.blocks * PANEL == stored && block < domain.blocks);
    for register in 0..PANEL / S::F32_LANES {
        let channel = block * PANEL + register * S::F32_LANES;
        let source = photo[corner + channel..].as_ptr();
        let target = block * domain.block_step() + at * PANEL + register * S::F32_LANES;
        // SAFETY: y and x are at most 5 and `channel` plus a register's length at most
        // `stored`, so that a register ends at most at the offset that was compared above.
        macro_rules! load {
            ($y:expr, $x:expr) => {
                unsafe { read::<S>(source.add($y * line + $x * pixel)) }
            };
        }
        // SAFETY: a position is below 36, so that a register lies inside the domain's length,
        // which was compared above. The caller promises that nobody else uses it.
        macro_rules! store {
            ($position:expr, $value:expr) => {
                unsafe { patches.store::<S>(target + $position * domain.position_step(), $value) }
            };
        }
        let mut lines = [[simd.splat_f32s(0.0); PATCH]; PATCH];
        six!(Y, {
            let pixels =
                [load!(Y, 0), load!(Y, 1), load!(Y, 2), load!(Y, 3), load!(Y, 4), load!(Y, 5)];
            lines[Y] = transform_input(simd, pixels);
        });
        six!(X, {
            let column =
                [lines[0][X], lines[1][X], lines[2][X], lines[3][X], lines[4][X], lines[5][X]];
            let [a, b, c, d, e, f] = transform_input(simd, column);
            store!(X, a);
            store!(PATCH + X, b);
            store!(2 * PATCH + X, c);
            store!(3 * PATCH + X, d);
            store!(4 * PATCH + X, e);
            store!(5 * PATCH + X, f);
        });
    }
}

/// Computes `A' m A` from a block of tile `at` of `sums` for the tile at `[row, column]` of a
/// photo, and applies the epilogue. The photo's output and its shortcut start at `start`; the first
/// block of `sums` is panel `panel`.
///
/// # Panics
/// If the tile is not one of the photo's or not one of the group's.
///
/// # Safety
/// No other thread uses the pixels of this tile and the channels of this block.
#[inline(always)]
#[expect(clippy::too_many_arguments)]
pub(super) unsafe fn tile<S: Simd>(
    simd: S,
    winograd: &Winograd,
    sums: &[f32],
    domain: Domain,
    block: usize,
    at: usize,
    panel: usize,
    [row, column]: [usize; 2],
    start: usize,
    output: SharedOutput,
    shortcut: Option<&[f32]>,
) {
    let Winograd { output_layout: layout, clamp, .. } = winograd;
    let bias: &[f32] = &winograd.bias;
    let (line, pixel) = (layout.row(), layout.stored);
    let corner = start + layout.at((row * TILE) as isize, (column * TILE) as isize);
    let lines = TILE.min(layout.height - row * TILE);
    let across = TILE.min(layout.width - column * TILE);
    // What the pointers below rely on.
    assert!((panel + domain.blocks) * PANEL <= pixel);
    assert!(corner + (lines - 1) * line + across * pixel <= output.len());
    assert!(shortcut.is_none_or(|shortcut| shortcut.len() == output.len()));
    assert!(sums.len() >= domain.length() && at < domain.tiles && block < domain.blocks);
    for register in 0..PANEL / S::F32_LANES {
        let from = block * domain.block_step() + at * PANEL + register * S::F32_LANES;
        let source = sums[from..].as_ptr();
        // SAFETY: y and x are at most 5, so that a register lies inside the domain's length,
        // which was compared above.
        macro_rules! load {
            ($y:expr, $x:expr) => {
                unsafe { read::<S>(source.add(($y * PATCH + $x) * domain.position_step())) }
            };
        }
        let mut columns = [[simd.splat_f32s(0.0); TILE]; PATCH];
        six!(X, {
            let column =
                [load!(0, X), load!(1, X), load!(2, X), load!(3, X), load!(4, X), load!(5, X)];
            columns[X] = transform_output(simd, column);
        });
        let channel = (panel + block) * PANEL + register * S::F32_LANES;
        let bias = S::as_simd_f32s(&bias[channel..][..S::F32_LANES]).0[0];
        macro_rules! store {
            ($y:expr, $x:expr, $value:expr) => {{
                let offset = corner + $y * line + $x * pixel + channel;
                let mut value = simd.add_f32s($value, bias);
                if let Some(shortcut) = shortcut {
                    // SAFETY: y is below `lines` and x below `across`, and `channel` plus a
                    // register's length at most `pixel`, so that the register ends at most at
                    // the offset that was compared above.
                    let shortcut = unsafe { read::<S>(shortcut.as_ptr().add(offset)) };
                    value = simd.add_f32s(value, shortcut);
                }
                // SAFETY: as above; the caller promises that nobody else uses this place.
                unsafe { output.store::<S>(offset, clamp.apply(simd, value)) };
            }};
        }
        macro_rules! line {
            ($($y:literal)*) => {
                $(if $y < lines {
                    let line = [
                        columns[0][$y], columns[1][$y], columns[2][$y],
                        columns[3][$y], columns[4][$y], columns[5][$y],
                    ];
                    let [a, b, c, d] = transform_output(simd, line);
                    store!($y, 0, a);
                    if across > 1 {
                        store!($y, 1, b);
                    }
                    if across > 2 {
                        store!($y, 2, c);
                    }
                    if across > 3 {
                        store!($y, 3, d);
                    }
                })*
            };
        }
        line!(0 1 2 3);
    }
}
