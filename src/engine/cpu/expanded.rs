//! The wide half of an inverted bottleneck: a 1x1 convolution to many channels and the depthwise
//! convolution over them, without the activation between them in memory.
//!
//! # Layout
//! The output is `[block of 16 channels][pixel][16]`, which is what the projection after it reads
//! fastest. The lines between the two convolutions are in a ring of as many lines as the window is
//! high, `[pair of blocks][block][line][pixel][16]`: line `y` of the photo is in place `y %
//! kernel`. They have the border to the left and right that the window needs, of zeros: padding
//! applies to the expanded activation. Lines above and below the photo are all one line of zeros.
//!
//! For two blocks at a time, each line is expanded and then convolved while it is in the first
//! cache. For 112 pixels, 3 lines of two blocks are 43 KB.

use std::ops::Range;
use std::ptr;

use pulp::Simd;

use super::depthwise::{Line, Taps};
use super::layout::{CHANNEL_BLOCK, Layout, Window};
use super::pointwise::{Panels, Pixels};
use super::product;

/// Blocks that are expanded together.
pub const PAIR: usize = 2;

/// Lines under a window, at most. Windows that are higher are not fused.
pub const MAX_KERNEL: usize = 7;

/// An expansion, if there is one, and the depthwise convolution after it.
pub struct Expanded {
    /// The expansion. Without it, the depthwise convolution reads the input.
    pub expand: Option<Panels>,
    pub taps: Taps,
    /// Layout of the input of the expansion, or without it of the depthwise convolution.
    pub input_layout: Layout,
    /// Layout of the result if it were a value with the channels last.
    pub output_layout: Layout,
}

/// Lines of a photo to compute, for some channels.
#[derive(Clone)]
pub struct Part {
    /// Output lines.
    pub lines: Range<usize>,
    /// Blocks of 16 channels; an even number of them before `start`.
    pub blocks: Range<usize>,
    /// The first line whose expansion is not yet in the ring.
    pub next: usize,
}

impl Expanded {
    /// Blocks of 16 channels.
    pub fn blocks(&self) -> usize {
        self.output_layout.stored / CHANNEL_BLOCK
    }

    /// Pixels of a line in the ring, including borders.
    fn columns(&self) -> usize {
        let Window { kernel, stride, padding } = self.taps.window;
        let windows = (self.output_layout.width - 1) * stride + kernel;
        windows.max(padding + self.input_layout.width)
    }

    /// Floats of a line in the ring.
    pub fn ring_line(&self) -> usize {
        self.columns() * CHANNEL_BLOCK
    }

    /// Floats of the ring of one pair of blocks.
    pub fn ring(&self) -> usize {
        match self.expand {
            Some(_) => PAIR * self.taps.window.kernel * self.ring_line(),
            None => 0,
        }
    }

    /// The first line of the input under the windows of output line `line`, and the line after the
    /// last.
    fn under(&self, line: usize) -> Range<usize> {
        let Window { kernel, stride, padding } = self.taps.window;
        let height = self.input_layout.height;
        let start = (line * stride).saturating_sub(padding);
        start.min(height)..(line * stride + kernel).saturating_sub(padding).min(height)
    }

    /// The first line that is not in a ring yet, before output line `line` is computed: the ring is
    /// empty, or the line before was computed.
    pub fn next(&self, line: usize, is_empty: bool) -> usize {
        match is_empty {
            true => self.under(line).start,
            false => self.under(line - 1).end.max(self.under(line).start),
        }
    }

    /// Writes the borders of the lines in `ring`, which holds the rings of some pairs.
    pub fn clear_borders(&self, ring: &mut [f32]) {
        if self.expand.is_none() {
            return;
        }
        let left = self.taps.window.padding * CHANNEL_BLOCK;
        let right = left + self.input_layout.width * CHANNEL_BLOCK;
        for line in ring.chunks_exact_mut(self.ring_line()) {
            line[..left].fill(0.0);
            line[right..].fill(0.0);
        }
    }

    /// Computes `part` from `input`, a photo, into `output`, `[block][pixel][16]` with `out_block`
    /// floats from one block to the next. `ring` is the ring of a pair, and one for each pair if
    /// `rings_step` is its size instead of 0; `zeros` is a line of zeros.
    #[inline(always)]
    pub fn run<S: Simd>(
        &self,
        simd: S,
        input: &[f32],
        part: Part,
        (ring, ring_step): (&mut [f32], usize),
        zeros: &[f32],
        (output, out_block): (&mut [f32], usize),
    ) {
        for (index, start) in part.blocks.clone().step_by(PAIR).enumerate() {
            let blocks = start..(start + PAIR).min(part.blocks.end);
            let ring = match self.expand {
                Some(_) => &mut ring[index * ring_step..][..self.ring()],
                None => &mut ring[..0],
            };
            let output = &mut output[index * PAIR * out_block..];
            let following = match &self.expand {
                Some(expand) => {
                    expand.weights(blocks.end..(blocks.end + PAIR).min(part.blocks.end))
                }
                None => &[],
            };
            let mut next = part.next;
            for line in part.lines.clone() {
                let under = self.under(line);
                if let Some(expand) = &self.expand {
                    for line in next.max(under.start)..under.end {
                        // Spread over the lines, so that the next weights come in time.
                        let lines = self.input_layout.height;
                        product::prefetch(product::share(following, line, lines));
                        self.expand_line(simd, expand, input, line, blocks.clone(), ring);
                    }
                    next = next.max(under.end);
                }
                for (at, block) in blocks.clone().enumerate() {
                    let pixels = (line - part.lines.start) * self.output_layout.width;
                    let output = &mut output[at * out_block + pixels * CHANNEL_BLOCK..];
                    let ring = &ring[at * ring.len() / PAIR..];
                    self.convolve_line(simd, block, line, [input, ring, zeros], output);
                }
            }
        }
    }

    /// Expands one line of the input to the channels of `blocks`.
    #[inline(always)]
    fn expand_line<S: Simd>(
        &self,
        simd: S,
        expand: &Panels,
        input: &[f32],
        line: usize,
        blocks: Range<usize>,
        ring: &mut [f32],
    ) {
        let Window { kernel, padding, .. } = self.taps.window;
        let pixels = Pixels {
            input: &input[self.input_layout.at(line as isize, 0)..],
            input_steps: [self.input_layout.stored, CHANNEL_BLOCK],
            shortcut: None,
            output_steps: [CHANNEL_BLOCK, kernel * self.ring_line()],
            count: self.input_layout.width,
        };
        let start = line % kernel * self.ring_line() + padding * CHANNEL_BLOCK;
        expand.multiply(simd, blocks, pixels, &mut ring[start..]);
    }

    /// Convolves one output line of a block, from the photo or from the block's ring.
    #[inline(always)]
    fn convolve_line<S: Simd>(
        &self,
        simd: S,
        block: usize,
        line: usize,
        [input, ring, zeros]: [&[f32]; 3],
        output: &mut [f32],
    ) {
        let Window { kernel, stride, padding } = self.taps.window;
        let Layout { stored, height, .. } = self.input_layout;
        let width = self.output_layout.width;
        let pixel = match self.expand {
            Some(_) => CHANNEL_BLOCK,
            None => stored,
        };
        let length = ((width - 1) * stride + kernel - 1) * pixel + CHANNEL_BLOCK;
        let mut inputs = [ptr::null(); MAX_KERNEL];
        for (at, pointer) in inputs[..kernel].iter_mut().enumerate() {
            let line = (line * stride + at) as isize - padding as isize;
            let source = match self.expand {
                None => {
                    let start = self.input_layout.at(line, -(padding as isize));
                    &input[start + block * CHANNEL_BLOCK..]
                }
                Some(_) if line < 0 || line >= height as isize => zeros,
                Some(_) => &ring[line as usize % kernel * self.ring_line()..],
            };
            *pointer = source[..length].as_ptr();
        }
        let output = output[..width * CHANNEL_BLOCK].as_mut_ptr();
        let inputs = &inputs[..kernel];
        let line = Line { inputs, pixel, output, out_pixel: CHANNEL_BLOCK, width };
        // SAFETY: `length` floats of each input contain all windows, and the output has `width`
        // pixels of 16 channels.
        unsafe { self.taps.line(simd, block, line) };
    }
}
