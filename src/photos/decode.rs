//! One file to one upright RGB photo.

use std::fs;
use std::io::{self, Cursor};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, RgbImage};

/// Most bytes that a file, and the pixels in it, may take: 178 megapixels of RGB. A kilobyte of JPEG
/// can claim to be 65500 pixels square, and every core decodes one at a time.
const MAX_BYTES: u64 = 512 << 20;

/// Why a file gave no photo.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The file could not be read.
    #[error("cannot be read")]
    Read(#[source] io::Error),
    /// It is a folder, a pipe or a device: reading one might never end.
    #[error("is no regular file")]
    NotAFile,
    /// More than is taken.
    #[error("is too large: {0} MiB, and at most {max} are taken", max = MAX_BYTES >> 20)]
    TooLarge(u64),
    /// The content is of no format that is compiled in.
    #[error("is not a JPEG, PNG, WebP, BMP or GIF image")]
    UnknownFormat,
    /// The content is damaged.
    #[error("cannot be decoded")]
    Decode(#[source] ImageError),
    /// The image has no pixels.
    #[error("has no pixels")]
    Empty,
    /// A decoder broke off on this content.
    #[error("cannot be decoded: the decoder broke off on it")]
    Panic,
}

/// Reads a photo: the format by its content (not its name), the first frame of an animation, turned
/// as its EXIF orientation says, and made RGB. Transparency is dropped, as PIL's `convert("RGB")`
/// does; CMYK and grey are converted.
///
/// # Errors
/// Where the file cannot be read, is of no known format, is damaged or too large.
pub fn decode(path: &Path) -> Result<RgbImage, DecodeError> {
    decode_bytes(&read(path)?)
}

/// The bytes of a photo's file, to be decoded.
///
/// # Errors
/// Where the file cannot be read or is too large.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DecodeError> {
    let metadata = fs::metadata(path).map_err(DecodeError::Read)?;
    if !metadata.is_file() {
        return Err(DecodeError::NotAFile);
    }
    check_size(metadata.len())?;
    fs::read(path).map_err(DecodeError::Read)
}

/// The photo in a file's bytes, as [`decode`] says.
///
/// # Errors
/// Where they are of no known format, damaged or too large.
pub(crate) fn decode_bytes(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    let reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(DecodeError::Read)?;
    if reader.format().is_none() {
        return Err(DecodeError::UnknownFormat);
    }
    let mut decoder = reader.into_decoder().map_err(DecodeError::Decode)?;
    // The reader's own limits do not cover what `from_decoder` allocates.
    check_size(decoder.total_bytes())?;
    // A photo whose EXIF block is damaged is still a photo: it stays as it was stored.
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
