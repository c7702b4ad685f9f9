//! The matrix product under the convolutions: some rows of an input times panels of weights, with
//! the sums in registers.
//!
//! Weights are packed into panels of [`PANEL`] output channels, `[panel][depth][16]`, on every
//! processor. A line of a panel is 16 contiguous floats: one, two or four vector registers. The
//! kernel holds `ROWS * 16 * PANELS` sums in registers and, for each step along the depth, reads
//! one line of each panel and one float of each row. 6 rows by one panel take 15 of the 16
//! registers of AVX2 (12 sums, 2 lines, 1 broadcast), and 8 rows by two panels take 19 of the 32 of
//! AVX-512 (16 sums, 2 lines, 1 broadcast).
//!
//! Slices of equal length let the compiler drop the bounds checks in the inner loop. The only
//! `unsafe` code is in [`prefetch`], which changes no memory.

use std::ops::Range;

use pulp::Simd;

/// Output channels per panel.
pub const PANEL: usize = 16;

/// Maximum number of rows in a block on any processor.
pub const MAX_ROWS: usize = 8;

/// The rows of a product, as offsets into an input.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The values that contain the rows.
    pub input: &'a [f32],
    /// Offset of each row. Entries beyond the number of rows are ignored.
    pub starts: [usize; MAX_ROWS],
    /// Parts per row, such as the lines of a convolution's window.
    pub parts: usize,
    /// Distance between the starts of two parts, in floats.
    pub part_step: usize,
    /// Floats per part.
    pub depth: usize,
}

/// The sums of a kernel, `[row][panel][register of the panel]`.
pub type Sums<S, const ROWS: usize, const PANELS: usize, const REGISTERS: usize> =
    [[[<S as Simd>::f32s; REGISTERS]; PANELS]; ROWS];

/// Multiplies `ROWS` rows by `PANELS` panels, each `[parts * depth][16]`.
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

/// Maximum `[rows, panels]` of a block on this processor.
pub fn block<S: Simd>() -> [usize; 2] {
    match S::F32_LANES {
        16 => [8, 2],
        8 => [6, 1],
        _ => [4, 1],
    }
}

/// Splits `count` rows into the fewest blocks of at most `max` rows, of nearly equal size: a block
/// of few rows leaves the multipliers idle.
pub fn blocks(count: usize, max: usize) -> impl Iterator<Item = Range<usize>> {
    let blocks = count.div_ceil(max).max(1);
    (0..blocks).map(move |block| block * count / blocks..(block + 1) * count / blocks)
}

/// Multiplies `count` rows by one or two panels and stores the result in `sums`,
/// `[panel][row][16]`, with `step` floats from one panel to the next.
///
/// The sums go through memory instead of straight into the epilogue, because the compiler keeps
/// them in registers only if the stores are as plain as these (measured: 6 times slower otherwise).
///
/// # Panics
/// If there are more rows or panels than [`block`] allows.
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
            store::<S, $rows, $panels, $registers>(
                product(simd, rows, *panels.first_chunk().expect("the number was matched")),
                sums,
                step,
            )
        };
    }
    macro_rules! kernels {
        ($panels:literal, $registers:literal, $($rows:literal)*) => {
            match count {
                $($rows => kernel!($rows, $panels, $registers),)*
                // Callers take blocks of at most `block::<S>()` rows.
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
        // Callers take blocks of at most `block::<S>()` panels, and pulp has no other widths.
        _ => unreachable!("a block has no more panels than the kernel"),
    }
}

#[inline(always)]
fn store<S: Simd, const ROWS: usize, const PANELS: usize, const REGISTERS: usize>(
    products: Sums<S, ROWS, PANELS, REGISTERS>,
    sums: &mut [f32],
    step: usize,
) {
    for panel in 0..PANELS {
        let stored = &mut sums[panel * step..][..ROWS * PANEL];
        let stored = &mut S::as_mut_simd_f32s(stored).0.as_chunks_mut::<REGISTERS>().0[..ROWS];
        for row in 0..ROWS {
            stored[row] = products[row][panel];
        }
    }
}

/// Prefetches `values` into the L2 cache for a later product. The hardware prefetcher restarts at
/// every page, and a panel is hardly longer than a page (measured: worth 15 % of the time of
/// products with 64 and 128 channels).
#[inline(always)]
pub fn prefetch(values: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks(16) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a prefetch has no effect that the program can observe and never faults, whatever
        // the address; this address is valid. Every x86-64 processor has the instruction.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
    // Stable Rust has no prefetch on other architectures.
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// The `index`th of `count` nearly equal parts of `values`.
#[inline(always)]
pub fn share(values: &[f32], index: usize, count: usize) -> &[f32] {
    &values[index * values.len() / count..(index + 1) * values.len() / count]
}
