//! JPEG: `zune-jpeg` for the usual files, our own decoder for those that it does not read correctly.

mod block;
mod decoder;
mod frame;
mod huffman;
mod rgb;
mod segment;
mod transform;
mod upsample;

use frame::Frame;
pub(super) use segment::segments;

use super::{DecodeError, Decoded, by_image};

/// Decodes a JPEG. Of several pictures in a file (`.mpo`), the first one is decoded.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let frame = Frame::read(bytes)?;
    super::check_size(3 * (frame.width * frame.height) as u64)?;
    match is_usual(&frame) {
        true => by_image(bytes, image::ImageFormat::Jpeg),
        false => decoder::decode(bytes, &frame),
    }
}

/// Whether `zune-jpeg` 0.5.15 reads such a file as libjpeg does. It does not read scans with fewer
/// components than the frame where chroma is halved vertically (zune-image issue 422), upsamples
/// only the four usual forms, and not in the narrowest photos, guesses some colour spaces
/// otherwise, does not go on at the next restart marker after damage, and does not say that a file
/// is cut off.
fn is_usual(frame: &Frame) -> bool {
    let sampling: Vec<(usize, usize)> =
        frame.components.iter().map(|component| component.sampling).collect();
    let usual_sampling = match sampling.as_slice() {
        [_] => true,
        [(1 | 2, 1 | 2), (1, 1), (1, 1)] => frame.is_plain_ycbcr() && frame.width > 16,
        _ => false,
    };
    usual_sampling && frame.interleaved && !frame.restarts && frame.ends
}
