//! The product at the bottom of every convolution: some rows of an input with a panel of weights, sums kept in
//! registers.
//!
//! Weights are packed into panels of [`PANEL`] output channels, `[panel][depth][16]`, whatever the processor:
//! a panel's next line is 16 neighbouring floats, one, two or four registers. The kernel holds
//! `ROWS * 16 * PANELS` sums in registers and reads, for each step of the depth, one line of each panel and one
//! float of each row; 6 rows by one panel fill the 16 registers of AVX2 (12 sums, 2 lines, 1 broadcast), 8 rows by
//! two panels the 32 of AVX-512.
//!
//! Slices of equal length let the compiler drop the checks in the inner loop. The one thing that is `unsafe` is
//! [`prefetch`], which touches nothing.

use std::ops::Range;

use pulp::Simd;

/// Output channels that are packed side by side.
pub const PANEL: usize = 16;

/// The most rows that any processor's kernel takes.
pub const MOST_ROWS: usize = 8;

/// Where the rows of a product lie in an input.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// What they lie in.
    pub input: &'a [f32],
    /// Where each row begins; what is beyond the rows asked for counts for nothing.
    pub starts: [usize; MOST_ROWS],
    /// Parts of a row, as the lines of a kernel's window.
    pub parts: usize,
    /// From one part's start to the next one's.
    pub part_step: usize,
    /// Floats in a part.
    pub depth: usize,
}

/// Sums of a kernel: `[row][panel][register of the panel]`.
pub type Sums<S, const ROWS: usize, const PANELS: usize, const REGISTERS: usize> =
    [[[<S as Simd>::f32s; REGISTERS]; PANELS]; ROWS];

/// The products of `ROWS` rows with `PANELS` panels, each `[parts * depth][16]`.
#[inline(always)]
pub fn product<S: Simd, const ROWS: usize, const PANELS: usize, const REGISTERS: usize>(
    simd: S,
    rows: Rows,
    panels: [&[f32]; PANELS],
) -> Sums<S, ROWS, PANELS, REGISTERS> {
    let mut sums = [[[simd.splat_f32s(0.0); REGISTERS]; PANELS]; ROWS];
    for part in 0..rows.parts {
        let mut row: [&[f32]; ROWS] = [&[]; ROWS];
        for at in 0..ROWS {
            row[at] = &rows.input[rows.starts[at] + part * rows.part_step..][..rows.depth];
        }
        let mut lines: [&[[S::f32s; REGISTERS]]; PANELS] = [&[]; PANELS];
        for at in 0..PANELS {
            let part = &panels[at][part * rows.depth * PANEL..][..rows.depth * PANEL];
            lines[at] = &S::as_simd_f32s(part).0.as_chunks::<REGISTERS>().0[..rows.depth];
        }
        for step in 0..rows.depth {
            let mut line = [[simd.splat_f32s(0.0); REGISTERS]; PANELS];
            for at in 0..PANELS {
                line[at] = lines[at][step];
            }
            for at in 0..ROWS {
                let value = simd.splat_f32s(row[at][step]);
                for panel in 0..PANELS {
                    for register in 0..REGISTERS {
                        sums[at][panel][register] = simd.mul_add_e_f32s(
                            value,
                            line[panel][register],
                            sums[at][panel][register],
                        );
                    }
                }
            }
        }
    }
    sums
}

/// How many rows and panels a processor's kernel takes at once.
pub fn block<S: Simd>() -> [usize; 2] {
    match S::F32_LANES {
        16 => [8, 2],
        8 => [6, 1],
        _ => [4, 1],
    }
}

/// Divides `count` rows into as few blocks of at most `most` as there can be, of nearly one size: a block of few
/// rows leaves the multipliers idle.
pub fn blocks(count: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let blocks = count.div_ceil(most).max(1);
    (0..blocks).map(move |block| block * count / blocks..(block + 1) * count / blocks)
}

/// The products of `count` rows with one or two panels, left in `sums`: `[panel][row][16]`, `step` from one panel to the
/// next.
///
/// They go through memory, and not straight into what follows: only stores as plain as these let the compiler
/// keep the sums in registers (measured: 6 times slower where it did not).
///
/// # Panics
/// Where there are more rows or panels than [`block`] says.
#[inline(always)]
pub fn multiply<S: Simd>(
    simd: S,
    count: usize,
    rows: Rows,
    panels: &[&[f32]],
    sums: &mut [f32],
    step: usize,
) {
    macro_rules! kernel {
        ($rows:literal, $panels:literal, $registers:literal) => {
            keep::<S, $rows, $panels, $registers>(
                product(simd, rows, *panels.first_chunk().expect("as many as were matched")),
                sums,
                step,
            )
        };
    }
    macro_rules! kernels {
        ($panels:literal, $registers:literal, $($rows:literal)*) => {
            match count {
                $($rows => kernel!($rows, $panels, $registers),)*
                _ => unreachable!("a block has no more rows than the kernel"),
            }
        };
    }
    match (S::F32_LANES, panels.len()) {
        (16, 2) => kernels!(2, 1, 1 2 3 4 5 6 7 8),
        (16, 1) => kernels!(1, 1, 1 2 3 4 5 6 7 8),
        (8, 1) => kernels!(1, 2, 1 2 3 4 5 6),
        (4, 1) => kernels!(1, 4, 1 2 3 4),
        (2, 1) => kernels!(1, 8, 1 2 3 4),
        (1, 1) => kernels!(1, 16, 1 2 3 4),
        _ => unreachable!("no more panels than the kernel takes"),
    }
}

#[inline(always)]
fn keep<S: Simd, const ROWS: usize, const PANELS: usize, const REGISTERS: usize>(
    products: Sums<S, ROWS, PANELS, REGISTERS>,
    sums: &mut [f32],
    step: usize,
) {
    for panel in 0..PANELS {
        let kept = &mut sums[panel * step..][..ROWS * PANEL];
        let kept = &mut S::as_mut_simd_f32s(kept).0.as_chunks_mut::<REGISTERS>().0[..ROWS];
        for row in 0..ROWS {
            kept[row] = products[row][panel];
        }
    }
}

/// Brings `values` nearer to the core, for a product that comes soon: the processor's own prefetching starts anew with every
/// page, and a panel is hardly longer than one (measured: 15 % of the products of 64 and 128 channels).
#[inline(always)]
pub fn prefetch(values: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks(16) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program sees and never faults, whatever the address; this one is a
        // valid one. Every x86-64 processor has the instruction.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
    // Elsewhere there is no stable way to ask for it.
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// The part of `values` that belongs to the `index`th of `count` blocks.
#[inline(always)]
pub fn share(values: &[f32], index: usize, count: usize) -> &[f32] {
    &values[index * values.len() / count..(index + 1) * values.len() / count]
}
