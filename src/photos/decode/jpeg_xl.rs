//! JPEG XL: the first picture of an animation, turned as the codestream says. Colours stay in the
//! space that the file names, as with the other formats.

use std::borrow::Cow;
use std::fmt::Display;

use image::RgbImage;
use jxl_bitstream::Bitstream;
use jxl_oxide::image::ImageHeader;
use jxl_oxide::{AllocTracker, InitializeResult, JxlImage, PixelFormat};
use jxl_oxide_common::Bundle;

use super::footprint::Pixels;
use super::{DecodeError, Decoded, check_size, panic};

/// The signature of a container, its first box.
const CONTAINER: &[u8] = b"\0\0\0\x0cJXL \r\n\x87\n";
const CUT: DecodeError = DecodeError::Damaged("the JPEG XL file ends before its first picture");

/// Layers of the first picture. A layer of a few bytes may be as large as the picture.
const MOST_LAYERS: usize = 64;

/// Decodes the first picture.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let codestream = codestream(bytes);
    let size = Size::of(&codestream)?;
    check_size(size.all())?;
    let image = load(&codestream, &size)?;
    let picture = image.render_frame(0).map_err(failed)?;
    let mut samples = picture.stream_no_alpha();
    let mut photo = RgbImage::new(samples.width(), samples.height());
    match image.pixel_format() {
        PixelFormat::Rgb | PixelFormat::Rgba => {
            samples.write_to_buffer(photo.as_mut());
        }
        PixelFormat::Gray | PixelFormat::Graya => {
            let mut row = vec![0_u8; samples.width() as usize];
            for out in photo.as_mut().chunks_exact_mut(3 * row.len().max(1)) {
                samples.write_to_buffer(&mut row);
                for (out, grey) in out.as_chunks_mut::<3>().0.iter_mut().zip(&row) {
                    *out = [*grey; 3];
                }
            }
        }
        PixelFormat::Cmyk | PixelFormat::Cmyka => {
            return Err(DecodeError::Unsupported("a JPEG XL image in CMYK"));
        }
    }
    Ok(Decoded { photo, warning: None })
}

/// What decoding takes, by the header alone.
pub(super) fn pixels(bytes: &[u8]) -> Option<Pixels> {
    // The decoder's panics are caught by `decode`; the header is read here once more.
    let size = panic::caught(|| Size::of(&codestream(bytes))).ok()?;
    Some(Pixels { count: size.pixels, decoding: size.all(), converting: 0 })
}

/// The numbers of the header that decide how much memory decoding takes.
struct Size {
    pixels: u64,
    /// Bytes of the decoder.
    decoder: u64,
    /// Bytes of a colour profile, which the decoder reads in one piece before it tracks memory.
    profile: u64,
    codestream: u64,
}

impl Size {
    fn of(codestream: &[u8]) -> Result<Self, DecodeError> {
        let mut bits = Bitstream::new(codestream);
        let ImageHeader { size, metadata } =
            ImageHeader::parse(&mut bits, ()).map_err(|error| match error.unexpected_eof() {
                true => CUT,
                false => failed(error),
            })?;
        if size.width == 0 || size.height == 0 {
            return Err(DecodeError::Empty);
        }
        let profile = match metadata.colour_encoding.want_icc() {
            // The compressed profile and the profile.
            true => bits.read_u64().map_err(|_| CUT)?.saturating_mul(2),
            false => 0,
        };
        let pixels = u64::from(size.width).saturating_mul(u64::from(size.height));
        // Three colours as numbers of 4 bytes, twice where they are filtered or blended, and once
        // more where noise is added. Each other channel twice.
        let per_pixel = 3 * 4 * 3 + 2 * 4 * metadata.ec_info.len() as u64;
        // Groups of 256 x 256 pixels are decoded one by one, and tables come with each.
        let decoder = pixels.saturating_mul(per_pixel).saturating_add(16 << 20);
        Ok(Self { pixels, decoder, profile, codestream: codestream.len() as u64 })
    }

    /// Bytes of everything that is held at the same time.
    fn all(&self) -> u64 {
        let rgb = self.pixels.saturating_mul(3);
        // The compressed picture is copied out of its container, and into the decoder.
        [rgb, self.profile, self.codestream.saturating_mul(2)]
            .into_iter()
            .fold(self.decoder, u64::saturating_add)
    }
}

/// Reads the compressed data up to the end of the first picture.
fn load(codestream: &[u8], size: &Size) -> Result<JxlImage, DecodeError> {
    let limit = usize::try_from(size.decoder).unwrap_or(usize::MAX);
    let tracker = AllocTracker::with_limit(limit);
    let mut reader = JxlImage::builder().alloc_tracker(tracker).build_uninit();
    let mut rest = codestream;
    let mut take = |most: usize| {
        let (piece, after) = rest.split_at(most.min(rest.len()));
        rest = after;
        if piece.is_empty() { Err(CUT) } else { Ok(piece) }
    };
    // The decoder begins anew with each piece until it has the whole header, so they grow.
    let mut piece = 1 << 12;
    let mut image = loop {
        reader.feed_bytes(take(piece)?).map_err(failed)?;
        piece *= 2;
        match reader.try_init().map_err(failed)? {
            InitializeResult::NeedMoreData(more) => reader = more,
            InitializeResult::Initialized(image) => break image,
        }
    };
    while image.num_loaded_keyframes() == 0 {
        if image.num_loaded_frames() > MOST_LAYERS {
            return Err(DecodeError::Unsupported("a JPEG XL image of more than 64 layers"));
        }
        image.feed_bytes(take(1 << 16)?).map_err(failed)?;
    }
    Ok(image)
}

/// The codestream of a file, which may be divided among boxes. Other boxes hold metadata, which
/// does not say how the picture is shown: its orientation is in the codestream.
fn codestream(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.starts_with(CONTAINER) {
        return Cow::Borrowed(bytes);
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    let mut rest = bytes;
    while let Some((name, content, after)) = next_box(rest) {
        match name {
            b"jxlc" => parts.push(content),
            // A number comes before each part.
            b"jxlp" => parts.push(content.get(4..).unwrap_or_default()),
            _ => {}
        }
        rest = after;
    }
    match parts[..] {
        [part] => Cow::Borrowed(part),
        _ => Cow::Owned(parts.concat()),
    }
}

/// The name and the content of the first box, as far as it is there, and what comes after it.
fn next_box(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    let (name, rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = match u32::from_be_bytes(*size) {
        // Up to the end of the file.
        0 => (rest.len(), rest),
        1 => {
            let (size, rest) = rest.split_first_chunk::<8>()?;
            let length = u64::from_be_bytes(*size).checked_sub(16)?;
            (usize::try_from(length).unwrap_or(usize::MAX), rest)
        }
        size => ((size as usize).checked_sub(8)?, rest),
    };
    let (content, after) = rest.split_at(length.min(rest.len()));
    Some((name, content, after))
}

fn failed(error: impl Display) -> DecodeError {
    DecodeError::JpegXl(error.to_string())
}
