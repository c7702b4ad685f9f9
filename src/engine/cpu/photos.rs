//! The photos that a network takes, and their conversion to the layout of the first step.

use super::layout::Layout;

/// A batch of photos.
#[derive(Clone, Copy)]
pub enum Photos<'a> {
    /// RGB bytes, `[photos, height, width, 3]`, and a lookup table of normalised values,
    /// `[channel][byte]`.
    Bytes(&'a [u8], &'a [[f32; 256]; 3]),
    /// Normalised values, `[photos, 3, height, width]`.
    Planes(&'a [f32]),
}

impl Photos<'_> {
    /// Number of values in all photos.
    pub(super) fn values(&self) -> usize {
        match self {
            Self::Bytes(bytes, _) => bytes.len(),
            Self::Planes(planes) => planes.len(),
        }
    }

    /// Writes one photo to `buffer` in the given layout.
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
