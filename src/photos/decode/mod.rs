//! Decodes an image file to an upright RGB photo.
//!
//! [`decode_bytes`] is the only way in: it recognises the format, decodes with the module of the
//! format or with the `image` crate, and turns the photo as its metadata says.

mod bmp;
mod colour;
mod error;
mod exif;
mod gif;
mod jpeg;
mod metadata;
mod orientation;
mod panic;
mod png;
mod tiff;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};

pub use self::error::{DecodeError, DecodeWarning};
use self::orientation::orientation;
use super::format::Format;
use crate::regular_file;

/// Size limit of a file and of its decoded pixels, in bytes: 178 megapixels of RGB. A JPEG of one
/// kilobyte can claim to be 65500 pixels square, and every core decodes a photo at the same time.
const MAX_BYTES: u64 = 512 << 20;

/// Reads and decodes a photo.
///
/// The format is detected from the content, not from the file name. Of an animation, the first
/// frame is used. The orientation in EXIF or XMP is applied. CMYK and grey are converted to RGB, and the
/// alpha channel is dropped, as PIL's `convert("RGB")` does.
///
/// # Errors
/// If the file cannot be read, has an unknown format, is damaged or is too large.
pub fn decode(path: &Path) -> Result<RgbImage, DecodeError> {
    decode_bytes(&read(path)?).map(|decoded| decoded.photo)
}

/// Reads the bytes of an image file, for [`decode_bytes`].
///
/// # Errors
/// If the file cannot be read, is not a regular file or is too large.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DecodeError> {
    let metadata = fs::metadata(path).map_err(DecodeError::Read)?;
    if !metadata.is_file() {
        return Err(DecodeError::NotAFile);
    }
    check_size(metadata.len())?;
    regular_file::read(path, MAX_BYTES).map_err(DecodeError::Read)
}

/// Raised when a file decodes to other pixels: features that were cached before are not used.
pub(crate) const VERSION: u32 = 2;

/// A decoded photo.
pub(crate) struct Decoded {
    /// The photo, upright.
    pub photo: RgbImage,
    /// What is wrong with it.
    pub warning: Option<DecodeWarning>,
}

/// Decodes the bytes of an image file, as [`decode`] does.
///
/// # Errors
/// If the bytes have an unknown format, are damaged or are too large.
pub(crate) fn decode_bytes(bytes: &[u8]) -> Result<Decoded, DecodeError> {
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
    // The reader's own limits do not cover what `from_decoder` allocates.
    check_size(decoder.total_bytes())?;
    let photo = DynamicImage::from_decoder(decoder).map_err(DecodeError::Decode)?;
    Ok(Decoded { photo: photo.into_rgb8(), warning: None })
}

fn check_size(bytes: u64) -> Result<(), DecodeError> {
    if bytes > MAX_BYTES { Err(DecodeError::TooLarge(bytes >> 20)) } else { Ok(()) }
}
