//! The matrix products between the transforms: the tiles of a group times one or two panels of
//! filters, position by position.
//!
//! The sums of a product stay in registers: 14 tiles by two panels take 31 of the 32 registers of
//! AVX-512 (28 sums, 2 lines of filters, 1 broadcast), 6 tiles by one panel take 15 of the 16 of
//! AVX2. Each step along the channels loads a line of each panel and broadcasts one float of each
//! tile. With AVX-512 these are 16 loads, and 2 to 5 prefetches, for 28 multiplications, of which
//! the processors start two each a cycle.

use pulp::Simd;

use super::super::product::{self, Kernels, L1_DISTANCE, PANEL, block, prefetch_l1, prefetch_l2};
use super::domain::Domain;

/// Multiplies the tiles of one position, `[block][tile][16]`, by one or two panels, each
/// `[channel][16]`, into `sums`, `[panel][tile][16]`. Meanwhile it prefetches the panels of the
/// next product, and one cache line for each channel from `ahead` on.
///
/// # Panics
/// If a slice is too short, or if there are more panels than [`block`] allows.
#[inline(always)]
pub(super) fn multiply<S: Simd>(
    simd: S,
    domain: Domain,
    patches: &[f32],
    panels: &[&[f32]],
    next: &[&[f32]],
    ahead: *const f32,
    sums: &mut [f32],
) {
    let Domain { tiles, blocks } = domain;
    let [mut max_tiles, max_panels] = block::<S>();
    // One panel is rare where two are the rule, so it has fewer kernels.
    if panels.len() < max_panels {
        max_tiles /= 2;
    }
    let depth = blocks * PANEL;
    // What the kernels' pointers rely on.
    assert!(patches.len() >= tiles * depth && sums.len() >= panels.len() * tiles * PANEL);
    assert!(panels.iter().chain(next).all(|panel| panel.len() >= depth * PANEL));
    assert!(next.len() == panels.len() && (1..=max_panels).contains(&panels.len()));
    macro_rules! kernel {
        ($rows:literal, $panels:literal, $registers:literal, $at:expr, [$($row:literal)*]) => {{
            let patches = patches[$at * PANEL..].as_ptr();
            let sums = sums[$at * PANEL..].as_mut_ptr();
            let step = tiles * PANEL;
            let mut lines = [std::ptr::null::<f32>(); $panels];
            let mut nexts = [std::ptr::null::<f32>(); $panels];
            for panel in 0..$panels {
                lines[panel] = panels[panel].as_ptr();
                nexts[panel] = next[panel].as_ptr();
            }
            let mut products = [[[simd.splat_f32s(0.0); $registers]; $panels]; $rows];
            for block in 0..blocks {
                for lane in 0..PANEL {
                    let channel = block * PANEL + lane;
                    let mut line = [[simd.splat_f32s(0.0); $registers]; $panels];
                    for panel in 0..$panels {
                        for register in 0..$registers {
                            let at = channel * PANEL + register * S::F32_LANES;
                            // SAFETY: `at` plus a register's length is at most `depth * 16`, the
                            // length of a panel.
                            line[panel][register] = unsafe {
                                lines[panel].add(at).cast::<S::f32s>().read_unaligned()
                            };
                        }
                    }
                    if Kernels::<S>::ARE_WIDE {
                        for panel in 0..$panels {
                            prefetch_l1(lines[panel].wrapping_add((channel + L1_DISTANCE) * PANEL));
                        }
                    }
                    if $at == 0 {
                        for panel in 0..$panels {
                            prefetch_l2(nexts[panel].wrapping_add(channel * PANEL));
                        }
                        prefetch_l2(ahead.wrapping_add(channel * PANEL));
                    }
                    $({
                        // SAFETY: block < blocks, tile `$at + $row` is below `tiles` and lane is
                        // below 16, so that the offset is below `blocks * tiles * 16`, which is at
                        // most the length of `patches`.
                        let value = unsafe { *patches.add(block * step + $row * PANEL + lane) };
                        let value = simd.splat_f32s(value);
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
            $(for panel in 0..$panels {
                for register in 0..$registers {
                    let at = panel * step + $row * PANEL + register * S::F32_LANES;
                    // SAFETY: panel is below `panels.len()` and tile `$at + $row` below `tiles`, so
                    // that the register lies in the first `panels.len() * tiles * 16` of `sums`.
                    unsafe {
                        sums.add(at)
                            .cast::<S::f32s>()
                            .write_unaligned(products[$row][panel][register])
                    };
                }
            })*
        }};
    }
    macro_rules! kernels {
        ($count:expr, $at:expr, $panels:literal, $registers:literal,
            $($rows:literal: [$($row:literal)*];)*) => {
            match $count {
                $($rows => kernel!($rows, $panels, $registers, $at, [$($row)*]),)*
                // `product::blocks` gives at most `max_tiles`.
                _ => unreachable!("a block has no more tiles than the kernel"),
            }
        };
    }
    macro_rules! up_to_4 {
        ($count:expr, $at:expr, $panels:literal, $registers:literal, $($more:tt)*) => {
            kernels!($count, $at, $panels, $registers,
                1: [0]; 2: [0 1]; 3: [0 1 2]; 4: [0 1 2 3]; $($more)*)
        };
    }
    macro_rules! up_to_7 {
        ($count:expr, $at:expr, $panels:literal, $registers:literal, $($more:tt)*) => {
            up_to_4!($count, $at, $panels, $registers,
                5: [0 1 2 3 4]; 6: [0 1 2 3 4 5]; 7: [0 1 2 3 4 5 6]; $($more)*)
        };
    }
    macro_rules! up_to_14 {
        ($count:expr, $at:expr, $panels:literal, $registers:literal) => {
            up_to_7!($count, $at, $panels, $registers,
                8: [0 1 2 3 4 5 6 7]; 9: [0 1 2 3 4 5 6 7 8]; 10: [0 1 2 3 4 5 6 7 8 9];
                11: [0 1 2 3 4 5 6 7 8 9 10]; 12: [0 1 2 3 4 5 6 7 8 9 10 11];
                13: [0 1 2 3 4 5 6 7 8 9 10 11 12]; 14: [0 1 2 3 4 5 6 7 8 9 10 11 12 13];)
        };
    }
    for block in product::blocks(tiles, max_tiles) {
        let (at, count) = (block.start, block.len());
        if Kernels::<S>::ARE_WIDE {
            match panels.len() {
                2 => up_to_14!(count, at, 2, 1),
                _ => up_to_7!(count, at, 1, 1,),
            }
        } else if Kernels::<S>::ARE_EMULATED {
            match panels.len() {
                2 => kernels!(count, at, 2, 1, 1: [0]; 2: [0 1];),
                _ => kernels!(count, at, 1, 1, 1: [0];),
            }
        } else if Kernels::<S>::ARE_8 {
            up_to_4!(count, at, 1, 2, 5: [0 1 2 3 4]; 6: [0 1 2 3 4 5];);
        } else if Kernels::<S>::ARE_4 {
            up_to_4!(count, at, 1, 4,);
        } else if Kernels::<S>::ARE_SCALAR {
            up_to_4!(count, at, 1, 16,);
        } else {
            unreachable!("pulp has registers of 1, 4, 8 and 16 floats");
        }
    }
}
