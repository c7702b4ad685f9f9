//! What decoding a WebP takes.

use super::{Pixels, bytes};

/// The pixels of a WebP file.
///
/// A lossless picture is decoded as RGBA, then copied. A lossy one is decoded as YUV, with half a
/// byte per pixel for each colour; an alpha channel beside it is a lossless picture and its plane.
/// The first frame of an animation is drawn on a canvas of RGBA.
pub fn pixels(file: &[u8]) -> Option<Pixels> {
    let mut content = Content::default();
    content.read(file.get(12..)?);
    let Content { count, lossless, lossy, alpha, animated } = content;
    let mut per_pixel = 0;
    if lossless {
        per_pixel += 4;
    }
    if lossy {
        per_pixel += 2;
    }
    if alpha {
        per_pixel += 5;
    }
    if animated {
        per_pixel += 8;
    }
    // Whether a lossless picture has alpha is known only to the decoder.
    let bytes = if alpha || animated || lossless { 4 } else { 3 };
    Some(Pixels::new(count, bytes, count.saturating_mul(per_pixel)))
}

#[derive(Default)]
struct Content {
    /// The pixels of the largest picture: the canvas and the frames may disagree, and the decoder
    /// notices it after decoding.
    count: u64,
    lossless: bool,
    lossy: bool,
    alpha: bool,
    animated: bool,
}

impl Content {
    /// Reads RIFF chunks.
    fn read(&mut self, mut chunks: &[u8]) {
        while let (Some(name), Some(length)) = (bytes::<4>(chunks, 0), bytes(chunks, 4)) {
            let length = u32::from_le_bytes(length) as usize;
            let content = chunks.get(8..).unwrap_or_default();
            if self.chunk(&name, content).is_none() {
                return;
            }
            chunks = content.get(length.saturating_add(length % 2)..).unwrap_or_default();
        }
    }

    /// Reads one chunk. `None` if it is cut, or the rest is of no interest.
    fn chunk(&mut self, name: &[u8; 4], content: &[u8]) -> Option<()> {
        let three = |at: usize| {
            let [low, middle, high] = bytes(content, at)?;
            Some(u64::from(u32::from_le_bytes([low, middle, high, 0])))
        };
        match name {
            b"VP8X" => {
                self.alpha |= *content.first()? & 0x10 != 0;
                self.picture(three(4)? + 1, three(7)? + 1);
            }
            b"VP8L" => {
                let bits = u32::from_le_bytes(bytes(content, 1)?);
                self.lossless = true;
                self.picture(u64::from(bits & 0x3fff) + 1, u64::from(bits >> 14 & 0x3fff) + 1);
            }
            b"VP8 " => {
                let size = |at| Some(u64::from(u16::from_le_bytes(bytes(content, at)?) & 0x3fff));
                self.lossy = true;
                self.picture(size(6)?, size(8)?);
            }
            b"ALPH" => self.alpha = true,
            b"ANMF" => {
                self.animated = true;
                self.picture(three(6)? + 1, three(9)? + 1);
                self.read(content.get(16..)?);
                // Only the first frame is decoded.
                return None;
            }
            _ => {}
        }
        Some(())
    }

    fn picture(&mut self, width: u64, height: u64) {
        self.count = self.count.max(width.saturating_mul(height));
    }
}
