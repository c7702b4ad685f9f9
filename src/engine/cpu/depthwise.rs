//! Depthwise convolutions: each channel is convolved on its own.
//!
//! # Layout
//! Weights are `[block of 16 channels][tap][16]`, the bias one value per channel. The kernel
//! computes one register of channels of an output line at a time. It reads the lines under the
//! window through one pointer each, so they may lie anywhere: in a photo, or in the ring of lines
//! that a [bottleneck](super::bottleneck) expands just before.
//!
//! # Arithmetic
//! A value takes 9 multiply-adds for 3x3 and 25 for 5x5, and without reuse as many loads. 14 or 7
//! neighbouring pixels are computed together, in registers. Each input is loaded once for all taps
//! of a line that it serves, and each weight once for all pixels: for 14 pixels and 3x3, a line of
//! the window takes 16 + 3 loads for 42 multiply-adds.

use std::marker::PhantomData;
use std::ptr;

use pulp::{Simd, WithSimd};

use super::epilogue::Clamp;
use super::layout::{CHANNEL_BLOCK, Layout, Window};
use super::packed::{Packed, Packer};
use super::parallelism::Parallelism;
use super::tile::{is_emulated_512, load, store};
use super::unroll::unroll;
use crate::device::{Instructions, Task};

/// The weights of a depthwise convolution, and its kernel.
pub struct Taps {
    /// `[block][kernel * kernel][16]`.
    weight: Packed,
    /// One value per stored channel.
    bias: Packed,
    pub window: Window,
    clamp: Clamp,
}

/// One output line of a block of 16 channels.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// For each line of the window, the first pixel under it.
    pub inputs: &'a [*const f32],
    /// From a pixel of the input to the next, in floats.
    pub pixel: usize,
    /// The first pixel of the output.
    pub output: *mut f32,
    /// From a pixel of the output to the next, in floats.
    pub out_pixel: usize,
    /// Pixels of the output.
    pub width: usize,
}

impl Taps {
    /// Packs `weight`, `[channels, 1, kernel, kernel]`, and `bias`, `[channels]`.
    pub fn new(
        packer: &mut Packer,
        weight: &[f32],
        bias: &[f32],
        window: Window,
        output_layout: &Layout,
        clamp: Clamp,
    ) -> Self {
        let taps = window.kernel * window.kernel;
        let packed = packer.pack(taps * output_layout.stored, |packed| {
            for (channel, kernel) in weight.chunks_exact(taps).enumerate() {
                let (block, lane) = (channel / CHANNEL_BLOCK, channel % CHANNEL_BLOCK);
                for (tap, value) in kernel.iter().enumerate() {
                    packed[(block * taps + tap) * CHANNEL_BLOCK + lane] = *value;
                }
            }
        });
        Self { weight: packed, bias: output_layout.pack(packer, bias), window, clamp }
    }

    /// Computes a line of the channels of `block`.
    ///
    /// # Safety
    /// `line` has one input for each line of the window. From each, the pixels under all windows of
    /// the line can be read, 16 channels each. `width` pixels of 16 channels can be written to the
    /// output, which overlaps no input and which no other thread uses.
    #[inline(always)]
    pub unsafe fn line<S: Simd>(&self, simd: S, block: usize, line: Line) {
        // SAFETY: as the caller promises; the sizes of kernel and stride match.
        unsafe {
            match (self.window.kernel, self.window.stride) {
                (3, 1) => simd.vectorize(Tiles::<3, 1> { taps: self, block, line }),
                (3, 2) => simd.vectorize(Tiles::<3, 2> { taps: self, block, line }),
                (5, 1) => simd.vectorize(Tiles::<5, 1> { taps: self, block, line }),
                (5, 2) => simd.vectorize(Tiles::<5, 2> { taps: self, block, line }),
                _ => self.any(simd, block, line),
            }
        }
    }

    /// The weights and the bias of a block.
    #[inline(always)]
    fn block(&self, block: usize) -> [&[f32]; 2] {
        let values = self.window.kernel * self.window.kernel * CHANNEL_BLOCK;
        [
            &self.weight[block * values..][..values],
            &self.bias[block * CHANNEL_BLOCK..][..CHANNEL_BLOCK],
        ]
    }

    /// Any kernel and stride, pixel by pixel.
    ///
    /// # Safety
    /// As [`line`](Self::line).
    #[inline(always)]
    unsafe fn any<S: Simd>(&self, simd: S, block: usize, line: Line) {
        let Window { kernel, stride, .. } = self.window;
        let [weight, bias] = self.block(block);
        assert!(weight.len() == kernel * kernel * CHANNEL_BLOCK && line.inputs.len() == kernel);
        for column in 0..line.width {
            for lanes in (0..CHANNEL_BLOCK).step_by(S::F32_LANES) {
                // SAFETY: the window of an output pixel, which the caller promised.
                unsafe {
                    let mut sum = load::<S>(bias.as_ptr().add(lanes));
                    for (y, input) in line.inputs.iter().enumerate() {
                        for x in 0..kernel {
                            let tap = (y * kernel + x) * CHANNEL_BLOCK + lanes;
                            let value = input.add((column * stride + x) * line.pixel + lanes);
                            let weight = load::<S>(weight.as_ptr().add(tap));
                            sum = simd.mul_add_e_f32s(load::<S>(value), weight, sum);
                        }
                    }
                    let output = line.output.add(column * line.out_pixel + lanes);
                    store::<S>(output, self.clamp.apply(simd, sum));
                }
            }
        }
    }
}

/// A line of a window of this size, tile by tile.
struct Tiles<'a, const KERNEL: usize, const STRIDE: usize> {
    taps: &'a Taps,
    block: usize,
    line: Line<'a>,
}

/// Which tiles a processor has: 14 pixels take 14 sums, the weights of a line and an input, too
/// many registers for AVX2. Large tiles of emulated registers would only take long to compile.
struct Sizes<S>(PhantomData<S>);

impl<S: Simd> Sizes<S> {
    const HAVE_14: bool = S::REGISTER_COUNT >= 32;
    const HAVE_7: bool = !is_emulated_512::<S>();
}

impl<const KERNEL: usize, const STRIDE: usize> WithSimd for Tiles<'_, KERNEL, STRIDE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { taps, block, line } = self;
        let [weight, bias] = taps.block(block);
        assert!(weight.len() == KERNEL * KERNEL * CHANNEL_BLOCK && line.inputs.len() == KERNEL);
        let mut inputs = [ptr::null(); KERNEL];
        inputs.copy_from_slice(line.inputs);
        for lanes in (0..CHANNEL_BLOCK).step_by(S::F32_LANES) {
            let mut column = 0;
            macro_rules! tile {
                ($pixels:literal) => {
                    let start = column * STRIDE * line.pixel + lanes;
                    // SAFETY: only `Taps::line` makes these. `column + pixels` is at most the width
                    // and `lanes` less than 16: pixels that its caller promised.
                    unsafe {
                        tile::<S, KERNEL, STRIDE, $pixels>(
                            simd,
                            inputs.map(|input: *const f32| input.add(start)),
                            line.pixel,
                            weight.as_ptr().add(lanes),
                            load::<S>(bias.as_ptr().add(lanes)),
                            taps.clamp,
                            line.output.add(column * line.out_pixel + lanes),
                            line.out_pixel,
                        );
                    }
                    column += $pixels;
                };
            }
            if Sizes::<S>::HAVE_14 {
                while line.width - column >= 14 {
                    tile!(14);
                }
            }
            if Sizes::<S>::HAVE_7 && line.width >= 7 {
                while column < line.width {
                    // The last tile computes some pixels once more.
                    column = column.min(line.width - 7);
                    tile!(7);
                }
            }
            while column < line.width {
                tile!(1);
            }
        }
    }
}

/// Whether the input pixel `at` lies under tap `tap` of one of `pixels` windows.
const fn serves(at: usize, tap: usize, stride: usize, pixels: usize) -> bool {
    match at.checked_sub(tap) {
        Some(distance) => distance.is_multiple_of(stride) && distance / stride < pixels,
        None => false,
    }
}

/// `PIXELS` neighbouring pixels of one register of channels.
///
/// # Safety
/// From each of `inputs`, the pixels under the windows can be read, `pixel` floats apart; from
/// `weight`, `KERNEL * KERNEL` taps 16 floats apart; and `PIXELS` pixels can be written to
/// `output`.
#[inline(always)]
// The pointer after the last pixel of a line is not read.
#[allow(clippy::too_many_arguments, unused_assignments)]
unsafe fn tile<S: Simd, const KERNEL: usize, const STRIDE: usize, const PIXELS: usize>(
    simd: S,
    inputs: [*const f32; KERNEL],
    pixel: usize,
    weight: *const f32,
    bias: S::f32s,
    clamp: Clamp,
    output: *mut f32,
    out_pixel: usize,
) {
    let mut sums = [bias; PIXELS];
    // SAFETY: as the caller promises: `at` counts the pixels under the windows of a line.
    unsafe {
        for (y, mut input) in inputs.into_iter().enumerate() {
            let mut weights = [bias; KERNEL];
            unroll!(X < KERNEL, 8, {
                weights[X] = load::<S>(weight.add((y * KERNEL + X) * CHANNEL_BLOCK));
            });
            unroll!(AT < (PIXELS - 1) * STRIDE + KERNEL, 32, {
                let value = load::<S>(input);
                unroll!(X < KERNEL, 8, {
                    if const { serves(AT, X, STRIDE, PIXELS) } {
                        let sum = &mut sums[usize::wrapping_sub(AT, X) / STRIDE];
                        *sum = simd.mul_add_e_f32s(value, weights[X], *sum);
                    }
                });
                input = input.wrapping_add(pixel);
            });
        }
        unroll!(AT < PIXELS, 16, {
            store::<S>(output.add(AT * out_pixel), clamp.apply(simd, sums[AT]));
        });
    }
}

/// A depthwise convolution as a step of its own.
pub struct Depthwise {
    pub taps: Taps,
    pub input_layout: Layout,
    pub output_layout: Layout,
}

impl Depthwise {
    /// Convolves each photo of `input` into `output`.
    pub fn run(
        &self,
        instructions: Instructions,
        parallelism: Parallelism,
        input: &[f32],
        output: &mut [f32],
    ) {
        let input_layout = self.input_layout;
        parallelism.lines(&self.output_layout, 1, output, |photo, line, output| {
            let input = input_layout.one(input, photo);
            instructions.run(PhotoLine { depthwise: self, input, line, output });
        });
    }
}

/// Computes one output line of one photo.
struct PhotoLine<'a> {
    depthwise: &'a Depthwise,
    /// The photo.
    input: &'a [f32],
    line: usize,
    /// The output line, including its border.
    output: &'a mut [f32],
}

impl Task for PhotoLine<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Depthwise { taps, input_layout, output_layout } = self.depthwise;
        let Window { kernel, stride, .. } = taps.window;
        let width = output_layout.width;
        let corner = taps.window.corner(input_layout, self.line, 0);
        let mut inputs = vec![ptr::null(); kernel];
        for block in 0..output_layout.stored / CHANNEL_BLOCK {
            let channel = block * CHANNEL_BLOCK;
            for (y, pointer) in inputs.iter_mut().enumerate() {
                let length =
                    (((width - 1) * stride + kernel - 1) * input_layout.stored) + CHANNEL_BLOCK;
                let start = corner + y * input_layout.row() + channel;
                *pointer = self.input[start..][..length].as_ptr();
            }
            let start = output_layout.before * output_layout.stored + channel;
            let length = (width - 1) * output_layout.stored + CHANNEL_BLOCK;
            let output = self.output[start..][..length].as_mut_ptr();
            let line = Line {
                inputs: &inputs,
                pixel: input_layout.stored,
                output,
                out_pixel: output_layout.stored,
                width,
            };
            // SAFETY: the slices above contain all pixels of the line.
            unsafe { taps.line(simd, block, line) };
        }
    }
}
