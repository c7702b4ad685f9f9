//! Inverted bottlenecks as one step: expansion, depthwise convolution, projection and shortcut.
//!
//! The wide activation between the narrow ones is six times as large as they are; written to
//! memory and read again it would not fit in a core's second cache. A task computes a few output
//! lines at a time: all channels of the wide activation for them ([`expanded`](super::expanded)),
//! and their projection.

use std::cell::RefCell;

use pulp::Simd;

use super::expanded::{Expanded, PAIR, Part};
use super::floats::Floats;
use super::layout::{CHANNEL_BLOCK, Layout};
use super::parallelism::Parallelism;
use super::pointwise::{Panels, Pixels, lines_per_piece};
use crate::device::{Instructions, Task};

/// A bottleneck with packed weights.
pub struct Bottleneck {
    pub expanded: Expanded,
    pub project: Panels,
    pub output_layout: Layout,
}

/// Floats of the wide activation that a task holds at a time, at most: 256 KB of the second cache,
/// which also holds the rings and the weights. More if a photo's whole activation is hardly larger.
const WIDE_FLOATS: usize = 64 * 1024;
const WHOLE_FLOATS: usize = 160 * 1024;

thread_local! {
    /// The rings and the wide activation of the task that runs on this thread.
    static SCRATCH: RefCell<Floats> = RefCell::default();
}

impl Bottleneck {
    /// Size of the packed weights of the 1x1 convolutions in bytes.
    pub fn bytes(&self) -> usize {
        self.project.bytes() + self.expanded.expand.as_ref().map_or(0, Panels::bytes)
    }

    /// Computes each photo of `input` into `output` and adds `shortcut`, which has the layout of
    /// `output`.
    pub fn run(
        &self,
        instructions: Instructions,
        parallelism: Parallelism,
        input: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
    ) {
        let (input_layout, output_layout) = (self.expanded.input_layout, self.output_layout);
        let lines = lines_per_piece(parallelism, &output_layout);
        parallelism.lines(&output_layout, lines, output, |photo, first, output| {
            let shortcut =
                shortcut.map(|values| output_layout.lines(values, photo, first, output.len()));
            let input = input_layout.one(input, photo);
            SCRATCH.with_borrow_mut(|scratch| {
                let task = Lines { bottleneck: self, input, first, output, shortcut, scratch };
                instructions.run(task);
            });
        });
    }

    /// Projects some output lines from their wide activation, `[block][pixel][16]`.
    #[inline(always)]
    pub fn project<S: Simd>(
        &self,
        simd: S,
        wide: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
    ) {
        let Layout { stored, width, before, after, .. } = self.output_layout;
        let row = self.output_layout.row();
        let lines = output.len() / row;
        let block = wide.len() / self.expanded.blocks();
        // Without a border, the pixels of all lines are one sequence.
        let [runs, count] = match before + after == 0 {
            true => [1, lines * width],
            false => [lines, width],
        };
        for run in 0..runs {
            let offset = run * row + before * stored;
            let pixels = Pixels {
                input: &wide[run * count * CHANNEL_BLOCK..],
                input_steps: [CHANNEL_BLOCK, block],
                shortcut: shortcut.map(|values| &values[offset..]),
                output_steps: [stored, CHANNEL_BLOCK],
                count,
            };
            let panels = 0..self.project.count();
            self.project.multiply(simd, panels, pixels, &mut output[offset..]);
        }
    }
}

/// Computes some output lines of one photo.
struct Lines<'a> {
    bottleneck: &'a Bottleneck,
    /// The photo.
    input: &'a [f32],
    /// Index of the first output line.
    first: usize,
    /// The output lines, including their borders.
    output: &'a mut [f32],
    shortcut: Option<&'a [f32]>,
    scratch: &'a mut Floats,
}

impl Task for Lines<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Bottleneck { expanded, output_layout, .. } = self.bottleneck;
        let row = output_layout.row();
        let lines = self.output.len() / row;
        let wide_line = expanded.blocks() * output_layout.width * CHANNEL_BLOCK;
        let group = match lines * wide_line <= WHOLE_FLOATS {
            true => lines,
            false => (WIDE_FLOATS / wide_line).clamp(1, lines),
        };
        // A ring for each pair keeps its lines until the next group needs them.
        let [ring_step, rings] = match group < lines {
            true => [expanded.ring(), expanded.blocks().div_ceil(PAIR)],
            false => [0, 1],
        };
        let (zeros, ring) = (expanded.ring_line(), rings * expanded.ring());
        let scratch = self.scratch.grown(zeros + ring + group * wide_line);
        let (zeros, scratch) = scratch.split_at_mut(zeros);
        let (ring, wide) = scratch.split_at_mut(ring);
        zeros.fill(0.0);
        expanded.clear_borders(ring);
        for start in (0..lines).step_by(group) {
            let end = (start + group).min(lines);
            let part = Part {
                lines: self.first + start..self.first + end,
                blocks: 0..expanded.blocks(),
                next: expanded.next(self.first + start, start == 0),
            };
            let wide = &mut wide[..(end - start) * wide_line];
            let block = wide.len() / expanded.blocks();
            let result = (&mut *wide, block);
            expanded.run(simd, self.input, part, (&mut *ring, ring_step), zeros, result);
            let output = &mut self.output[start * row..end * row];
            let shortcut = self.shortcut.map(|values| &values[start * row..end * row]);
            self.bottleneck.project(simd, wide, output, shortcut);
        }
    }
}
