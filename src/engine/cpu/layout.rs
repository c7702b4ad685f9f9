//! Memory layout of activations: channels last, with a border of zeros.

use super::packed::{Packed, Packer};

/// A square window that slides over an input.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Side length in pixels.
    pub kernel: usize,
    /// Distance between neighbouring windows in pixels.
    pub stride: usize,
    /// Pixels by which the first window reaches above and to the left of the input.
    pub padding: usize,
}

impl Window {
    /// Offset at which the window of output pixel `(y, x)` starts in an input with `input_layout`.
    #[inline(always)]
    pub fn corner(&self, input_layout: &Layout, y: usize, x: usize) -> usize {
        let start = |at: usize| (at * self.stride) as isize - self.padding as isize;
        input_layout.at(start(y), start(x))
    }
}

/// Channels are padded with zeros to a multiple of this. It is a multiple of every register's
/// length, so loops over channels have no remainder.
pub const CHANNEL_BLOCK: usize = super::product::PANEL;

/// Memory layout of one photo's activation: `[height, width, channels]`. Height and width have a
/// border of zeros, as wide as the padding of the steps that read it, and channels are padded with
/// zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Channels without padding.
    pub channels: usize,
    /// Channels with padding.
    pub stored: usize,
    /// Rows without the border.
    pub height: usize,
    /// Columns without the border.
    pub width: usize,
    /// Width of the border above and to the left, in pixels.
    pub before: usize,
    /// Width of the border below and to the right, in pixels.
    pub after: usize,
}

impl Layout {
    /// Distance from one row to the next, in floats.
    pub fn row(&self) -> usize {
        (self.before + self.width + self.after) * self.stored
    }

    /// Size of one photo, in floats.
    pub fn photo(&self) -> usize {
        (self.before + self.height + self.after) * self.row()
    }

    /// Offset of pixel `(y, x)`. `(0, 0)` is the first pixel inside the border; negative indices
    /// reach into the border, up to `before` pixels.
    pub fn at(&self, y: isize, x: isize) -> usize {
        let [y, x] = [y, x].map(|index| {
            usize::try_from(index + self.before as isize).expect("the border is wide enough")
        });
        y * self.row() + x * self.stored
    }

    /// The values of one photo of a batch.
    pub fn one<'a>(&self, values: &'a [f32], photo: usize) -> &'a [f32] {
        &values[photo * self.photo()..][..self.photo()]
    }

    /// Lines of one photo of a batch from line `first` on: `length` floats, including the borders
    /// to the left and right.
    pub fn lines<'a>(
        &self,
        values: &'a [f32],
        photo: usize,
        first: usize,
        length: usize,
    ) -> &'a [f32] {
        &self.one(values, photo)[self.rows().start + first * self.row()..][..length]
    }

    /// Packs one value per channel, padded with zeros to one per stored channel.
    pub fn pack(&self, packer: &mut Packer, channels: &[f32]) -> Packed {
        packer.pack(self.stored, |padded| padded[..channels.len()].copy_from_slice(channels))
    }

    /// Offsets of the rows inside the border, including their borders to the left and right.
    pub fn rows(&self) -> std::ops::Range<usize> {
        self.before * self.row()..(self.before + self.height) * self.row()
    }
}
