//! Convolutions as products with the input as it lies: no window is ever copied out.
//!
//! With channels last, the `kernel` neighbouring pixels under one line of a window are one stretch of
//! `kernel * channels` floats, so a window is `kernel` parts of a row of [`product`](super::product). This
//! serves every convolution that sees all channels: the stem, the strided ones, and 1x1.

use std::array;

use pulp::Simd;

use super::finish::Range;
use super::instructions::{Instructions, Task};
use super::layout::{Layout, Window, grown};
use super::product::{self, PANEL, Rows, multiply};
use super::team::Team;

/// A convolution whose weights are packed.
pub struct Convolution {
    /// `[panel][kernel * kernel * stored channels][16]`.
    panels: Vec<f32>,
    /// For each stored channel.
    bias: Vec<f32>,
    window: Window,
    from: Layout,
    to: Layout,
    range: Range,
    /// Rows of the output that are computed panel by panel.
    lines: usize,
}

impl Convolution {
    /// Packs `weight`, `[to, from, kernel, kernel]`.
    pub fn new(
        weight: &[f32],
        bias: &[f32],
        window: Window,
        from: Layout,
        to: Layout,
        range: Range,
    ) -> Self {
        let taps = window.kernel * window.kernel;
        let depth = taps * from.stored;
        let mut panels = vec![0.0; to.stored * depth];
        Team::Together.pieces(&mut panels, depth * PANEL, |panel, values| {
            let outs = panel * PANEL..((panel + 1) * PANEL).min(to.channels);
            for channel in 0..from.channels {
                for (lane, out) in outs.clone().enumerate() {
                    let kernel = &weight[(out * from.channels + channel) * taps..][..taps];
                    for (tap, value) in kernel.iter().enumerate() {
                        values[(tap * from.stored + channel) * PANEL + lane] = *value;
                    }
                }
            }
        });
        // The lines of the input under them stay in the cache while the panels pass.
        let line = window.stride * from.row();
        let lines = (48 * 1024 / line.max(1)).clamp(1, to.height);
        let lines = to.height.div_ceil(to.height.div_ceil(lines));
        Self { panels, bias: to.padded(bias), window, from, to, range, lines }
    }

    /// Bytes of its weights.
    pub fn bytes(&self) -> usize {
        self.panels.len() * size_of::<f32>()
    }

    /// Convolves each photo of `input` into `output`, adding `shortcut`, which lies as `output` does.
    pub fn run(
        &self,
        instructions: Instructions,
        team: Team,
        input: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
    ) {
        let (from, to) = (self.from, self.to);
        team.lines(&to, self.lines, output, |photo, first, output| {
            let shortcut = shortcut.map(|values| to.lines(values, photo, first, output.len()));
            let input = from.one(input, photo);
            instructions.run(Lines { convolution: self, input, first, output, shortcut });
        });
    }

    /// The same, a panel at a time for all photos: the weights, which are more than a core's cache holds, are read once.
    /// `scratch` is memory.
    pub fn by_panel(
        &self,
        instructions: Instructions,
        input: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
        scratch: &mut Vec<f32>,
    ) {
        let to = self.to;
        let pixels = output.len() / to.photo() * to.height * to.width;
        let panel = pixels * PANEL;
        let sums = grown(scratch, to.stored / PANEL * panel);
        Team::Together.pieces(sums, panel, |panel, sums| {
            instructions.run(Panel { convolution: self, input, panel, sums });
        });
        let sums = &*sums;
        Team::Together.lines(&to, 1, output, |photo, line, output| {
            let shortcut = shortcut.map(|values| to.lines(values, photo, line, output.len()));
            let first = (photo * to.height + line) * to.width;
            instructions.run(Finish { convolution: self, sums, pixels, first, output, shortcut });
        });
    }

    /// The weights of a panel.
    #[inline(always)]
    fn panel(&self, panel: usize) -> &[f32] {
        let length = self.window.kernel * self.window.kernel * self.from.stored * PANEL;
        &self.panels[panel * length..][..length]
    }

    /// The windows that begin at `starts` of `input`, as rows of a product.
    #[inline(always)]
    fn rows<'a>(&self, input: &'a [f32], starts: [usize; product::MOST_ROWS]) -> Rows<'a> {
        let Window { kernel, .. } = self.window;
        let depth = kernel * self.from.stored;
        Rows { input, starts, parts: kernel, part_step: self.from.row(), depth }
    }

    /// Adds bias and shortcut to a panel's sums of neighbouring pixels, `[pixel][16]`, and writes what comes of it. `channel`
    /// is the panel's first, where `output` and `shortcut` begin.
    #[inline(always)]
    fn finish<S: Simd>(
        &self,
        simd: S,
        sums: &[f32],
        channel: usize,
        output: &mut [f32],
        shortcut: Option<&[f32]>,
    ) {
        let bias = S::as_simd_f32s(&self.bias[channel..][..PANEL]).0;
        for (pixel, sums) in sums.chunks_exact(PANEL).enumerate() {
            let place = pixel * self.to.stored;
            let sums = S::as_simd_f32s(sums).0;
            let output = S::as_mut_simd_f32s(&mut output[place..][..PANEL]).0;
            for at in 0..PANEL / S::F32_LANES {
                let mut value = simd.add_f32s(sums[at], bias[at]);
                if let Some(shortcut) = shortcut {
                    let shortcut = S::as_simd_f32s(&shortcut[place..][..PANEL]).0;
                    value = simd.add_f32s(value, shortcut[at]);
                }
                output[at] = self.range.keep(simd, value);
            }
        }
    }
}

/// One panel's sums for the pixels of all photos, `[pixel][16]`.
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
        let Convolution { window, from, to, .. } = self.convolution;
        let [most_rows, _] = product::block::<S>();
        let panel = self.convolution.panel(self.panel);
        let pixels = self.sums.len() / PANEL;
        let start = |pixel: usize| {
            let pixel = pixel.min(pixels - 1);
            let (line, column) = (pixel / to.width, pixel % to.width);
            line / to.height * from.photo() + window.corner(from, line % to.height, column)
        };
        for block in product::blocks(pixels, most_rows) {
            let starts = array::from_fn(|at| start(block.start + at));
            let rows = self.convolution.rows(self.input, starts);
            let sums = &mut self.sums[block.start * PANEL..];
            multiply(simd, block.len(), rows, &[panel], sums, block.len() * PANEL);
        }
    }
}

/// A line of one photo's output from all panels' sums.
struct Finish<'a> {
    convolution: &'a Convolution,
    /// `[panel][pixel][16]`.
    sums: &'a [f32],
    /// In a panel.
    pixels: usize,
    /// The line's first.
    first: usize,
    /// The line, with its border.
    output: &'a mut [f32],
    shortcut: Option<&'a [f32]>,
}

impl Task for Finish<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let to = &self.convolution.to;
        for panel in 0..to.stored / PANEL {
            let sums = &self.sums[(panel * self.pixels + self.first) * PANEL..];
            let place = to.before * to.stored + panel * PANEL;
            self.convolution.finish(
                simd,
                &sums[..to.width * PANEL],
                panel * PANEL,
                &mut self.output[place..],
                self.shortcut.map(|shortcut| &shortcut[place..]),
            );
        }
    }
}

/// Some lines of one photo's output.
struct Lines<'a> {
    convolution: &'a Convolution,
    /// The photo.
    input: &'a [f32],
    /// The first line.
    first: usize,
    /// The lines, with their borders.
    output: &'a mut [f32],
    shortcut: Option<&'a [f32]>,
}

impl Task for Lines<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Convolution { window, from, to, .. } = self.convolution;
        let [most_rows, most_panels] = product::block::<S>();
        let mut sums = [0.0; product::MOST_ROWS * 2 * PANEL];
        let panels: Vec<&[f32]> =
            (0..to.stored / PANEL).map(|panel| self.convolution.panel(panel)).collect();
        let lines = self.output.len() / to.row();
        for (group, panels) in panels.chunks(most_panels).enumerate() {
            let channel = group * most_panels * PANEL;
            for line in 0..lines {
                for columns in product::blocks(to.width, most_rows) {
                    let start = window.corner(from, self.first + line, columns.start);
                    let step = window.stride * from.stored;
                    let rows =
                        self.convolution.rows(self.input, array::from_fn(|at| start + at * step));
                    let place = line * to.row() + (to.before + columns.start) * to.stored + channel;
                    let step = columns.len() * PANEL;
                    multiply(simd, columns.len(), rows, panels, &mut sums, step);
                    for (at, sums) in sums.chunks_exact(step).take(panels.len()).enumerate() {
                        let place = place + at * PANEL;
                        let shortcut = self.shortcut.map(|values| &values[place..]);
                        let pixels = &mut self.output[place..];
                        let channel = channel + at * PANEL;
                        self.convolution.finish(simd, sums, channel, pixels, shortcut);
                    }
                }
            }
        }
    }
}
