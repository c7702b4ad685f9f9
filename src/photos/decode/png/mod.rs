//! PNG: whole files are read by the `image` crate; of damaged ones, what is there.

mod rescue;

use std::borrow::Cow;

use image::ImageFormat;

use super::{DecodeError, Decoded, by_image};

/// Decodes a PNG; of an animated one, the picture that programs without animation show.
///
/// As in PIL, nothing after the pixels is needed, and the checksum of pixels is not. Rows that are
/// missing or damaged are black.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let bytes = without_profiles(bytes);
    match by_image(&bytes, ImageFormat::Png) {
        Err(error @ DecodeError::Decode(_)) => rescue::decode(&bytes)?.ok_or(error),
        decoded => decoded,
    }
}

/// The file without its colour profile, which is not used: a small one may inflate to gigabytes.
fn without_profiles(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut at = 8;
    let mut kept = Cow::Borrowed(bytes);
    while let Some(([a, b, c, d, name @ ..], _)) =
        kept.get(at..).and_then(|rest| rest.split_first_chunk::<8>())
    {
        let size = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let next = at.saturating_add(size).saturating_add(12).min(kept.len());
        match name {
            b"iCCP" => {
                kept.to_mut().drain(at..next);
            }
            b"IDAT" => break,
            _ => at = next,
        }
    }
    kept
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

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let size = (data.len() as u32).to_be_bytes();
        [&size[..], name, data, &[0; 4]].concat()
    }

    #[test]
    fn a_colour_profile_is_left_out_before_it_is_inflated() {
        let signature = b"\x89PNG\r\n\x1a\n".to_vec();
        let [header, profile, gamma] = [(b"IHDR", 13), (b"iCCP", 900), (b"gAMA", 4)]
            .map(|(name, size)| chunk(name, &vec![7; size]));
        let [pixels, end] = [b"IDAT", b"IEND"].map(|name| chunk(name, &[]));
        let file = |parts: &[&Vec<u8>]| parts.iter().flat_map(|part| part.to_vec()).collect();
        let whole: Vec<u8> =
            file(&[&signature, &header, &profile, &gamma, &profile, &pixels, &end]);
        let without: Vec<u8> = file(&[&signature, &header, &gamma, &pixels, &end]);
        assert_eq!(without_profiles(&whole), without);
        assert_eq!(without_profiles(&without), without);
        // Cut inside of the profile.
        let cut = signature.len() + header.len() + 100;
        assert_eq!(without_profiles(&whole[..cut]), [signature, header].concat());
    }
}
