//! 1x1 convolutions of every pixel: the product of the pixels and the weights.

use std::ops::Range;
use std::ptr;

use pulp::Simd;

use super::epilogue::Clamp;
use super::layout::{CHANNEL_BLOCK, Layout};
use super::packed::{Packed, Packer};
use super::parallelism::Parallelism;
use super::product::{self, PANEL};
use super::tile::{self, DEPTH_STEP, Operands, Steps};
use crate::device::{Instructions, Task};

/// The weights of a 1x1 convolution.
pub struct Panels {
    /// `[panel][depth][16]`.
    weight: Packed,
    /// One value per stored channel.
    bias: Packed,
    /// Input channels, rounded up to a multiple of [`DEPTH_STEP`].
    pub depth: usize,
    clamp: Clamp,
}

/// Weights up to this size are read for each tile of pixels, so that the tile's input stays in the
/// first cache; larger ones are read once for all pixels.
const WEIGHTS_PER_TILE: usize = 512 * 1024;

/// Where a product's operands lie.
#[derive(Clone, Copy)]
pub struct Pixels<'a> {
    /// The first pixel's block of channels, and all that follows.
    pub input: &'a [f32],
    /// From a pixel of the input to the next, and from a block of channels to the next.
    pub input_steps: [usize; 2],
    /// The first pixel of the shortcut, of the same form as the output.
    pub shortcut: Option<&'a [f32]>,
    /// From a pixel of the output to the next, and from a block of channels to the next.
    pub output_steps: [usize; 2],
    /// The number of pixels.
    pub count: usize,
}

impl Panels {
    /// Packs `weight`, `[out_channels, in_channels]`, and `bias`, `[out_channels]`.
    pub fn new(
        packer: &mut Packer,
        weight: &[f32],
        bias: &[f32],
        [input_layout, output_layout]: [&Layout; 2],
        clamp: Clamp,
    ) -> Self {
        let depth = input_layout.channels.next_multiple_of(DEPTH_STEP);
        let packed = packer.pack(output_layout.stored * depth, |packed| {
            for (out, channels) in weight.chunks_exact(input_layout.channels).enumerate() {
                let panel = &mut packed[out / PANEL * depth * PANEL..];
                for (channel, value) in channels.iter().enumerate() {
                    panel[channel * PANEL + out % PANEL] = *value;
                }
            }
        });
        Self { weight: packed, bias: output_layout.pack(packer, bias), depth, clamp }
    }

    /// Size of the packed weights in bytes.
    pub fn bytes(&self) -> usize {
        self.weight.len() * size_of::<f32>()
    }

    /// The number of panels.
    pub fn count(&self) -> usize {
        self.bias.len() / PANEL
    }

    /// The packed weights of some panels, of those that exist.
    #[inline(always)]
    pub fn weights(&self, panels: Range<usize>) -> &[f32] {
        let offset = |panel: usize| panel.min(self.count()) * self.depth * PANEL;
        &self.weight[offset(panels.start)..offset(panels.end.max(panels.start))]
    }

    /// Multiplies some pixels by the panels `panels`. `output` starts at the first pixel's channels
    /// of the first of them; `pixels.shortcut` too.
    #[inline(always)]
    pub fn multiply<S: Simd>(
        &self,
        simd: S,
        panels: Range<usize>,
        pixels: Pixels,
        output: &mut [f32],
    ) {
        // SAFETY: nothing else uses the slice.
        unsafe { self.multiply_into(simd, panels, pixels, output.as_mut_ptr(), output.len()) }
    }

    /// Like [`multiply`](Self::multiply), for an output of which other threads write other pixels
    /// or channels: `length` floats from `output` on.
    ///
    /// # Safety
    /// The output is valid, and no other thread uses the channels of `panels` of these pixels.
    #[inline(always)]
    unsafe fn multiply_into<S: Simd>(
        &self,
        simd: S,
        panels: Range<usize>,
        pixels: Pixels,
        output: *mut f32,
        length: usize,
    ) {
        let Pixels { input, input_steps, shortcut, output_steps, count } = pixels;
        assert!(panels.end <= self.count());
        if count == 0 || panels.is_empty() {
            return;
        }
        // The last float of each operand.
        let [pixel, block] = input_steps;
        let blocks = (self.depth - 1) / CHANNEL_BLOCK;
        let last = (count - 1) * pixel + blocks * block + (self.depth - 1) % CHANNEL_BLOCK;
        let [out_pixel, out_block] = output_steps;
        let out_last = (count - 1) * out_pixel + (panels.len() - 1) * out_block + CHANNEL_BLOCK - 1;
        assert!(last < input.len() && out_last < length);
        assert!(shortcut.is_none_or(|values| out_last < values.len()));
        let panel = self.depth * PANEL;
        let steps = Steps { depth: self.depth, pixel, block, panel, out_pixel, out_block };
        let [max_pixels, max_panels] = tile::max_tile::<S>();
        // Not a closure: those are not always inlined.
        macro_rules! tile {
            ($group:expr, $tile:expr) => {
                let (group, tile) = ($group, $tile);
                let offset = tile.start * out_pixel + (group.start - panels.start) * out_block;
                // SAFETY: the offsets are at most those checked above, and the panels exist.
                unsafe {
                    let operands = Operands {
                        input: input.as_ptr().add(tile.start * pixel),
                        weight: self.weight.as_ptr().add(group.start * panel),
                        bias: self.bias.as_ptr().add(group.start * PANEL),
                        shortcut: match shortcut {
                            Some(values) => values.as_ptr().add(offset),
                            None => ptr::null(),
                        },
                        output: output.add(offset),
                    };
                    let size = [tile.len(), group.len()];
                    tile::multiply(simd, size, &steps, operands, self.clamp);
                }
            };
        }
        let group = |start: usize| start.min(panels.end)..(start + max_panels).min(panels.end);
        let is_small = panels.len() * panel * size_of::<f32>() <= WEIGHTS_PER_TILE;
        if panels.len() > max_panels && is_small {
            for pixels in product::blocks(count, max_pixels) {
                for start in panels.clone().step_by(max_panels) {
                    tile!(group(start), pixels.clone());
                }
            }
        } else {
            let tiles = count.div_ceil(max_pixels);
            for start in panels.clone().step_by(max_panels) {
                let next = self.weights(group(start + max_panels));
                for (at, pixels) in product::blocks(count, max_pixels).enumerate() {
                    product::prefetch(product::share(next, at, tiles));
                    tile!(group(start), pixels);
                }
            }
        }
    }

    /// Whether to divide the work of one photo by panels, so that each thread reads all pixels and
    /// some weights, instead of by pixels: where the weights are larger than the activations.
    pub fn are_large(&self, output_layout: &Layout) -> bool {
        self.count() * PANEL > output_layout.height * output_layout.width
    }

    /// Multiplies all pixels of all photos, divided among the threads by panels. `source` gives the
    /// first pixel of a photo's input and the steps from a line, a pixel and a block of channels to
    /// the next.
    pub fn by_panel<'a>(
        &self,
        instructions: Instructions,
        layout: &Layout,
        source: impl Fn(usize) -> (&'a [f32], [usize; 3]),
        output: &mut [f32],
        shortcut: Option<&[f32]>,
    ) {
        let mut parts = Vec::new();
        for (photo, output) in output.chunks_mut(layout.photo()).enumerate() {
            let (input, input_steps) = source(photo);
            let shortcut = shortcut.map(|values| layout.one(values, photo));
            let output = (output.as_mut_ptr(), output.len());
            parts.extend((0..self.count()).step_by(2).map(|start| {
                let panels = start..(start + 2).min(self.count());
                PanelPart { of: self, panels, input, input_steps, layout, shortcut, output }
            }));
        }
        Parallelism::Parallel.each(parts, |part| instructions.run(part));
    }
}

/// Some channels of all pixels of a photo.
struct PanelPart<'a> {
    of: &'a Panels,
    panels: Range<usize>,
    /// The first pixel.
    input: &'a [f32],
    /// From a line, a pixel and a block of channels to the next.
    input_steps: [usize; 3],
    /// The layout of output and shortcut.
    layout: &'a Layout,
    /// The photo's shortcut.
    shortcut: Option<&'a [f32]>,
    /// The photo's output and its length.
    output: (*mut f32, usize),
}

// SAFETY: each part writes channels that no other part of its photo uses, see `by_panel`.
unsafe impl Send for PanelPart<'_> {}

impl Task for PanelPart<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { of, panels, input, input_steps: [row, pixel, block], layout, .. } = self;
        let is_one_run =
            layout.row() == layout.width * layout.stored && row == layout.width * pixel;
        let [runs, count] = match is_one_run {
            true => [1, layout.height * layout.width],
            false => [layout.height, layout.width],
        };
        for run in 0..runs {
            let offset = layout.at(run as isize, 0) + panels.start * PANEL;
            let pixels = Pixels {
                input: &input[run * row..],
                input_steps: [pixel, block],
                shortcut: self.shortcut.map(|values| &values[offset..]),
                output_steps: [layout.stored, CHANNEL_BLOCK],
                count,
            };
            let (output, length) = self.output;
            // SAFETY: the offset lies inside the photo, whose length this is; the photo outlives
            // the part, and its other parts write other channels.
            unsafe {
                let (output, length) = (output.add(offset), length - offset);
                of.multiply_into(simd, panels.clone(), pixels, output, length);
            }
        }
    }
}

/// A 1x1 convolution as a step of its own.
pub struct Pointwise {
    pub panels: Panels,
    pub input_layout: Layout,
    pub output_layout: Layout,
}

impl Pointwise {
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
        if parallelism == Parallelism::Parallel && self.panels.are_large(&output_layout) {
            let steps = [input_layout.row(), input_layout.stored, CHANNEL_BLOCK];
            let first = input_layout.at(0, 0);
            let source = |photo: usize| (&input_layout.one(input, photo)[first..], steps);
            self.panels.by_panel(instructions, &output_layout, source, output, shortcut);
            return;
        }
        let lines = lines_per_piece(parallelism, &output_layout);
        parallelism.lines(&output_layout, lines, output, |photo, first, output| {
            let shortcut =
                shortcut.map(|values| output_layout.lines(values, photo, first, output.len()));
            let input = input_layout.one(input, photo);
            instructions.run(Lines { pointwise: self, input, first, output, shortcut });
        });
    }
}

/// Lines of a photo that a thread computes in one go: all if each thread has photos of its own, and
/// otherwise few enough for every thread to take several pieces.
pub fn lines_per_piece(parallelism: Parallelism, layout: &Layout) -> usize {
    match parallelism {
        Parallelism::Serial => layout.height,
        Parallelism::Parallel => layout.height.div_ceil(4 * rayon::current_num_threads()),
    }
}

/// Computes some output lines of one photo.
struct Lines<'a> {
    pointwise: &'a Pointwise,
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
        let Pointwise { panels, input_layout, output_layout } = self.pointwise;
        let lines = self.output.len() / output_layout.row();
        // Without borders, the pixels of all lines are one sequence.
        let plain = |layout: &Layout| layout.before + layout.after == 0;
        let [runs, count] = match plain(input_layout) && plain(output_layout) {
            true => [1, lines * output_layout.width],
            false => [lines, output_layout.width],
        };
        for run in 0..runs {
            let input = &self.input[input_layout.at((self.first + run) as isize, 0)..];
            let offset = run * output_layout.row() + output_layout.before * output_layout.stored;
            let pixels = Pixels {
                input,
                input_steps: [input_layout.stored, CHANNEL_BLOCK],
                shortcut: self.shortcut.map(|values| &values[offset..]),
                output_steps: [output_layout.stored, CHANNEL_BLOCK],
                count,
            };
            let output = &mut self.output[offset..];
            panels.multiply(simd, 0..panels.count(), pixels, output);
        }
    }
}
