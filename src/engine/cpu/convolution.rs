//! Convolutions as matrix products that read the input in place, without im2col copies.
//!
//! With channels last, the `kernel` neighbouring pixels under one line of a window are a contiguous
//! stretch of `kernel * channels` floats, so a window is `kernel` parts of a row of
//! [`product`](super::product). This serves every convolution over all channels: the stem, strided
//! convolutions and 1x1 convolutions.

use std::array;

use pulp::Simd;

use super::epilogue::Clamp;
use super::floats::Floats;
use super::layout::{Layout, Window};
use super::packed::{Packed, Packer};
use super::parallelism::Parallelism;
use super::product::{self, PANEL, Rows, multiply};
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
    /// Output lines per task. The task uses each panel for all of them before the next panel.
    lines: usize,
}

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
        // The input lines of a task stay in the cache while it goes through the panels.
        let line = window.stride * input_layout.row();
        let lines = (48 * 1024 / line.max(1)).clamp(1, output_layout.height);
        let lines = output_layout.height.div_ceil(output_layout.height.div_ceil(lines));
        Self {
            panels,
            bias: output_layout.pack(packer, bias),
            window,
            input_layout,
            output_layout,
            clamp,
            lines,
        }
    }

    /// Size of the packed weights in bytes.
    pub fn bytes(&self) -> usize {
        self.panels.len() * size_of::<f32>()
    }

    /// Convolves each photo of `input` into `output` and adds `shortcut`, which has the layout of
    /// `output`.
    pub fn run(
        &self,
        instructions: Instructions,
        parallelism: Parallelism,
        input: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
    ) {
        let (input_layout, output_layout) = (self.input_layout, self.output_layout);
        parallelism.lines(&output_layout, self.lines, output, |photo, first, output| {
            let shortcut =
                shortcut.map(|values| output_layout.lines(values, photo, first, output.len()));
            let input = input_layout.one(input, photo);
            instructions.run(Lines { convolution: self, input, first, output, shortcut });
        });
    }

    /// Like [`run`](Self::run), but one panel at a time for all photos, so that weights larger than
    /// a core's cache are read only once. `scratch` is a reusable buffer for the sums.
    pub fn by_panel(
        &self,
        instructions: Instructions,
        input: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
        scratch: &mut Floats,
    ) {
        let output_layout = self.output_layout;
        let pixels =
            output.len() / output_layout.photo() * output_layout.height * output_layout.width;
        let panel = pixels * PANEL;
        let sums = scratch.grown(output_layout.stored / PANEL * panel);
        Parallelism::Parallel.pieces(sums, panel, |panel, sums| {
            instructions.run(Panel { convolution: self, input, panel, sums });
        });
        let sums = &*sums;
        Parallelism::Parallel.lines(&output_layout, 1, output, |photo, line, output| {
            let shortcut =
                shortcut.map(|values| output_layout.lines(values, photo, line, output.len()));
            let first = (photo * output_layout.height + line) * output_layout.width;
            instructions.run(Epilogue { convolution: self, sums, pixels, first, output, shortcut });
        });
    }

    /// The packed weights of one panel.
    #[inline(always)]
    fn panel(&self, panel: usize) -> &[f32] {
        let length = self.window.kernel * self.window.kernel * self.input_layout.stored * PANEL;
        &self.panels[panel * length..][..length]
    }

    /// The windows at offsets `starts` of `input`, as rows of a product.
    #[inline(always)]
    fn rows<'a>(&self, input: &'a [f32], starts: [usize; product::MAX_ROWS]) -> Rows<'a> {
        let Window { kernel, .. } = self.window;
        let depth = kernel * self.input_layout.stored;
        Rows { input, starts, parts: kernel, part_step: self.input_layout.row(), depth }
    }

    /// Adds bias and shortcut to one panel's sums of neighbouring pixels, `[pixel][16]`, applies
    /// the activation and writes the result. `output` and `shortcut` start at the panel's first
    /// channel, `channel`.
    #[inline(always)]
    fn epilogue<S: Simd>(
        &self,
        simd: S,
        sums: &[f32],
        channel: usize,
        output: &mut [f32],
        shortcut: Option<&[f32]>,
    ) {
        let bias = S::as_simd_f32s(&self.bias[channel..][..PANEL]).0;
        for (pixel, sums) in sums.chunks_exact(PANEL).enumerate() {
            let offset = pixel * self.output_layout.stored;
            let sums = S::as_simd_f32s(sums).0;
            let output = S::as_mut_simd_f32s(&mut output[offset..][..PANEL]).0;
            for at in 0..PANEL / S::F32_LANES {
                let mut value = simd.add_f32s(sums[at], bias[at]);
                if let Some(shortcut) = shortcut {
                    let shortcut = S::as_simd_f32s(&shortcut[offset..][..PANEL]).0;
                    value = simd.add_f32s(value, shortcut[at]);
                }
                output[at] = self.clamp.apply(simd, value);
            }
        }
    }
}

/// Computes one panel's sums for the pixels of all photos, `[pixel][16]`.
struct Panel<'a> {
    convolution: &'a Convolution,
    /// All photos.
    input: &'a [f32],
    panel: usize,
    sums: &'a mut [f32],
}

impl Task for Panel<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Convolution { window, input_layout, output_layout, .. } = self.convolution;
        let [max_rows, _] = product::block::<S>();
        let panel = self.convolution.panel(self.panel);
        let pixels = self.sums.len() / PANEL;
        let start = |pixel: usize| {
            let pixel = pixel.min(pixels - 1);
            let (line, column) = (pixel / output_layout.width, pixel % output_layout.width);
            line / output_layout.height * input_layout.photo()
                + window.corner(input_layout, line % output_layout.height, column)
        };
        for block in product::blocks(pixels, max_rows) {
            let starts = array::from_fn(|at| start(block.start + at));
            let rows = self.convolution.rows(self.input, starts);
            let sums = &mut self.sums[block.start * PANEL..];
            multiply(simd, block.len(), rows, &[panel], sums, block.len() * PANEL);
        }
    }
}

/// Applies the epilogue to one output line of one photo, from the sums of all panels.
struct Epilogue<'a> {
    convolution: &'a Convolution,
    /// `[panel][pixel][16]`.
    sums: &'a [f32],
    /// Pixels per panel.
    pixels: usize,
    /// Index of the line's first pixel.
    first: usize,
    /// The output line, including its border.
    output: &'a mut [f32],
    shortcut: Option<&'a [f32]>,
}

impl Task for Epilogue<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let output_layout = &self.convolution.output_layout;
        for panel in 0..output_layout.stored / PANEL {
            let sums = &self.sums[(panel * self.pixels + self.first) * PANEL..];
            let offset = output_layout.before * output_layout.stored + panel * PANEL;
            self.convolution.epilogue(
                simd,
                &sums[..output_layout.width * PANEL],
                panel * PANEL,
                &mut self.output[offset..],
                self.shortcut.map(|shortcut| &shortcut[offset..]),
            );
        }
    }
}

/// Computes some output lines of one photo.
struct Lines<'a> {
    convolution: &'a Convolution,
    /// The photo.
    input: &'a [f32],
    /// Index of the first output line.
    first: usize,
    /// The output lines, including their borders.
    output: &'a mut [f32],
    shortcut: Option<&'a [f32]>,
}

impl Task for Lines<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Convolution { window, input_layout, output_layout, .. } = self.convolution;
        let [max_rows, max_panels] = product::block::<S>();
        let mut sums = [0.0; product::MAX_ROWS * 2 * PANEL];
        let panels: Vec<&[f32]> =
            (0..output_layout.stored / PANEL).map(|panel| self.convolution.panel(panel)).collect();
        let lines = self.output.len() / output_layout.row();
        for (group, panels) in panels.chunks(max_panels).enumerate() {
            let channel = group * max_panels * PANEL;
            for line in 0..lines {
                for columns in product::blocks(output_layout.width, max_rows) {
                    let start = window.corner(input_layout, self.first + line, columns.start);
                    let step = window.stride * input_layout.stored;
                    let rows =
                        self.convolution.rows(self.input, array::from_fn(|at| start + at * step));
                    let offset = line * output_layout.row()
                        + (output_layout.before + columns.start) * output_layout.stored
                        + channel;
                    let step = columns.len() * PANEL;
                    multiply(simd, columns.len(), rows, panels, &mut sums, step);
                    for (at, sums) in sums.chunks_exact(step).take(panels.len()).enumerate() {
                        let offset = offset + at * PANEL;
                        let shortcut = self.shortcut.map(|values| &values[offset..]);
                        let pixels = &mut self.output[offset..];
                        let channel = channel + at * PANEL;
                        self.convolution.epilogue(simd, sums, channel, pixels, shortcut);
                    }
                }
            }
        }
    }
}
