//! Decodes an image file to an upright RGB photo.
//!
//! [`decode_bytes`] is the only way in: it recognises the format, decodes with the module of the
//! format or with the `image` crate, and turns the photo as its metadata says.

mod bmp;
mod colour;
mod error;
mod exif;
mod footprint;
mod gif;
mod jpeg;
#[cfg(feature = "jpeg-xl")]
mod jpeg_xl;
mod metadata;
mod orientation;
mod panic;
mod png;
mod tiff;

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, ImageReader, RgbImage};

pub use self::error::{DecodeError, DecodeWarning};
pub(super) use self::footprint::footprint;
use self::orientation::orientation;
use super::format::Format;
use super::memory;

/// Raised when a file decodes to other pixels: features that were cached before are not used.
pub(crate) const VERSION: u32 = 2;

/// A decoded photo.
pub(super) struct Decoded {
    /// The photo, upright.
    pub photo: RgbImage,
    /// What is wrong with it.
    pub warning: Option<DecodeWarning>,
}

/// Decodes the bytes of an image file, as [`decode`](super::decode) does. The caller holds the
/// memory that this takes: see [`footprint`].
///
/// # Errors
/// If the bytes have an unknown format or are damaged.
pub(super) fn decode_bytes(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let head = &bytes[..bytes.len().min(Format::HEAD)];
    let format = Format::of(head).ok_or(DecodeError::UnknownFormat)?;
    panic::caught(|| {
        let Decoded { photo, warning } = match format {
            Format::Jpeg => jpeg::decode(bytes),
            Format::Png => png::decode(bytes),
            Format::Gif => gif::decode(bytes),
            Format::WebP => by_image(bytes, ImageFormat::WebP),
            Format::Bmp => bmp::decode(bytes),
            Format::Tiff => tiff::decode(bytes),
            #[cfg(feature = "jpeg-xl")]
            Format::JpegXl => jpeg_xl::decode(bytes),
            _ => Err(DecodeError::NotRead(format)),
        }?;
        if photo.width() == 0 || photo.height() == 0 {
            return Err(DecodeError::Empty);
        }
        let mut photo = DynamicImage::from(photo);
        photo.apply_orientation(orientation(bytes, format));
        Ok(Decoded { photo: photo.into_rgb8(), warning })
    })
}

/// Decodes with the `image` crate, without turning the photo.
fn by_image(bytes: &[u8], format: ImageFormat) -> Result<Decoded, DecodeError> {
    let decoder = ImageReader::with_format(Cursor::new(bytes), format)
        .into_decoder()
        .map_err(DecodeError::Decode)?;
    let photo = DynamicImage::from_decoder(decoder).map_err(DecodeError::Decode)?;
    Ok(Decoded { photo: photo.into_rgb8(), warning: None })
}

/// Checks an allocation by what a decoder found in the file. [`footprint`] looked at the same
/// headers, so this only fails if the two read them differently.
fn check_size(bytes: u64) -> Result<(), DecodeError> {
    Ok(memory::check(bytes)?)
}
