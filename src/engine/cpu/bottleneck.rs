//! Inverted bottlenecks as one step: expansion, depthwise convolution, projection and shortcut.
//!
//! The wide activation between the narrow ones is six times as large as they are; written to
//! memory and read again it would not fit in a core's second cache. A task computes a few output
//! lines at a time: all channels of the wide activation for them ([`expanded`](super::expanded)),
//! and their projection.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// Floats of a photo's wide activation up to which all threads compute some channels of it, and
/// then some of the projection: nothing is computed twice. Larger ones are divided by lines, where
/// the lines at the edge of two pieces are expanded for both.
const SHARED_FLOATS: usize = 200 * 1024;
/// With fewer lines in a piece, too many would be expanded for two.
const FEWEST_LINES: usize = 8;

/// Floats of the wide activation that a task holds at a time, at most: 256 KB of the second cache,
/// which also holds the rings and the weights. More if a photo's whole activation is hardly larger.
const WIDE_FLOATS: usize = 64 * 1024;
const WHOLE_FLOATS: usize = 160 * 1024;

/// Wide activations that no call uses.
static SHARED: Mutex<Vec<Floats>> = Mutex::new(Vec::new());

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
        let lines = match parallelism {
            Parallelism::Serial => output_layout.height,
            // Few pieces, because of the lines that two of them need.
            Parallelism::Parallel => {
                output_layout.height.div_ceil(2 * rayon::current_num_threads())
            }
        };
        let is_small = self.wide_photo() <= SHARED_FLOATS || lines < FEWEST_LINES;
        if parallelism == Parallelism::Parallel && is_small {
            return self.in_two_phases(instructions, input, output, shortcut);
        }
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

    /// Floats of the wide activation of a photo.
    fn wide_photo(&self) -> usize {
        let Layout { stored, height, width, .. } = self.expanded.output_layout;
        stored * height * width
    }

    /// Computes the wide activation of all photos, divided among the threads by channels, and then
    /// the projection.
    fn in_two_phases(
        &self,
        instructions: Instructions,
        input: &[f32],
        output: &mut [f32],
        shortcut: Option<&[f32]>,
    ) {
        let Self { expanded, project, output_layout } = self;
        let pixels = expanded.output_layout.height * expanded.output_layout.width;
        let block = pixels * CHANNEL_BLOCK;
        let mut buffer = shared().pop().unwrap_or_default();
        let wide = buffer.grown(output.len() / output_layout.photo() * self.wide_photo());
        let mut channels = Vec::new();
        for (photo, wide) in wide.chunks_mut(self.wide_photo()).enumerate() {
            for (pair, output) in wide.chunks_mut(PAIR * block).enumerate() {
                let blocks = pair * PAIR..pair * PAIR + output.len() / block;
                let input = expanded.input_layout.one(input, photo);
                channels.push((input, blocks, output));
            }
        }
        Parallelism::Parallel.each(channels, |(input, blocks, output)| {
            SCRATCH.with_borrow_mut(|scratch| {
                instructions.run(Channels { expanded, input, blocks, output, scratch });
            });
        });
        let wide = &*wide;
        if project.are_large(output_layout) {
            let steps = [output_layout.width * CHANNEL_BLOCK, CHANNEL_BLOCK, block];
            let source = |photo: usize| (&wide[photo * self.wide_photo()..], steps);
            project.by_panel(instructions, output_layout, source, output, shortcut);
        } else {
            let lines = lines_per_piece(Parallelism::Parallel, output_layout);
            Parallelism::Parallel.lines(output_layout, lines, output, |photo, first, output| {
                let shortcut =
                    shortcut.map(|values| output_layout.lines(values, photo, first, output.len()));
                let wide = &wide[photo * self.wide_photo()..][..self.wide_photo()];
                let wide = &wide[first * output_layout.width * CHANNEL_BLOCK..];
                instructions.run(Projection { bottleneck: self, wide, block, output, shortcut });
            });
        }
        shared().push(buffer);
    }

    /// Projects some output lines from their wide activation, `[block][pixel][16]` with `block`
    /// floats from one block to the next.
    #[inline(always)]
    fn project<S: Simd>(
        &self,
        simd: S,
        (wide, block): (&[f32], usize),
        output: &mut [f32],
        shortcut: Option<&[f32]>,
    ) {
        let Layout { stored, width, before, after, .. } = self.output_layout;
        let row = self.output_layout.row();
        let lines = output.len() / row;
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
            self.bottleneck.project(simd, (wide, block), output, shortcut);
        }
    }
}

/// Computes some channels of the wide activation of a photo.
struct Channels<'a> {
    expanded: &'a Expanded,
    /// The photo.
    input: &'a [f32],
    blocks: Range<usize>,
    /// `[block][pixel][16]`.
    output: &'a mut [f32],
    scratch: &'a mut Floats,
}

impl Task for Channels<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { expanded, input, blocks, output, scratch } = self;
        let block = output.len() / blocks.len();
        let line = expanded.ring_line();
        let (zeros, ring) = scratch.grown(line + expanded.ring()).split_at_mut(line);
        zeros.fill(0.0);
        expanded.clear_borders(ring);
        let lines = 0..expanded.output_layout.height;
        let part = Part { lines, blocks, next: expanded.next(0, true) };
        expanded.run(simd, input, part, (ring, 0), zeros, (output, block));
    }
}

/// Projects some output lines of a photo.
struct Projection<'a> {
    bottleneck: &'a Bottleneck,
    /// The wide activation from the first pixel on, `[block][pixel][16]`.
    wide: &'a [f32],
    /// Floats from a block of the wide activation to the next.
    block: usize,
    /// The output lines, including their borders.
    output: &'a mut [f32],
    shortcut: Option<&'a [f32]>,
}

impl Task for Projection<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { bottleneck, wide, block, output, shortcut } = self;
        bottleneck.project(simd, (wide, block), output, shortcut);
    }
}

/// The buffers that no call uses.
fn shared() -> MutexGuard<'static, Vec<Floats>> {
    // A panic leaves nothing behind that is used later.
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}
