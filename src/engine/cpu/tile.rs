//! The register tile under 1x1 convolutions: some pixels times one or two panels of weights, from
//! the bias to the clamped result in registers.
//!
//! # Layout
//! Channels come in blocks of 16. The channels of a pixel are `input + block * block_step`; the
//! next pixel is `pixel_step` further. So a tile reads activations with the channels last
//! (`pixel_step` = stored channels, `block_step` = 16) and those in blocks, `[block][pixel][16]`
//! (`pixel_step` = 16, `block_step` = 16 * pixels). Weights are `[panel][depth][16]`, as in
//! [`product`](super::product).
//!
//! # Arithmetic
//! For each channel of the input a tile loads one line of each panel and one float of each pixel.
//! 14 pixels by two panels take 31 of the 32 registers of AVX-512 (28 sums, 2 lines, 1 broadcast):
//! 16 loads for 28 multiply-adds, where the processor does as many of one as of the other in a
//! cycle. 6 pixels by one panel take 15 of the 16 registers of AVX2. The sums start with the bias,
//! take the channels in order, and end with the shortcut, whatever the tile: a value does not
//! depend on the tile that computes it.
//!
//! # Safety
//! Inner loops take pointers: bounds checks and the arithmetic of slices would take longer than
//! some of the products. Callers check lengths once, outside the loops.

use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::epilogue::Clamp;
use super::product::{PANEL, prefetch_l1};
use super::unroll::unroll;

/// Where the operands of a product lie, in floats.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// Channels of the input, rounded up to a multiple of [`DEPTH_STEP`].
    pub depth: usize,
    /// From a pixel of the input to the next.
    pub pixel: usize,
    /// From a block of 16 channels of the input to the next.
    pub block: usize,
    /// From a panel to the next.
    pub panel: usize,
    /// From a pixel of the output, and of the shortcut, to the next.
    pub out_pixel: usize,
    /// From a block of 16 channels of the output, and of the shortcut, to the next.
    pub out_block: usize,
}

/// The depth is a multiple of this, so that the loop over channels has no remainder.
pub const DEPTH_STEP: usize = 4;

/// Lines of a panel that are prefetched ahead, into the first cache: as far as a core comes while
/// the last cache answers.
const L1_DISTANCE: usize = 24;

/// A tile's operands.
#[derive(Clone, Copy)]
pub struct Operands {
    /// The first pixel.
    pub input: *const f32,
    /// The first panel.
    pub weight: *const f32,
    /// One value per channel of the panels.
    pub bias: *const f32,
    /// What is added to the first pixel's output, or null.
    pub shortcut: *const f32,
    /// The first pixel's output.
    pub output: *mut f32,
}

/// Maximum `[pixels, panels]` of a tile on this processor.
pub const fn max_tile<S: Simd>() -> [usize; 2] {
    match S::F32_LANES {
        // Large tiles of emulated registers would only take long to compile.
        16 if is_emulated_512::<S>() => [2, 2],
        16 => [14, 2],
        8 | 4 => [6, 1],
        _ => [4, 1],
    }
}

/// Whether registers of 16 values are emulated with the baseline instructions.
pub const fn is_emulated_512<S: Simd>() -> bool {
    S::F32_LANES == 16 && S::REGISTER_COUNT < 16
}

/// The tiles of a processor. Constants, so that only its own tiles are compiled for it.
struct Tiles<S>(PhantomData<S>);

impl<S: Simd> Tiles<S> {
    const EMULATED_512: bool = is_emulated_512::<S>();
    const AVX512: bool = S::F32_LANES == 16 && !Self::EMULATED_512;
    const AVX2: bool = S::F32_LANES == 8;
    const NEON: bool = S::F32_LANES == 4;
    const SCALAR: bool = S::F32_LANES == 1;
}

/// Multiplies `pixels` pixels by `panels` panels, adds bias and shortcut, and clamps.
///
/// # Safety
/// `pixels` and `panels` are at most [`max_tile`], and at least 1. All that `steps` says of the
/// operands lies inside their buffers, and no other thread writes there. The output overlaps no
/// other operand.
#[inline(always)]
pub unsafe fn multiply<S: Simd>(
    simd: S,
    [pixels, panels]: [usize; 2],
    steps: &Steps,
    operands: Operands,
    clamp: Clamp,
) {
    macro_rules! tiles {
        ($registers:literal, $($pixels:literal)*) => {
            match pixels {
                $($pixels => simd.vectorize(
                    Tile::<$pixels, $registers> { steps, operands, clamp }
                ),)*
                _ => unreachable!("callers take tiles of at most `max_tile`"),
            }
        };
    }
    match panels {
        2 if Tiles::<S>::EMULATED_512 => tiles!(2, 1 2),
        _ if Tiles::<S>::EMULATED_512 => tiles!(1, 1 2),
        2 if Tiles::<S>::AVX512 => tiles!(2, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        _ if Tiles::<S>::AVX512 => tiles!(1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        _ if Tiles::<S>::AVX2 => tiles!(2, 1 2 3 4 5 6),
        _ if Tiles::<S>::NEON => tiles!(4, 1 2 3 4 5 6),
        _ if Tiles::<S>::SCALAR => tiles!(16, 1 2 3 4),
        _ => unreachable!("pulp has no other registers"),
    }
}

/// A tile of `PIXELS` pixels by `REGISTERS` registers of channels.
struct Tile<'a, const PIXELS: usize, const REGISTERS: usize> {
    steps: &'a Steps,
    operands: Operands,
    clamp: Clamp,
}

impl<const PIXELS: usize, const REGISTERS: usize> WithSimd for Tile<'_, PIXELS, REGISTERS> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: only `multiply` makes tiles, and its callers keep its conditions.
        unsafe { self.run(simd) }
    }
}

impl<const PIXELS: usize, const REGISTERS: usize> Tile<'_, PIXELS, REGISTERS> {
    /// # Safety
    /// As [`multiply`].
    #[inline(always)]
    unsafe fn run<S: Simd>(self, simd: S) {
        let Self { steps, operands, clamp } = self;
        let Steps { depth, pixel, block, panel, out_pixel, out_block } = *steps;
        // Offset of a register in panels and in outputs, whose blocks are `step` apart.
        let offset = |register: usize, step: usize| {
            register * S::F32_LANES / PANEL * step + register * S::F32_LANES % PANEL
        };
        // SAFETY: the caller promises that all these offsets lie inside the buffers.
        unsafe {
            let mut sums = [[simd.splat_f32s(0.0); REGISTERS]; PIXELS];
            unroll!(REGISTER < REGISTERS, 16, {
                let bias = load::<S>(operands.bias.add(REGISTER * S::F32_LANES));
                unroll!(AT < PIXELS, 16, {
                    sums[AT][REGISTER] = bias;
                });
            });
            let (mut weight, mut blocks) = (operands.weight, operands.input);
            let mut left = depth;
            while left > 0 {
                let mut input = blocks;
                for _ in 0..left.min(PANEL) / DEPTH_STEP {
                    // Not among the products: there the compiler would move sums to memory.
                    for at in 0..DEPTH_STEP {
                        for part in 0..(REGISTERS * S::F32_LANES).div_ceil(PANEL) {
                            prefetch_l1(
                                weight.wrapping_add((at + L1_DISTANCE) * PANEL + part * panel),
                            );
                        }
                    }
                    unroll!(CHANNEL < DEPTH_STEP, 4, {
                        let mut line = [simd.splat_f32s(0.0); REGISTERS];
                        unroll!(REGISTER < REGISTERS, 16, {
                            line[REGISTER] =
                                load::<S>(weight.add(CHANNEL * PANEL + offset(REGISTER, panel)));
                        });
                        unroll!(AT < PIXELS, 16, {
                            let value = simd.splat_f32s(*input.add(AT * pixel + CHANNEL));
                            unroll!(REGISTER < REGISTERS, 16, {
                                sums[AT][REGISTER] =
                                    simd.mul_add_e_f32s(value, line[REGISTER], sums[AT][REGISTER]);
                            });
                        });
                    });
                    weight = weight.add(DEPTH_STEP * PANEL);
                    input = input.add(DEPTH_STEP);
                }
                blocks = blocks.wrapping_add(block);
                left = left.saturating_sub(PANEL);
            }
            unroll!(AT < PIXELS, 16, {
                unroll!(REGISTER < REGISTERS, 16, {
                    let offset = AT * out_pixel + offset(REGISTER, out_block);
                    let mut value = sums[AT][REGISTER];
                    if !operands.shortcut.is_null() {
                        value = simd.add_f32s(value, load::<S>(operands.shortcut.add(offset)));
                    }
                    store::<S>(operands.output.add(offset), clamp.apply(simd, value));
                });
            });
        }
    }
}

/// Loads a register.
///
/// # Safety
/// A register's floats can be read at `from`.
#[inline(always)]
pub unsafe fn load<S: Simd>(from: *const f32) -> S::f32s {
    // SAFETY: as the caller promises; any bits are floats.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// Stores a register.
///
/// # Safety
/// A register's floats can be written at `to`.
#[inline(always)]
pub unsafe fn store<S: Simd>(to: *mut f32, values: S::f32s) {
    // SAFETY: as the caller promises.
    unsafe { to.cast::<S::f32s>().write_unaligned(values) }
}
