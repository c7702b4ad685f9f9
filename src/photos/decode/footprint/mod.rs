//! The memory that decoding a photo takes at its peak, from the first bytes of its file.
//!
//! The numbers are what the decoders in `Cargo.lock` allocate at the same time: their own buffers,
//! the decoded pixels in the file's colour type, and the conversion to RGB. The size limits of
//! these decoders do not cover all of it.

mod webp;

#[cfg(feature = "jpeg-xl")]
use super::jpeg_xl;
use super::orientation::orientation;
use super::{Format, bmp, jpeg, tiff};

/// What is allocated for any photo: tables, rows and metadata.
const BASE: u64 = 1 << 20;

/// The bytes that decoding this file takes at its peak, without the file itself. Content that is not
/// read takes nothing.
pub(in crate::photos) fn footprint(file: &[u8]) -> u64 {
    let head = &file[..file.len().min(Format::HEAD)];
    let Some(format) = Format::of(head) else { return 0 };
    let pixels = match format {
        Format::Jpeg => jpeg::pixels(file),
        Format::Png => png(file),
        Format::Gif => gif(file),
        Format::WebP => webp::pixels(file),
        Format::Bmp => bmp::pixels(file),
        Format::Tiff => tiff::pixels(file),
        #[cfg(feature = "jpeg-xl")]
        Format::JpegXl => jpeg_xl::pixels(file),
        _ => None,
    };
    let Some(Pixels { count, decoding, converting }) = pixels else { return 0 };
    // Turning by 90 degrees holds two copies.
    let turned = orientation(file, format).to_exif() > 4;
    let turning = if turned { count.saturating_mul(6) } else { 0 };
    decoding.max(converting).max(turning).saturating_add(BASE)
}

/// What the pixels of a photo take.
pub(in crate::photos::decode) struct Pixels {
    /// Their number.
    pub count: u64,
    /// Bytes while the decoder runs, the decoded pixels included.
    pub decoding: u64,
    /// Bytes while they are converted to RGB, both copies.
    pub converting: u64,
}

impl Pixels {
    /// `count` pixels of `bytes` each, from a decoder that allocates `internal` bytes itself.
    pub(in crate::photos::decode) fn new(count: u64, bytes: u64, internal: u64) -> Self {
        let decoded = count.saturating_mul(bytes);
        // RGB of 8 bits is not converted.
        let rgb = if bytes == 3 { 0 } else { count.saturating_mul(3) };
        Self {
            count,
            decoding: decoded.saturating_add(internal),
            converting: decoded.saturating_add(rgb),
        }
    }
}

/// An IHDR chunk is the first. Rows are decoded into the picture.
fn png(file: &[u8]) -> Option<Pixels> {
    let size = |at| Some(u64::from(u32::from_be_bytes(bytes(file, at)?)));
    let (width, height) = (size(16)?, size(20)?);
    let [depth, colour] = bytes(file, 24)?;
    // A palette and grey may gain alpha by a tRNS chunk.
    let channels = match colour {
        0 | 4 => 2,
        2 if depth == 8
            && !file[..file.len().min(1 << 16)].windows(4).any(|name| name == b"tRNS") =>
        {
            3
        }
        _ => 4,
    };
    let bytes = channels * if depth == 16 { 2 } else { 1 };
    // Some rows, and perhaps a copy of the compressed data.
    let internal = width.saturating_mul(3 * bytes).saturating_add(file.len() as u64);
    Some(Pixels::new(width.saturating_mul(height), bytes, internal))
}

/// The first frame, and a canvas that holds it and the logical screen.
fn gif(file: &[u8]) -> Option<Pixels> {
    let size = |at| Some(u64::from(u16::from_le_bytes(bytes(file, at)?)));
    let colours = |flags: u8| if flags & 0x80 != 0 { 3 << ((flags & 7) + 1) } else { 0 };
    let mut at = 13 + colours(*file.get(10)?);
    loop {
        match file.get(at)? {
            // An extension: its label, then blocks up to an empty one.
            b'!' => {
                at += 2;
                while *file.get(at)? != 0 {
                    at += 1 + usize::from(file[at]);
                }
                at += 1;
            }
            b',' => break,
            b';' => return None,
            _ => at += 1,
        }
    }
    let (left, top, width, height) = (size(at + 1)?, size(at + 3)?, size(at + 5)?, size(at + 7)?);
    let count = size(6)?.max(left + width) * size(8)?.max(top + height);
    let frame = width * height;
    Some(Pixels { count, decoding: frame + count, converting: frame + 4 * count })
}

/// The bytes of the file at `at`, if it has them.
pub(super) fn bytes<const N: usize>(file: &[u8], at: usize) -> Option<[u8; N]> {
    file.get(at..)?.first_chunk().copied()
}
