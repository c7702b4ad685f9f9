//! Depthwise convolutions: each channel by itself.
//!
//! Channels lie side by side, so a register holds the same place of several channels and nothing is summed across it.
//! Some neighbouring pixels are computed at once, so that a weight is read once for all of them. Arithmetic is not
//! what bounds it: 9 multiply-adds a value for 3x3, 25 for 5x5, where a 1x1 convolution has hundreds.

use pulp::Simd;

use super::finish::Range;
use super::instructions::{Instructions, Task};
use super::layout::{Layout, Window};
use super::team::Team;

/// Neighbouring pixels that are computed at once.
const PIXELS: usize = 4;

/// A depthwise convolution whose weights are packed.
pub struct Depthwise {
    /// `[kernel * kernel][stored channels]`.
    weight: Vec<f32>,
    /// For each stored channel.
    bias: Vec<f32>,
    window: Window,
    from: Layout,
    to: Layout,
    range: Range,
}

impl Depthwise {
    /// Packs `weight`, `[channels, 1, kernel, kernel]`.
    pub fn new(
        weight: &[f32],
        bias: &[f32],
        window: Window,
        from: Layout,
        to: Layout,
        range: Range,
    ) -> Self {
        let taps = window.kernel * window.kernel;
        let mut packed = vec![0.0; taps * from.stored];
        for (channel, kernel) in weight.chunks_exact(taps).enumerate() {
            for (tap, value) in kernel.iter().enumerate() {
                packed[tap * from.stored + channel] = *value;
            }
        }
        Self { weight: packed, bias: to.padded(bias), window, from, to, range }
    }

    /// Convolves each photo of `input` into `output`.
    pub fn run(&self, instructions: Instructions, team: Team, input: &[f32], output: &mut [f32]) {
        let from = self.from;
        team.lines(&self.to, 1, output, |photo, line, output| {
            let input = from.one(input, photo);
            instructions.run(Line { depthwise: self, input, line, output });
        });
    }
}

/// A line of one photo's output.
struct Line<'a> {
    depthwise: &'a Depthwise,
    /// The photo.
    input: &'a [f32],
    line: usize,
    /// The line, with its border.
    output: &'a mut [f32],
}

impl Task for Line<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.depthwise.to.width;
        let whole = width / PIXELS * PIXELS;
        for column in (0..whole).step_by(PIXELS) {
            self.depthwise.pixels::<S, PIXELS>(simd, self.input, self.line, column, self.output);
        }
        for column in whole..width {
            self.depthwise.pixels::<S, 1>(simd, self.input, self.line, column, self.output);
        }
    }
}

impl Depthwise {
    /// `COUNT` neighbouring pixels of a line.
    #[inline(always)]
    fn pixels<S: Simd, const COUNT: usize>(
        &self,
        simd: S,
        input: &[f32],
        line: usize,
        column: usize,
        output: &mut [f32],
    ) {
        let Self { weight, bias, window, from, to, range } = self;
        let Window { kernel, stride, .. } = *window;
        let corner = window.corner(from, line, column);
        let place = (to.before + column) * to.stored;
        let bias = S::as_simd_f32s(bias).0;
        let registers = bias.len();
        for at in 0..registers {
            let mut sums = [bias[at]; COUNT];
            for y in 0..kernel {
                for x in 0..kernel {
                    let tap = (y * kernel + x) * to.stored;
                    let weight = S::as_simd_f32s(&weight[tap..][..to.stored]).0[at];
                    for pixel in 0..COUNT {
                        let start = corner + y * from.row() + (pixel * stride + x) * from.stored;
                        let value = S::as_simd_f32s(&input[start..][..from.stored]).0[at];
                        sums[pixel] = simd.mul_add_e_f32s(value, weight, sums[pixel]);
                    }
                }
            }
            for pixel in 0..COUNT {
                let output = &mut output[place + pixel * to.stored..][..to.stored];
                S::as_mut_simd_f32s(output).0[at] = range.keep(simd, sums[pixel]);
            }
        }
    }
}
