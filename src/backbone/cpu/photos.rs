//! Photos as they come, and how they are written for the first step.

use super::layout::Layout;

/// Photos that a network takes.
#[derive(Clone, Copy)]
pub enum Photos<'a> {
    /// Pixels of three bytes, `[photos, height, width, 3]`, and what each channel's values stand for, `[channel][byte]`.
    Bytes(&'a [u8], &'a [[f32; 256]; 3]),
    /// Normalised values, `[photos, 3, height, width]`.
    Planes(&'a [f32]),
}

impl Photos<'_> {
    /// How many values there are.
    pub(super) fn values(&self) -> usize {
        match self {
            Self::Bytes(bytes, _) => bytes.len(),
            Self::Planes(planes) => planes.len(),
        }
    }

    /// Writes a photo as `layout` says.
    pub(super) fn write(&self, photo: usize, layout: &Layout, buffer: &mut [f32]) {
        let plane = layout.height * layout.width;
        for y in 0..layout.height {
            let line = &mut buffer[layout.at(y as isize, 0)..][..3 * layout.width];
            match self {
                Self::Bytes(bytes, tables) => {
                    let bytes = &bytes[3 * (photo * plane + y * layout.width)..][..line.len()];
                    for (pixel, bytes) in line.chunks_exact_mut(3).zip(bytes.chunks_exact(3)) {
                        for channel in 0..3 {
                            pixel[channel] = tables[channel][usize::from(bytes[channel])];
                        }
                    }
                }
                Self::Planes(planes) => {
                    for (x, pixel) in line.chunks_exact_mut(3).enumerate() {
                        for (channel, value) in pixel.iter_mut().enumerate() {
                            let at = (3 * photo + channel) * plane + y * layout.width + x;
                            *value = planes[at];
                        }
                    }
                }
            }
        }
    }
}
