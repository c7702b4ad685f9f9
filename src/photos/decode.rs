//! One file to one upright RGB photo.

use std::io::{self, Cursor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, RgbImage};

/// Why a file gave no photo.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The file could not be read.
    #[error("cannot be read")]
    Read(#[source] io::Error),
    /// The content is of no format that is compiled in.
    #[error("is not a JPEG, PNG, WebP, BMP or GIF image")]
    UnknownFormat,
    /// The content is damaged, or larger than the decoder's limits (512 MiB of pixels).
    #[error("cannot be decoded")]
    Decode(#[source] ImageError),
    /// The image has no pixels.
    #[error("has no pixels")]
    Empty,
    /// A decoder broke off on this content.
    #[error("cannot be decoded: the decoder broke off")]
    Panic,
}

/// Reads a photo: the format by its content (not its name), the first frame of an animation, turned
/// as its EXIF orientation says, and made RGB. Transparency is dropped, as PIL's `convert("RGB")`
/// does; CMYK and grey are converted.
///
/// # Errors
/// Where the file cannot be read, is of no known format, or is damaged.
pub fn decode(path: &Path) -> Result<RgbImage, DecodeError> {
    let bytes = std::fs::read(path).map_err(DecodeError::Read)?;
    // Decoders meet arbitrary bytes here; one that panics must not take the run with it.
    catch_unwind(AssertUnwindSafe(|| decode_bytes(&bytes))).unwrap_or(Err(DecodeError::Panic))
}

fn decode_bytes(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    let reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(DecodeError::Read)?;
    if reader.format().is_none() {
        return Err(DecodeError::UnknownFormat);
    }
    let mut decoder = reader.into_decoder().map_err(DecodeError::Decode)?;
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
