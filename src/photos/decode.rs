//! Decodes an image file to an upright RGB photo.

use std::fs;
use std::io::{self, Cursor};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, RgbImage};

use crate::regular_file;

/// Size limit of a file and of its decoded pixels, in bytes: 178 megapixels of RGB. A JPEG of one
/// kilobyte can claim to be 65500 pixels square, and every core decodes a photo at the same time.
const MAX_BYTES: u64 = 512 << 20;

/// Why a file could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The file could not be read.
    #[error("cannot be read")]
    Read(#[source] io::Error),
    /// It is a folder, a pipe or a device: reading a pipe or a device might never end.
    #[error("is not a regular file")]
    NotAFile,
    /// The file or its decoded pixels exceed the size limit; the size in MiB.
    #[error("is too large: {0} MiB, and the limit is {max} MiB", max = MAX_BYTES >> 20)]
    TooLarge(u64),
    /// The content is not in a supported format.
    #[error("is not a JPEG, PNG, WebP, BMP or GIF image")]
    UnknownFormat,
    /// The content is damaged.
    #[error("cannot be decoded")]
    Decode(#[source] ImageError),
    /// The image has no pixels.
    #[error("has no pixels")]
    Empty,
    /// The decoder panicked on this content.
    #[error("cannot be decoded: the decoder panicked")]
    Panic,
}

/// Reads and decodes a photo.
///
/// The format is detected from the content, not from the file name. Of an animation, the first
/// frame is used. The EXIF orientation is applied. CMYK and grey are converted to RGB, and the
/// alpha channel is dropped, as PIL's `convert("RGB")` does.
///
/// # Errors
/// If the file cannot be read, has an unknown format, is damaged or is too large.
pub fn decode(path: &Path) -> Result<RgbImage, DecodeError> {
    decode_bytes(&read(path)?)
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

/// Decodes the bytes of an image file, as [`decode`] does.
///
/// # Errors
/// If the bytes have an unknown format, are damaged or are too large.
pub(crate) fn decode_bytes(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    let reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(DecodeError::Read)?;
    if reader.format().is_none() {
        return Err(DecodeError::UnknownFormat);
    }
    let mut decoder = reader.into_decoder().map_err(DecodeError::Decode)?;
    // The reader's own limits do not cover what `from_decoder` allocates.
    check_size(decoder.total_bytes())?;
    // If the EXIF block is damaged, the photo keeps its stored orientation.
    let orientation = decoder.orientation().ok();
    let mut photo = DynamicImage::from_decoder(decoder).map_err(DecodeError::Decode)?;
    if let Some(orientation) = orientation {
        photo.apply_orientation(orientation);
    }
    match photo.width() > 0 && photo.height() > 0 {
        true => Ok(photo.into_rgb8()),
        false => Err(DecodeError::Empty),
    }
}

fn check_size(bytes: u64) -> Result<(), DecodeError> {
    if bytes > MAX_BYTES { Err(DecodeError::TooLarge(bytes >> 20)) } else { Ok(()) }
}
