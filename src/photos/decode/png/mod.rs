//! PNG: whole files are read by the `image` crate; of damaged ones, what is there.

mod rescue;

use image::ImageFormat;

use super::{DecodeError, Decoded, by_image};

/// Decodes a PNG; of an animated one, the picture that programs without animation show.
///
/// As in PIL, nothing after the pixels is needed, and the checksum of pixels is not. Rows that are
/// missing or damaged are black.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    match by_image(bytes, ImageFormat::Png) {
        Err(error @ DecodeError::Decode(_)) => rescue::decode(bytes)?.ok_or(error),
        decoded => decoded,
    }
}

/// A chunk of a PNG file; its data is cut off if the file ends.
pub(super) struct Chunk<'a> {
    pub name: [u8; 4],
    pub data: &'a [u8],
    checksum: Option<u32>,
}

impl Chunk<'_> {
    /// Whether the checksum is there and right.
    fn is_intact(&self) -> bool {
        let mut crc = flate2::Crc::new();
        crc.update(&self.name);
        crc.update(self.data);
        self.checksum == Some(crc.sum())
    }
}

/// The chunks after the signature.
pub(super) fn chunks(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let ([a, b, c, d, name @ ..], content) = rest.split_first_chunk::<8>()?;
        let size = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let data = &content[..size.min(content.len())];
        let after = content.get(size..).unwrap_or_default();
        let checksum = after.first_chunk().map(|checksum| u32::from_be_bytes(*checksum));
        rest = after.get(4..).unwrap_or_default();
        Some(Chunk { name: *name, data, checksum })
    })
}
