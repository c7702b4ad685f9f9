//! JPEG: `zune-jpeg` for the usual files, our own decoder for those that it does not read
//! correctly.

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
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
pub(super) use segment::segments;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::footprint::Pixels;
use super::{DecodeError, Decoded, by_image};

/// Bytes per column of the rows that `zune-jpeg` holds: coefficients and upsampled values of up to
/// sixteen rows.
const ROWS: u64 = 256;

/// Decodes a JPEG. Of several pictures in a file (`.mpo`), the first one is decoded.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let frame = Frame::read(bytes)?;
    if !is_usual(&frame) {
        return decoder::decode(bytes, &frame);
    }
    match by_zune(bytes, &frame) {
        Some(photo) => Ok(Decoded { photo, warning: None }),
        // The same decoder fails once more, and `image` says why.
        None => by_image(bytes, ImageFormat::Jpeg),
    }
}

/// Decodes with `zune-jpeg`, with the options that the `image` crate gives it. `image` copies the
/// file first, and reads its headers and tables twice.
fn by_zune(bytes: &[u8], frame: &Frame) -> Option<RgbImage> {
    let is_grey = frame.components.len() == 1;
    let colours = if is_grey { ColorSpace::Luma } else { ColorSpace::RGB };
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(colours)
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().ok()?;
    let (width, height) = decoder.dimensions()?;
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    let mut pixels = vec![0; decoder.output_buffer_size()?];
    decoder.decode_into(&mut pixels).ok()?;
    match is_grey {
        true => GrayImage::from_raw(width, height, pixels)
            .map(|grey| DynamicImage::from(grey).into_rgb8()),
        false => RgbImage::from_raw(width, height, pixels),
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
            // Of a damaged file, `image` makes a copy.
            let internal = bytes.len() as u64 + ROWS * frame.width as u64;
            Pixels::new(count, channels, coefficients + internal)
        }
        false => Pixels::new(count, 3, coefficients + samples),
    })
}
