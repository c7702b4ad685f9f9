//! The first convolution of a network, fused with the max pooling that follows it.
//!
//! Photos have three channels, and channels come last, so that the pixels under one line of a
//! window are `3 * kernel` contiguous floats, and neighbouring windows start `3 * stride` floats
//! apart: a distance that is known when the kernel is compiled, so that one pointer serves all
//! pixels of a block. The sums of a block stay in registers from the first product to the
//! activation: 14 pixels by 32 channels take 31 of the 32 registers of AVX-512, 6 by 16 take 15 of
//! the 16 of AVX2.
//!
//! The weights of 32 channels (19 KB for windows of 7x7) stay in the first cache for a whole line.
//!
//! With a pooling, the lines of the convolution go to a ring that holds as many as a pooling window
//! is high. They are read while they are in the second cache; the activation between the two, 3.2
//! MB in a ResNet, is never written to memory.

use std::cell::RefCell;
use std::ops::Range;

use pulp::Simd;

use super::epilogue::Clamp;
use super::floats::Floats;
use super::layout::{Layout, Window};
use super::packed::{Packed, Packer};
use super::parallelism::Parallelism;
use super::pool;
use super::product::{Kernels, PANEL};
use crate::device::{Instructions, Task};

/// Channels of photos.
const CHANNELS: usize = 3;

thread_local! {
    /// The lines of the convolution that the pooling reads.
    static RING: RefCell<Floats> = RefCell::default();
}

/// A convolution that reads photos, and the max pooling after it.
pub struct Stem {
    /// `[panel][kernel][kernel][3][16]`.
    panels: Packed,
    /// One value per stored channel.
    bias: Packed,
    window: Window,
    input_layout: Layout,
    /// Layout of the convolution's output.
    lines_layout: Layout,
    clamp: Clamp,
    /// The pooling window, and the layout of its output.
    pool: Option<(Window, Layout)>,
}

impl Stem {
    /// Whether this kernel computes convolutions with this window over photos with `layout`.
    pub fn computes(window: Window, layout: &Layout) -> bool {
        matches!(window.stride, 1 | 2) && layout.stored == CHANNELS
    }

    /// Packs `weight`, `[out_channels, 3, kernel, kernel]`, and `bias`, `[out_channels]`. The
    /// layouts are those of the photos and of the convolution's output; `pool` is the window of the
    /// pooling and the layout of its output.
    pub fn new(
        packer: &mut Packer,
        [weight, bias]: [&[f32]; 2],
        window: Window,
        [input_layout, lines_layout]: [Layout; 2],
        clamp: Clamp,
        pool: Option<(Window, Layout)>,
    ) -> Self {
        let taps = window.kernel * window.kernel;
        let panels = packer.pack(lines_layout.stored * taps * CHANNELS, |panels| {
            for out in 0..lines_layout.channels {
                let panel = &mut panels[out / PANEL * taps * CHANNELS * PANEL..];
                for channel in 0..CHANNELS {
                    for tap in 0..taps {
                        panel[(tap * CHANNELS + channel) * PANEL + out % PANEL] =
                            weight[(out * CHANNELS + channel) * taps + tap];
                    }
                }
            }
        });
        let bias = lines_layout.pack(packer, bias);
        Self { panels, bias, window, input_layout, lines_layout, clamp, pool }
    }

    /// Size of the packed weights in bytes.
    pub fn bytes(&self) -> usize {
        self.panels.len() * size_of::<f32>()
    }

    /// Convolves and pools each photo of `input` into `output`.
    pub fn run(
        &self,
        instructions: Instructions,
        parallelism: Parallelism,
        input: &[f32],
        output: &mut [f32],
    ) {
        let output_layout = self.pool.map_or(self.lines_layout, |(_, layout)| layout);
        // Where a thread's lines begin, a pooling window reaches back to lines that another thread
        // computes too. So a thread has many.
        let pieces = match parallelism {
            Parallelism::Serial => 1,
            Parallelism::Parallel => 2 * rayon::current_num_threads(),
        };
        let lines = output_layout.height.div_ceil(pieces).max(4).min(output_layout.height);
        parallelism.lines(&output_layout, lines, output, |photo, first, output| {
            let input = self.input_layout.one(input, photo);
            RING.with_borrow_mut(|ring| {
                instructions.run(Lines { stem: self, input, first, output, ring });
            });
        });
    }
}

/// Computes some output lines of one photo.
struct Lines<'a> {
    stem: &'a Stem,
    /// The photo.
    input: &'a [f32],
    /// Index of the first output line.
    first: usize,
    /// The output lines, including their borders.
    output: &'a mut [f32],
    ring: &'a mut Floats,
}

impl Task for Lines<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { stem, input, first, output, ring } = self;
        let layout = &stem.lines_layout;
        let Some((window, pooled)) = &stem.pool else {
            for (at, output) in output.chunks_mut(layout.row()).enumerate() {
                let pixels = &mut output[layout.before * layout.stored..];
                stem.line(simd, input, first + at, &mut pixels[..layout.width * layout.stored]);
            }
            return;
        };
        let length = layout.width * layout.stored;
        let ring = ring.grown(window.kernel * length);
        // The lines of the convolution that are in the ring.
        let mut made: Range<usize> = 0..0;
        for (at, output) in output.chunks_mut(pooled.row()).enumerate() {
            let lines = pool::inside(window, first + at, layout.height);
            for line in lines.start.max(made.end)..lines.end {
                let target = &mut ring[line % window.kernel * length..][..length];
                stem.line(simd, input, line, target);
            }
            made.end = lines.end;
            let pixels = &mut output[pooled.before * pooled.stored..];
            let pixels = &mut pixels[..pooled.width * pooled.stored];
            let line = |line: usize| &ring[line % window.kernel * length..][..length];
            pool::line(simd, window, layout.width, lines, line, pixels);
        }
    }
}

impl Stem {
    /// Computes line `y` of the convolution of `photo` into `pixels`, `[pixel][stored channel]`.
    #[inline(always)]
    fn line<S: Simd>(&self, simd: S, photo: &[f32], y: usize, pixels: &mut [f32]) {
        match self.window.stride {
            1 => self.strided::<S, CHANNELS>(simd, photo, y, pixels),
            _ => self.strided::<S, { 2 * CHANNELS }>(simd, photo, y, pixels),
        }
    }

    /// [`line`](Self::line) with windows that start `STEP` floats apart.
    #[inline(always)]
    fn strided<S: Simd, const STEP: usize>(
        &self,
        simd: S,
        photo: &[f32],
        y: usize,
        pixels: &mut [f32],
    ) {
        let (width, stored) = (self.lines_layout.width, self.lines_layout.stored);
        let depth = self.window.kernel * CHANNELS;
        let start = self.window.corner(&self.input_layout, y, 0);
        let length = depth * self.window.kernel * PANEL;
        // What the kernels' pointers rely on.
        let end =
            start + (width - 1) * STEP + (self.window.kernel - 1) * self.input_layout.row() + depth;
        assert!(end <= photo.len() && pixels.len() == width * stored);
        let (panels, bias): (&[f32], &[f32]) = (&self.panels, &self.bias);
        assert!(panels.len() == stored / PANEL * length && bias.len() == stored);
        macro_rules! kernel {
            ($panels:literal, $registers:literal, $panel:expr, $x:expr, [$($row:literal)*]) => {{
                let (panel, x) = ($panel, $x);
                let weights = panels[panel * length..].as_ptr();
                let source = photo[start + x * STEP..].as_ptr();
                let zero = simd.splat_f32s(0.0);
                let mut sums = [[[zero; $registers]; $panels]; [$($row),*].len()];
                for part in 0..self.window.kernel {
                    for at in 0..depth {
                        let mut line = [[zero; $registers]; $panels];
                        for panel in 0..$panels {
                            for register in 0..$registers {
                                let at = panel * length
                                    + (part * depth + at) * PANEL
                                    + register * S::F32_LANES;
                                // SAFETY: `at` plus a register's length is at most `$panels` times
                                // `length`, and so many panels follow.
                                line[panel][register] =
                                    unsafe { weights.add(at).cast::<S::f32s>().read_unaligned() };
                            }
                        }
                        $({
                            let at = part * self.input_layout.row() + $row * STEP + at;
                            // SAFETY: the pixel `x + $row` is below `width`, so that the offset is
                            // below `end`, which was compared above.
                            let value = simd.splat_f32s(unsafe { *source.add(at) });
                            for panel in 0..$panels {
                                for register in 0..$registers {
                                    sums[$row][panel][register] = simd.mul_add_e_f32s(
                                        value,
                                        line[panel][register],
                                        sums[$row][panel][register],
                                    );
                                }
                            }
                        })*
                    }
                }
                for at in 0..$panels {
                    for register in 0..$registers {
                        let channel = (panel + at) * PANEL + register * S::F32_LANES;
                        let bias = S::as_simd_f32s(&bias[channel..][..S::F32_LANES]).0[0];
                        let target = pixels[x * stored + channel..].as_mut_ptr();
                        $({
                            let value = simd.add_f32s(sums[$row][at][register], bias);
                            let value = self.clamp.apply(simd, value);
                            // SAFETY: the pixel `x + $row` is below `width`, and `channel` plus a
                            // register's length at most `stored`.
                            unsafe {
                                target
                                    .add($row * stored)
                                    .cast::<S::f32s>()
                                    .write_unaligned(value)
                            };
                        })*
                    }
                }
            }};
        }
        // The last block overlaps the one before it, which costs less than a kernel for each number
        // of pixels.
        macro_rules! blocks {
            ($panels:literal, $registers:literal, $panel:expr, $pixels:literal, $rows:tt) => {{
                if width < $pixels {
                    for x in 0..width {
                        kernel!($panels, $registers, $panel, x, [0]);
                    }
                } else {
                    for x in (0..width).step_by($pixels) {
                        kernel!($panels, $registers, $panel, x.min(width - $pixels), $rows);
                    }
                }
            }};
        }
        let count = stored / PANEL;
        let pairs =
            if Kernels::<S>::ARE_WIDE || Kernels::<S>::ARE_EMULATED { count / 2 } else { 0 };
        for pair in 0..pairs {
            if Kernels::<S>::ARE_WIDE {
                blocks!(2, 1, 2 * pair, 14, [0 1 2 3 4 5 6 7 8 9 10 11 12 13]);
            } else if Kernels::<S>::ARE_EMULATED {
                blocks!(2, 1, 2 * pair, 2, [0 1]);
            }
        }
        for panel in 2 * pairs..count {
            if Kernels::<S>::ARE_WIDE {
                blocks!(1, 1, panel, 14, [0 1 2 3 4 5 6 7 8 9 10 11 12 13]);
            } else if Kernels::<S>::ARE_EMULATED {
                blocks!(1, 1, panel, 2, [0 1]);
            } else if Kernels::<S>::ARE_8 {
                blocks!(1, 2, panel, 6, [0 1 2 3 4 5]);
            } else if Kernels::<S>::ARE_4 {
                blocks!(1, 4, panel, 4, [0 1 2 3]);
            } else if Kernels::<S>::ARE_SCALAR {
                blocks!(1, 16, panel, 2, [0 1]);
            } else {
                unreachable!("pulp has registers of 1, 4, 8 and 16 floats");
            }
        }
    }
}
