//! Convolutions as matrix products that read the input in place, without im2col copies.
//!
//! With channels last, the `kernel` neighbouring pixels under one line of a window are a contiguous
//! stretch of `kernel * channels` floats, so a window is `kernel` parts of a row of
//! [`product`](super::product). This serves every convolution over all channels: the stem, strided
//! convolutions and 1x1 convolutions.

use std::ops::Range;

use pulp::Simd;

use super::epilogue::Clamp;
use super::layout::{Layout, Window};
use super::packed::{Packed, Packer};
use super::parallelism::Parallelism;
use super::product::{self, MAX_PANELS, MAX_ROWS, PANEL, Rows, multiply};
use super::shared::SharedOutput;
use crate::device::{Instructions, Task};

/// A convolution with packed weights.
pub struct Convolution {
    /// `[panel][kernel * kernel * stored channels][16]`.
    panels: Packed,
    /// One value per stored channel.
    bias: Packed,
    window: Window,
    input_layout: Layout,
    output_layout: Layout,
    clamp: Clamp,
}

/// Most bytes of input that a thread multiplies with two panels before it goes on to the next two:
/// it stays in the core's second cache.
const GROUP: usize = 256 * 1024;

impl Convolution {
    /// Packs `weight`, `[out_channels, in_channels, kernel, kernel]`, and `bias`, `[out_channels]`.
    pub fn new(
        packer: &mut Packer,
        weight: &[f32],
        bias: &[f32],
        window: Window,
        input_layout: Layout,
        output_layout: Layout,
        clamp: Clamp,
    ) -> Self {
        let taps = window.kernel * window.kernel;
        let depth = taps * input_layout.stored;
        let panels = packer.pack(output_layout.stored * depth, |panels| {
            Parallelism::Parallel.pieces(panels, depth * PANEL, |panel, values| {
                let outs = panel * PANEL..((panel + 1) * PANEL).min(output_layout.channels);
                for channel in 0..input_layout.channels {
                    for (lane, out) in outs.clone().enumerate() {
                        let kernel =
                            &weight[(out * input_layout.channels + channel) * taps..][..taps];
                        for (tap, value) in kernel.iter().enumerate() {
                            values[(tap * input_layout.stored + channel) * PANEL + lane] = *value;
                        }
                    }
                }
            });
        });
        Self {
            panels,
            bias: output_layout.pack(packer, bias),
            window,
            input_layout,
            output_layout,
            clamp,
        }
    }

    /// Size of the packed weights in bytes.
    pub fn bytes(&self) -> usize {
        self.panels.len() * size_of::<f32>()
    }

    /// Convolves each photo of `input` into `output`, a few lines at a time with all panels, and
    /// adds `shortcut`, which has the layout of `output`.
    pub fn run(
        &self,
        instructions: Instructions,
        parallelism: Parallelism,
        input: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
    ) {
        let Layout { width, height, .. } = self.output_layout;
        let line = self.window.stride * self.input_layout.row() * size_of::<f32>();
        let most = match parallelism {
            Parallelism::Serial => height,
            Parallelism::Parallel => height.div_ceil(2 * rayon::current_num_threads()),
        };
        let lines = (GROUP / line.max(1)).clamp(1, most.max(1));
        let photos = output.len() / self.output_layout.photo();
        let pieces = (0..photos).flat_map(|photo| {
            product::blocks(height, lines).map(move |lines| {
                (photo * height + lines.start) * width..(photo * height + lines.end) * width
            })
        });
        let panels = self.output_layout.stored / PANEL;
        let output = SharedOutput::new(output);
        parallelism.each(pieces.collect(), |pixels| {
            let panels = 0..panels;
            instructions.run(Pixels { convolution: self, input, pixels, panels, output, shortcut });
        });
    }

    /// Like [`run`](Self::run), but a few panels at a time for all photos, so that weights larger
    /// than a core's cache are read only once.
    pub fn by_panel(
        &self,
        instructions: Instructions,
        input: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
    ) {
        let Layout { width, height, .. } = self.output_layout;
        let panels = self.output_layout.stored / PANEL;
        let pixels = output.len() / self.output_layout.photo() * height * width;
        // Few panels are shared out together with the pixels.
        let fewest = (2 * rayon::current_num_threads()).div_ceil(panels.div_ceil(MAX_PANELS));
        let most = pixels.div_ceil(fewest).max(2 * MAX_ROWS);
        let pieces = product::blocks(panels, MAX_PANELS).flat_map(|panels| {
            product::blocks(pixels, most).map(move |pixels| (panels.clone(), pixels))
        });
        let output = SharedOutput::new(output);
        Parallelism::Parallel.each(pieces.collect(), |(panels, pixels)| {
            instructions.run(Pixels { convolution: self, input, pixels, panels, output, shortcut });
        });
    }

    /// The packed weights of one panel.
    #[inline(always)]
    fn panel(&self, panel: usize) -> &[f32] {
        let length = self.window.kernel * self.window.kernel * self.input_layout.stored * PANEL;
        &self.panels[panel * length..][..length]
    }
}

/// Computes some panels of some pixels.
struct Pixels<'a> {
    convolution: &'a Convolution,
    /// All photos.
    input: &'a [f32],
    /// The pixels, counted over the lines of all photos. No two tasks have the same pixels and
    /// panels.
    pixels: Range<usize>,
    panels: Range<usize>,
    /// All photos.
    output: SharedOutput<'a>,
    shortcut: Option<&'a [f32]>,
}

impl Task for Pixels<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { convolution, input, pixels, panels, output, shortcut } = self;
        let Convolution { window, input_layout, output_layout, clamp, .. } = convolution;
        let bias: &[f32] = &convolution.bias;
        let [_, max_panels] = product::block::<S>();
        let (stored, depth) = (output_layout.stored, window.kernel * input_layout.stored);
        let mut sums = [0.0; MAX_ROWS * MAX_PANELS * PANEL];
        let mut starts = [0; MAX_ROWS];
        let mut targets = [0; MAX_ROWS];
        // What the stores rely on.
        assert!(panels.end * PANEL <= stored && output.len() % output_layout.photo() == 0);
        assert!(
            pixels.end
                <= output.len() / output_layout.photo()
                    * output_layout.height
                    * output_layout.width
        );
        assert!(shortcut.is_none_or(|shortcut| shortcut.len() == output.len()));
        for panel in panels.clone().step_by(max_panels) {
            let count = max_panels.min(panels.end - panel);
            let mut weights: [&[f32]; MAX_PANELS] = [&[]; MAX_PANELS];
            for at in 0..count {
                weights[at] = convolution.panel(panel + at);
            }
            for block in product::overlapping_blocks::<S>(pixels.len()) {
                for (at, index) in block.clone().enumerate() {
                    let (line, x) = (
                        (pixels.start + index) / output_layout.width,
                        (pixels.start + index) % output_layout.width,
                    );
                    let (photo, y) = (line / output_layout.height, line % output_layout.height);
                    starts[at] = photo * input_layout.photo() + window.corner(input_layout, y, x);
                    targets[at] =
                        photo * output_layout.photo() + output_layout.at(y as isize, x as isize);
                }
                let rows = Rows {
                    input,
                    starts: &starts[..block.len()],
                    parts: window.kernel,
                    part_step: input_layout.row(),
                    depth,
                };
                multiply(simd, rows, &weights[..count], &mut sums);
                for at in 0..count {
                    for register in 0..PANEL / S::F32_LANES {
                        let channel = (panel + at) * PANEL + register * S::F32_LANES;
                        let bias = S::as_simd_f32s(&bias[channel..][..S::F32_LANES]).0[0];
                        for row in 0..block.len() {
                            let from = (at * block.len() + row) * PANEL + register * S::F32_LANES;
                            let sum = S::as_simd_f32s(&sums[from..][..S::F32_LANES]).0[0];
                            let mut value = simd.add_f32s(sum, bias);
                            let target = targets[row] + channel;
                            if let Some(shortcut) = shortcut {
                                let shortcut = &shortcut[target..][..S::F32_LANES];
                                value = simd.add_f32s(value, S::as_simd_f32s(shortcut).0[0]);
                            }
                            // SAFETY: the pixel is one of the output's and the channels are below
                            // `stored`, as compared above. No other task has this pixel and panel.
                            unsafe { output.store::<S>(target, clamp.apply(simd, value)) };
                        }
                    }
                }
            }
        }
    }
}
