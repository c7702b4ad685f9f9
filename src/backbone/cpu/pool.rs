//! Pools.

use pulp::Simd;

use super::instructions::{Instructions, Task};
use super::layout::{Layout, Window};
use super::team::Team;

/// The maximum under a square window. What lies outside counts for nothing.
pub struct MaxPool {
    /// The window.
    pub window: Window,
    /// What is read.
    pub from: Layout,
    /// What is written.
    pub to: Layout,
}

impl MaxPool {
    /// Pools each photo of `input` into `output`.
    pub fn run(&self, instructions: Instructions, team: Team, input: &[f32], output: &mut [f32]) {
        let from = self.from;
        team.lines(&self.to, 1, output, |photo, line, output| {
            let input = from.one(input, photo);
            instructions.run(Line { pool: self, input, line, output });
        });
    }
}

/// A line of one photo's output.
struct Line<'a> {
    pool: &'a MaxPool,
    /// The photo.
    input: &'a [f32],
    line: usize,
    /// The line, with its border.
    output: &'a mut [f32],
}

impl Task for Line<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let MaxPool { window: Window { kernel, stride, padding }, from, to } = self.pool;
        // The part of a window that lies inside.
        let inside = |place: usize, side: usize| {
            let start = place * stride;
            start.saturating_sub(*padding)..(start + kernel - padding).min(side)
        };
        let (rows, registers) = (inside(self.line, from.height), to.stored / S::F32_LANES);
        for column in 0..to.width {
            let columns = inside(column, from.width);
            let place = (to.before + column) * to.stored;
            let output = S::as_mut_simd_f32s(&mut self.output[place..][..to.stored]).0;
            for (at, output) in output.iter_mut().enumerate() {
                let mut most = simd.splat_f32s(f32::NEG_INFINITY);
                for y in rows.clone() {
                    let start = from.at(y as isize, columns.start as isize);
                    let line = &self.input[start..][..columns.len() * from.stored];
                    let pixels = S::as_simd_f32s(line).0.chunks_exact(registers);
                    for pixel in pixels {
                        let value = pixel[at];
                        // What is no number stays: no comparison with it holds.
                        let less = simd.less_than_f32s(value, most);
                        let number = simd.equal_f32s(most, most);
                        let greater = simd.select_f32s(less, most, value);
                        most = simd.select_f32s(number, greater, most);
                    }
                }
                *output = most;
            }
        }
    }
}

/// The mean of each channel over height and width of each photo of `input`, `[photos, channels]`.
pub fn means(layout: &Layout, input: &[f32]) -> Vec<f32> {
    let mut means = Vec::with_capacity(input.len() / layout.photo() * layout.channels);
    let mut sums = vec![0.0f32; layout.channels];
    for photo in input.chunks_exact(layout.photo()) {
        sums.fill(0.0);
        for y in 0..layout.height {
            for x in 0..layout.width {
                let pixel = &photo[layout.at(y as isize, x as isize)..][..layout.channels];
                sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
            }
        }
        means.extend(sums.iter().map(|sum| sum / (layout.height * layout.width) as f32));
    }
    means
}
