//! JPEG: `zune-jpeg` for the usual files, our own decoder for those that it does not read correctly.

mod block;
mod decoder;
mod frame;
mod huffman;
mod rgb;
mod segment;
mod standard;
mod transform;
mod upsample;

use frame::Frame;
pub(super) use segment::segments;

use super::footprint::Pixels;
use super::{DecodeError, Decoded, by_image};

/// Bytes per column of the rows that `zune-jpeg` holds: coefficients and upsampled values of up to
/// sixteen rows.
const ROWS: u64 = 256;

/// Decodes a JPEG. Of several pictures in a file (`.mpo`), the first one is decoded.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let frame = Frame::read(bytes)?;
    match is_usual(&frame) {
        true => by_image(bytes, image::ImageFormat::Jpeg),
        false => decoder::decode(bytes, &frame),
    }
}

/// Whether `zune-jpeg` 0.5.15 reads such a file as libjpeg does. It does not read scans with fewer
/// components than the frame where chroma is halved vertically (zune-image issue 422), upsamples
/// only the four usual forms, and not in the narrowest photos, guesses some colour spaces
/// otherwise, does not go on at the next restart marker after damage, refuses files without Huffman
/// tables, and does not say that a file is cut off.
fn is_usual(frame: &Frame) -> bool {
    let sampling: Vec<(usize, usize)> =
        frame.components.iter().map(|component| component.sampling).collect();
    let usual_sampling = match sampling.as_slice() {
        [_] => true,
        [(1 | 2, 1 | 2), (1, 1), (1, 1)] => frame.is_plain_ycbcr() && frame.width > 16,
        _ => false,
    };
    usual_sampling && frame.interleaved && frame.tables && !frame.restarts && frame.ends
}

/// What decoding takes. Of a progressive frame both decoders hold all coefficients, of two bytes
/// each; ours also holds a plane of samples for each component.
pub(super) fn pixels(bytes: &[u8]) -> Option<Pixels> {
    let frame = Frame::read(bytes).ok()?;
    let (across, down) = frame.max_sampling();
    let groups = frame.width.div_ceil(8 * across) * frame.height.div_ceil(8 * down);
    let blocks: usize = frame.components.iter().map(|one| one.sampling.0 * one.sampling.1).sum();
    let samples = (64 * groups * blocks) as u64;
    let coefficients = if frame.progressive { 2 * samples } else { 0 };
    let count = (frame.width * frame.height) as u64;
    Some(match is_usual(&frame) {
        true => {
            let channels = if frame.components.len() == 1 { 1 } else { 3 };
            // The decoder copies the file.
            let internal = bytes.len() as u64 + ROWS * frame.width as u64;
            Pixels::new(count, channels, coefficients + internal)
        }
        false => Pixels::new(count, 3, coefficients + samples),
    })
}
