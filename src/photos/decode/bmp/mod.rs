//! BMP, read as PIL reads it. What PIL refuses is left to the `image` crate.

mod header;
mod rle;

use image::{ImageFormat, RgbImage};

use self::header::{Compression, Header, Pixels};
use super::{DecodeError, DecodeWarning, Decoded, by_image, check_size, footprint};

/// Decodes a BMP.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let Some(header) = Header::read(bytes) else { return by_image(bytes, ImageFormat::Bmp) };
    let Header { width, height, .. } = header;
    if width == 0 || height == 0 {
        return Err(DecodeError::Empty);
    }
    let pixels = (width as u64).saturating_mul(height as u64);
    // RGB and, for some, indices.
    check_size(pixels.saturating_mul(4))?;
    let data = bytes.get(header.offset..).unwrap_or_default();
    let mut photo = RgbImage::new(width as u32, height as u32);
    let colours = header.colours(bytes);
    let mut cut = false;
    if let Compression::Rle { four_bits } = header.compression {
        let mut indices = rle::decode(data, header.offset, width, width * height, four_bits);
        cut = indices.len() < width * height;
        indices.resize(width * height, 0);
        for (row, indices) in indices.chunks(width).enumerate() {
            let out = header.row(&mut photo, row);
            for (out, index) in out.iter_mut().zip(indices) {
                *out = colours[usize::from(*index)];
            }
        }
        let warning = cut.then_some(DecodeWarning::Incomplete);
        return Ok(Decoded { photo, warning });
    }
    let stride = (width * header.pixels.bits()).div_ceil(32) * 4;
    let needed = (width * header.pixels.bits()).div_ceil(8);
    let mut rest = vec![0; stride];
    for row in 0..height {
        let start = row.saturating_mul(stride);
        let mut line = data.get(start..).unwrap_or_default();
        if line.len() < needed {
            cut = true;
            rest.fill(0);
            rest[..line.len()].copy_from_slice(line);
            line = &rest;
        }
        header.pixels.decode(line, &colours, header.row(&mut photo, row));
    }
    Ok(Decoded { photo, warning: cut.then_some(DecodeWarning::Incomplete) })
}

/// What decoding takes: RGB, and indices that were compressed.
pub(super) fn pixels(bytes: &[u8]) -> Option<footprint::Pixels> {
    let (count, channels) = match Header::read(bytes) {
        Some(header) => ((header.width as u64).saturating_mul(header.height as u64), 1),
        // The `image` crate reads others: a size of two or four bytes each, perhaps with alpha.
        None => {
            let size =
                |at: usize| Some(u64::from(i32::from_le_bytes(at4(bytes, at)?).unsigned_abs()));
            (size(18)?.saturating_mul(size(22)?), 4)
        }
    };
    Some(footprint::Pixels::new(count, channels, 0))
}

/// Four bytes of the file.
fn at4(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..)?.first_chunk().copied()
}

impl Header {
    /// The pixels of the file's row `row`: the last row is the first in most files.
    fn row<'a>(&self, photo: &'a mut RgbImage, row: usize) -> &'a mut [[u8; 3]] {
        let y = if self.top_down { row } else { self.height - 1 - row };
        let row = &mut photo.as_mut()[3 * y * self.width..][..3 * self.width];
        row.as_chunks_mut::<3>().0
    }
}

impl Pixels {
    /// Decodes a row.
    fn decode(self, line: &[u8], colours: &[[u8; 3]; 256], out: &mut [[u8; 3]]) {
        let spread = |value: u16, max: u16| (u32::from(value & max) * 255 / u32::from(max)) as u8;
        match self {
            Self::Indices { bits } => {
                let per_byte = 8 / bits;
                for (x, out) in out.iter_mut().enumerate() {
                    let shift = 8 - bits * (x % per_byte + 1);
                    let index = usize::from(line[x / per_byte] >> shift) & ((1 << bits) - 1);
                    *out = colours[index];
                }
            }
            Self::Bits16 { green } => {
                let green_max = (1 << green) - 1;
                for ([low, high], out) in line.as_chunks::<2>().0.iter().zip(out) {
                    let value = u16::from_le_bytes([*low, *high]);
                    *out = [
                        spread(value >> (5 + green), 31),
                        spread(value >> 5, green_max),
                        spread(value, 31),
                    ];
                }
            }
            Self::Bytes { size, places } => {
                for (pixel, out) in line.chunks_exact(size).zip(out) {
                    *out = places.map(|place| pixel[place]);
                }
            }
        }
    }
}
