//! Convolutions as products with the input as it lies: no window is ever copied out.
//!
//! With channels last, the `kernel` neighbouring pixels under one line of a window are one stretch of
//! `kernel * channels` floats, so a window is `kernel` parts of a row of [`product`](super::product). This
//! serves every convolution that sees all channels: the stem, the strided ones, and 1x1.

use std::array;

use pulp::Simd;

use super::finish::Range;
use super::instructions::{Instructions, Task};
use super::layout::Layout;
use super::product::{self, PANEL, Rows, multiply};
use super::team::Team;

/// A convolution whose weights are packed.
pub struct Convolution {
    /// `[panel][kernel * kernel * stored channels][16]`.
    panels: Vec<f32>,
    /// For each stored channel.
    bias: Vec<f32>,
    kernel: usize,
    stride: usize,
    /// Zeros that the window reaches above and to the left.
    padding: usize,
    from: Layout,
    to: Layout,
    range: Range,
    /// Rows of the output that are computed panel by panel.
    lines: usize,
}

impl Convolution {
    /// Packs `weight`, `[to, from, kernel, kernel]`.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        weight: &[f32],
        bias: &[f32],
        (kernel, stride, padding): (usize, usize, usize),
        from: Layout,
        to: Layout,
        range: Range,
    ) -> Self {
        let depth = kernel * kernel * from.stored;
        let mut panels = vec![0.0; to.stored * depth];
        let taps = kernel * kernel;
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
        let mut padded = bias.to_vec();
        padded.resize(to.stored, 0.0);
        // The lines of the input under them stay in the cache while the panels pass.
        let line = stride * from.row();
        let lines = (48 * 1024 / line.max(1)).clamp(1, to.height);
        let lines = to.height.div_ceil(to.height.div_ceil(lines));
        Self { panels, bias: padded, kernel, stride, padding, from, to, range, lines }
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
            let shortcut = shortcut.map(|shortcut| {
                &shortcut[photo * to.photo() + to.rows().start + first * to.row()..][..output.len()]
            });
            let input = &input[photo * from.photo()..][..from.photo()];
            instructions.run(Lines { convolution: self, input, first, output, shortcut });
        });
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
        let Convolution { panels, bias, kernel, stride, padding, from, to, range, .. } =
            self.convolution;
        let [most_rows, most_panels] = product::block::<S>();
        let depth = kernel * kernel * from.stored;
        let registers = PANEL / S::F32_LANES;
        let mut sums = [0.0; product::MOST_ROWS * 2 * PANEL];
        let panels: Vec<&[f32]> = panels.chunks_exact(depth * PANEL).collect();
        let lines = self.output.len() / to.row();
        for (group, panels) in panels.chunks(most_panels).enumerate() {
            let channel = group * most_panels * PANEL;
            for line in 0..lines {
                let top = ((self.first + line) * stride) as isize - *padding as isize;
                for columns in product::blocks(to.width, most_rows) {
                    let left = (columns.start * stride) as isize - *padding as isize;
                    let start = from.at(top, left);
                    let rows = Rows {
                        input: self.input,
                        starts: array::from_fn(|at| start + at * stride * from.stored),
                        parts: *kernel,
                        part_step: from.row(),
                        depth: kernel * from.stored,
                    };
                    let place = line * to.row() + (to.before + columns.start) * to.stored + channel;
                    let step = columns.len() * PANEL;
                    multiply(simd, columns.len(), rows, panels, &mut sums, step);
                    for (panel, sums) in sums.chunks_exact(step).take(panels.len()).enumerate() {
                        let channel = channel + panel * PANEL;
                        let bias = S::as_simd_f32s(&bias[channel..][..PANEL]).0;
                        for (pixel, sums) in sums.chunks_exact(PANEL).enumerate() {
                            let place = place + pixel * to.stored + panel * PANEL;
                            let sums = S::as_simd_f32s(sums).0;
                            let output = S::as_mut_simd_f32s(&mut self.output[place..][..PANEL]).0;
                            let shortcut = self.shortcut.map(|values| &values[place..][..PANEL]);
                            for at in 0..registers {
                                let mut value = simd.add_f32s(sums[at], bias[at]);
                                if let Some(shortcut) = shortcut {
                                    let shortcut = S::as_simd_f32s(shortcut).0;
                                    value = simd.add_f32s(value, shortcut[at]);
                                }
                                output[at] = range.keep(simd, value);
                            }
                        }
                    }
                }
            }
        }
    }
}
