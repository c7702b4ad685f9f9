//! A photo's file and its pixels in memory, each with its share of the decoding memory.

use std::ops::{Deref, DerefMut};
use std::path::Path;

use image::RgbImage;

use super::decode::{DecodeError, DecodeWarning, Decoded, decode_bytes, footprint};
use super::memory::{self, Exceeded, Share};
use super::place::{PhotoPlace, PhotoSource};

/// Decoded pixels. Their memory counts as decoding memory until they are dropped: see
/// [`set_decode_memory`](super::set_decode_memory).
#[derive(Debug)]
pub struct Photo {
    pixels: RgbImage,
    warning: Option<DecodeWarning>,
    _share: Share,
}

impl Photo {
    /// What is wrong with the file, if it was damaged or incomplete.
    pub fn warning(&self) -> Option<DecodeWarning> {
        self.warning
    }
}

impl Deref for Photo {
    type Target = RgbImage;

    fn deref(&self) -> &RgbImage {
        &self.pixels
    }
}

impl DerefMut for Photo {
    fn deref_mut(&mut self) -> &mut RgbImage {
        &mut self.pixels
    }
}

/// Reads and decodes a photo.
///
/// The format is detected from the content, not from the file name. Of an animation, the first
/// frame is used. The orientation in EXIF or XMP is applied. CMYK and grey are converted to RGB, and
/// the alpha channel is dropped, as PIL's `convert("RGB")` does. Of a damaged file, what is there is
/// decoded: see [`Photo::warning`].
///
/// The first call sets a panic hook: a panic inside a decoder is an error and prints nothing.
///
/// Waits while other photos take too much of the decoding memory.
///
/// # Errors
/// If the file cannot be read, has an unknown format or is damaged, or if decoding it needs more
/// memory than [`set_decode_memory`](super::set_decode_memory) allows.
pub fn decode(path: &Path) -> Result<Photo, DecodeError> {
    PhotoFile::read(path.place())?.decode()
}

/// The bytes of an image file.
pub(crate) struct PhotoFile {
    place: PhotoPlace,
    bytes: Vec<u8>,
    share: Share,
}

impl PhotoFile {
    /// Reads the bytes of a photo.
    ///
    /// # Errors
    /// If they cannot be read, are not in a regular file or are too many.
    pub(crate) fn read(place: PhotoPlace) -> Result<Self, DecodeError> {
        let place = place.loaded()?;
        let length = place.length()?;
        let share = memory::take(length)?;
        let bytes = place.read(length).map_err(DecodeError::Read)?;
        Ok(Self { place, bytes, share })
    }

    /// The content of the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Decodes the photo, as [`decode`] does.
    ///
    /// # Errors
    /// If the file has an unknown format, is damaged or needs too much memory.
    pub(crate) fn decode(self) -> Result<Photo, DecodeError> {
        let Self { place, mut bytes, mut share } = self;
        let mut needed = self::needed(&bytes);
        if !share.try_grow(needed) {
            // Other photos take the memory. Waiting for them while the file is in memory could
            // block all threads, so the file is read again afterwards.
            drop((bytes, share));
            share = memory::take(needed)?;
            bytes = place.read(needed).map_err(DecodeError::Read)?;
            let now = self::needed(&bytes);
            if now > needed && !share.try_grow(now) {
                return Err(DecodeError::Changed);
            }
            needed = now;
        }
        log::trace!("decoding takes up to {needed} bytes");
        let Decoded { photo: pixels, warning } = decode_bytes(&bytes)?;
        drop(bytes);
        share.shrink(pixels.as_raw().len() as u64);
        Ok(Photo { pixels, warning, _share: share })
    }
}

/// The bytes that decoding takes at its peak, the file included.
fn needed(bytes: &[u8]) -> u64 {
    footprint(bytes).saturating_add(bytes.len() as u64)
}

impl From<Exceeded> for DecodeError {
    fn from(Exceeded { needed, limit }: Exceeded) -> Self {
        Self::TooLarge { needed: needed.div_ceil(1 << 20), limit: limit >> 20 }
    }
}
