//! Max pooling and global average pooling.

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
        let MaxPool { window: Window { kernel, stride, padding }, input_layout, output_layout } =
            self.pool;
        // The part of a window that lies inside the input.
        let inside = |index: usize, side: usize| {
            let start = index * stride;
            start.saturating_sub(*padding)..(start + kernel - padding).min(side)
        };
        let (rows, registers) =
            (inside(self.line, input_layout.height), output_layout.stored / S::F32_LANES);
        for column in 0..output_layout.width {
            let columns = inside(column, input_layout.width);
            let offset = (output_layout.before + column) * output_layout.stored;
            let output = S::as_mut_simd_f32s(&mut self.output[offset..][..output_layout.stored]).0;
            for (at, output) in output.iter_mut().enumerate() {
                let mut max = simd.splat_f32s(f32::NEG_INFINITY);
                for y in rows.clone() {
                    let start = input_layout.at(y as isize, columns.start as isize);
                    let line = &self.input[start..][..columns.len() * input_layout.stored];
                    let pixels = S::as_simd_f32s(line).0.chunks_exact(registers);
                    for pixel in pixels {
                        let value = pixel[at];
                        // NaN propagates: every comparison with it is false.
                        let not_nan = simd.equal_f32s(max, max);
                        max = simd.select_f32s(not_nan, greater(simd, max, value), max);
                    }
                }
                *output = max;
            }
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
