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

    /// Writes lines of one photo, from line `first`, to `lines`, which have the given layout.
    pub(super) fn write(&self, photo: usize, layout: &Layout, first: usize, lines: &mut [f32]) {
        let (width, plane) = (layout.width, layout.height * layout.width);
        for (at, line) in lines.chunks_exact_mut(layout.row()).enumerate() {
            let line = &mut line[layout.before * layout.stored..][..3 * width];
            let pixels = line.as_chunks_mut::<3>().0;
            let start = (first + at) * width;
            match self {
                Self::Bytes(bytes, tables) => {
                    let bytes = &bytes[3 * (photo * plane + start)..][..3 * width];
                    for (pixel, bytes) in pixels.iter_mut().zip(bytes.as_chunks::<3>().0) {
                        for channel in 0..3 {
                            pixel[channel] = tables[channel][usize::from(bytes[channel])];
                        }
                    }
                }
                Self::Planes(planes) => {
                    let [red, green, blue] = [0, 1, 2]
                        .map(|channel| &planes[(3 * photo + channel) * plane + start..][..width]);
                    for (x, pixel) in pixels.iter_mut().enumerate() {
                        *pixel = [red[x], green[x], blue[x]];
                    }
                }
            }
        }
    }
}
