//! The matrix product under convolutions over all channels: some rows of an input times panels of
//! weights, with the sums in registers.
//!
//! Weights are packed into panels of [`PANEL`] output channels, `[panel][depth][16]`, on every
//! processor. A line of a panel is 16 contiguous floats: one, two or four vector registers. The
//! kernel holds the sums of its rows in registers and, for each step along the depth, reads one
//! line of each panel and one float of each row: 14 rows by two panels take 31 of the 32 registers
//! of AVX-512 (28 sums, 2 lines, 1 broadcast), 6 rows by one panel take 15 of the 16 of AVX2 (12
//! sums, 2 lines, 1 broadcast).

use std::marker::PhantomData;
use std::ops::Range;

use pulp::Simd;

/// Output channels per panel.
pub const PANEL: usize = 16;

/// Maximum number of rows in a block on any processor.
pub const MAX_ROWS: usize = 14;

/// Maximum number of panels in a block on any processor.
pub const MAX_PANELS: usize = 2;

/// Lines of a panel that are prefetched ahead into the second cache: 4 KiB, as far as a core comes
/// while memory answers.
/// Beyond the end of a panel the next one follows.
const L2_DISTANCE: usize = 64;

/// Lines of a panel that are prefetched ahead into the first cache, with AVX-512: as far as a core
/// comes while the second cache answers. With AVX2 it takes more time than it saves.
pub const L1_DISTANCE: usize = 8;

/// The rows of a product, as offsets into an input.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The values that contain the rows.
    pub input: &'a [f32],
    /// Offset of each row.
    pub starts: &'a [usize],
    /// Parts per row, such as the lines of a convolution's window.
    pub parts: usize,
    /// Distance between the starts of two parts, in floats.
    pub part_step: usize,
    /// Floats per part.
    pub depth: usize,
}

/// Which kernels suit the registers of a processor. These are constants, so that no other kernels
/// are compiled for it.
pub struct Kernels<S>(PhantomData<S>);

impl<S: Simd> Kernels<S> {
    /// 32 registers of 16 floats: AVX-512.
    pub const ARE_WIDE: bool = S::F32_LANES == 16 && S::REGISTER_COUNT >= 32;
    /// Registers of 16 floats, emulated. Few rows, because no registers hold the sums of many.
    pub const ARE_EMULATED: bool = S::F32_LANES == 16 && S::REGISTER_COUNT < 32;
    /// Registers of 8 floats: AVX2.
    pub const ARE_8: bool = S::F32_LANES == 8;
    /// Registers of 4 floats: NEON.
    pub const ARE_4: bool = S::F32_LANES == 4;
    /// No vector registers.
    pub const ARE_SCALAR: bool = S::F32_LANES == 1;
}

/// Maximum `[rows, panels]` of a block on this processor.
#[inline(always)]
pub fn block<S: Simd>() -> [usize; 2] {
    if Kernels::<S>::ARE_WIDE {
        [MAX_ROWS, MAX_PANELS]
    } else if Kernels::<S>::ARE_EMULATED {
        [2, MAX_PANELS]
    } else if Kernels::<S>::ARE_8 {
        [6, 1]
    } else {
        [4, 1]
    }
}

/// Splits `count` rows into the fewest blocks of at most `max` rows, of nearly equal size: a block
/// of few rows leaves the multipliers idle.
pub fn blocks(count: usize, max: usize) -> impl Iterator<Item = Range<usize>> {
    let blocks = count.div_ceil(max).max(1);
    (0..blocks).map(move |block| block * count / blocks..(block + 1) * count / blocks)
}

/// Splits `count` rows into blocks for [`multiply`], which has kernels for all, half and one of the
/// rows of [`block`]. The last block may overlap the one before it: to compute rows twice takes
/// less time than small blocks would, and less code than a kernel for every number of rows.
#[inline(always)]
pub fn overlapping_blocks<S: Simd>(count: usize) -> impl Iterator<Item = Range<usize>> {
    let [all, _] = block::<S>();
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = count - at;
        let half = all / 2;
        let rows = match rest {
            _ if rest > half && count >= all => all,
            _ if rest > 1 && count >= half => half,
            _ => 1,
        };
        let start = at.min(count.saturating_sub(rows));
        (rest > 0).then(|| {
            at = start + rows;
            start..start + rows
        })
    })
}

/// Multiplies the rows by one or two panels, each `[parts * depth][16]`, and stores the result in
/// `sums`, `[panel][row][16]`.
///
/// The sums go through memory instead of straight into the epilogue, which costs little beside the
/// products and keeps the kernels small.
///
/// # Panics
/// If a row or a panel is too short, or if there are not as many rows as
/// [`overlapping_blocks`] gives or more panels than [`block`] allows.
#[inline(always)]
pub fn multiply<S: Simd>(simd: S, rows: Rows, panels: &[&[f32]], sums: &mut [f32]) {
    let Rows { input, starts, parts, part_step, depth } = rows;
    // What the kernels' pointers rely on.
    let last = starts.iter().copied().max().unwrap_or(0);
    assert!(parts > 0 && last + (parts - 1) * part_step + depth <= input.len());
    assert!((1..=block::<S>()[1]).contains(&panels.len()));
    assert!(panels.iter().all(|panel| panel.len() >= parts * depth * PANEL));
    assert!(sums.len() >= panels.len() * starts.len() * PANEL);
    macro_rules! kernel {
        ($panels:literal, $registers:literal, $count:literal, [$($row:literal)*]) => {{
            let mut offsets = [0; $count];
            offsets.copy_from_slice(starts);
            let mut lines = [std::ptr::null::<f32>(); $panels];
            for panel in 0..$panels {
                lines[panel] = panels[panel].as_ptr();
            }
            let zero = simd.splat_f32s(0.0);
            let mut products = [[[zero; $registers]; $panels]; $count];
            for part in 0..parts {
                let source = input[part * part_step..].as_ptr();
                for at in 0..depth {
                    let mut line = [[zero; $registers]; $panels];
                    for panel in 0..$panels {
                        let from = (part * depth + at) * PANEL;
                        for register in 0..$registers {
                            // SAFETY: `from + 16` is at most `parts * depth * 16`, the length of a
                            // panel, and the register one of the line's.
                            line[panel][register] = unsafe {
                                lines[panel]
                                    .add(from + register * S::F32_LANES)
                                    .cast::<S::f32s>()
                                    .read_unaligned()
                            };
                        }
                        prefetch_l2(lines[panel].wrapping_add(from + L2_DISTANCE * PANEL));
                        if Kernels::<S>::ARE_WIDE {
                            prefetch_l1(lines[panel].wrapping_add(from + L1_DISTANCE * PANEL));
                        }
                    }
                    $({
                        // SAFETY: `part * part_step + offsets[row] + at` is below the length of the
                        // input, because `last + (parts - 1) * part_step + depth` is at most that.
                        let value = simd.splat_f32s(unsafe { *source.add(offsets[$row] + at) });
                        for panel in 0..$panels {
                            for register in 0..$registers {
                                products[$row][panel][register] = simd.mul_add_e_f32s(
                                    value,
                                    line[panel][register],
                                    products[$row][panel][register],
                                );
                            }
                        }
                    })*
                }
            }
            for panel in 0..$panels {
                let target = sums[panel * $count * PANEL..].as_mut_ptr();
                for register in 0..$registers {
                    $({
                        let at = $row * PANEL + register * S::F32_LANES;
                        // SAFETY: `sums` has 16 floats for each row and panel.
                        unsafe {
                            target
                                .add(at)
                                .cast::<S::f32s>()
                                .write_unaligned(products[$row][panel][register])
                        };
                    })*
                }
            }
        }};
    }
    macro_rules! kernels {
        ($panels:literal, $registers:literal, $($count:literal: $rows:tt)*) => {
            match starts.len() {
                $($count => kernel!($panels, $registers, $count, $rows),)*
                _ => unreachable!("as many rows as `overlapping_blocks` gives"),
            }
        };
    }
    if Kernels::<S>::ARE_WIDE {
        match panels.len() {
            2 => kernels!(2, 1,
                1: [0] 7: [0 1 2 3 4 5 6] 14: [0 1 2 3 4 5 6 7 8 9 10 11 12 13]),
            _ => kernels!(1, 1,
                1: [0] 7: [0 1 2 3 4 5 6] 14: [0 1 2 3 4 5 6 7 8 9 10 11 12 13]),
        }
    } else if Kernels::<S>::ARE_EMULATED {
        match panels.len() {
            2 => kernels!(2, 1, 1: [0] 2: [0 1]),
            _ => kernels!(1, 1, 1: [0] 2: [0 1]),
        }
    } else if Kernels::<S>::ARE_8 {
        kernels!(1, 2, 1: [0] 3: [0 1 2] 6: [0 1 2 3 4 5]);
    } else if Kernels::<S>::ARE_4 {
        kernels!(1, 4, 1: [0] 2: [0 1] 4: [0 1 2 3]);
    } else if Kernels::<S>::ARE_SCALAR {
        kernels!(1, 16, 1: [0] 2: [0 1] 4: [0 1 2 3]);
    } else {
        unreachable!("pulp has registers of 1, 4, 8 and 16 floats");
    }
}

/// Prefetches the cache line at `address` into the second cache, for a later product. The hardware
/// prefetcher restarts at every page, and a panel is hardly longer than a page (measured: worth 15
/// % of the time of products with 64 and 128 channels).
#[inline(always)]
pub fn prefetch_l2(address: *const f32) {
    prefetch_line::<2>(address);
}

/// Prefetches the cache line at `address` into the first cache, for a product that is running.
#[inline(always)]
pub fn prefetch_l1(address: *const f32) {
    prefetch_line::<3>(address);
}

/// Prefetches the cache line at `address`. A hint of 3 is `_MM_HINT_T0`, 2 is `_MM_HINT_T1`.
#[inline(always)]
fn prefetch_line<const HINT: i32>(address: *const f32) {
    // SAFETY: a prefetch has no effect that the program can observe and never faults, whatever the
    // address. Every x86-64 processor has the instruction.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<HINT>(address.cast())
    };
    // Stable Rust has no prefetch on other architectures.
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Prefetches `values`, cache line by cache line, as [`prefetch_l2`].
#[inline(always)]
pub fn prefetch(values: &[f32]) {
    values.chunks(PANEL).for_each(|line| prefetch_l2(line.as_ptr()));
}

/// The `index`th of `count` nearly equal parts of `values`.
#[inline(always)]
pub fn share(values: &[f32], index: usize, count: usize) -> &[f32] {
    &values[index * values.len() / count..(index + 1) * values.len() / count]
}
