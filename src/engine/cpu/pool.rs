//! Max pooling and global average pooling.

use std::ops::Range;

use pulp::Simd;

use super::epilogue::greater;
use super::layout::{Layout, Window};
use super::parallelism::Parallelism;
use crate::device::{Instructions, Task};

/// Max pooling over a square window. Pixels outside the input are ignored.
pub struct MaxPool {
    /// The pooling window.
    pub window: Window,
    /// Layout of the input.
    pub input_layout: Layout,
    /// Layout of the output.
    pub output_layout: Layout,
}

impl MaxPool {
    /// Pools each photo of `input` into `output`.
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
            instructions.run(Line { pool: self, input, line, output });
        });
    }
}

/// Computes one output line of one photo.
struct Line<'a> {
    pool: &'a MaxPool,
    /// The photo.
    input: &'a [f32],
    line: usize,
    /// The output line, including its border.
    output: &'a mut [f32],
}

impl Task for Line<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let MaxPool { window, input_layout, output_layout } = self.pool;
        let lines = inside(window, self.line, input_layout.height);
        let pixels = &mut self.output[output_layout.before * output_layout.stored..];
        let pixels = &mut pixels[..output_layout.width * output_layout.stored];
        let line = |line: usize| {
            let start = input_layout.at(line as isize, 0);
            &self.input[start..][..input_layout.width * input_layout.stored]
        };
        self::line(simd, window, input_layout.width, lines, line, pixels);
    }
}

/// The lines, or columns, of window `index` that lie inside an input of `side` pixels.
#[inline(always)]
pub fn inside(window: &Window, index: usize, side: usize) -> Range<usize> {
    let start = index * window.stride;
    start.saturating_sub(window.padding)..(start + window.kernel - window.padding).min(side)
}

/// Pools the input's lines `lines`, each of `width` pixels, into one line of output. `line` returns
/// an input line, `[pixel][stored channel]`.
#[inline(always)]
pub fn line<'a, S: Simd>(
    simd: S,
    window: &Window,
    width: usize,
    lines: Range<usize>,
    line: impl Fn(usize) -> &'a [f32],
    output: &mut [f32],
) {
    let (count, length) = (output.len() / S::F32_LANES, line(lines.start).len());
    let registers = length / width / S::F32_LANES;
    let lines = lines.clone().map(|at| S::as_simd_f32s(line(at)).0);
    let output = S::as_mut_simd_f32s(output).0;
    if window.kernel > 3 {
        for at in 0..count {
            let columns = inside(window, at / registers, width);
            let mut most = simd.splat_f32s(f32::NEG_INFINITY);
            for line in lines.clone() {
                for x in columns.clone() {
                    most = greater(simd, most, line[x * registers + at % registers]);
                }
            }
            output[at] = most;
        }
        return;
    }
    // Where a window has fewer than three lines or columns, the last counts several times.
    let last = lines.clone().next_back().unwrap_or(&[]);
    let mut lines = lines;
    let [one, two, three] = [(); 3].map(|_| &lines.next().unwrap_or(last)[..length / S::F32_LANES]);
    for (column, pixel) in output.chunks_exact_mut(registers).enumerate() {
        let columns = inside(window, column, width);
        let column = |at: usize| (columns.start + at).min(columns.end - 1) * registers;
        let [left, middle, right] = [column(0), column(1), column(2)];
        for (at, pixel) in pixel.iter_mut().enumerate() {
            let mut most = one[left + at];
            most = greater(simd, most, one[middle + at]);
            most = greater(simd, most, one[right + at]);
            most = greater(simd, most, two[left + at]);
            most = greater(simd, most, two[middle + at]);
            most = greater(simd, most, two[right + at]);
            most = greater(simd, most, three[left + at]);
            most = greater(simd, most, three[middle + at]);
            most = greater(simd, most, three[right + at]);
            *pixel = most;
        }
    }
}

/// Global average pooling: writes the mean of each channel over height and width of one photo to
/// `means`, `[channels]`.
pub fn means(layout: &Layout, photo: &[f32], means: &mut [f32]) {
    means.fill(0.0);
    for y in 0..layout.height {
        for x in 0..layout.width {
            let pixel = &photo[layout.at(y as isize, x as isize)..];
            means.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
        }
    }
    means.iter_mut().for_each(|sum| *sum /= (layout.height * layout.width) as f32);
}
