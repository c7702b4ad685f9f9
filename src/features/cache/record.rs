//! The record of one photo in a cache file: `[width u32, height u32, row f32.., SHA-256]`,
//! little-endian. The digest also covers the space and the photo's digest, so that a row is never
//! taken for another photo's.

use super::{PhotoDigest, Space};
use crate::sha256::Sha256;

/// Size of a SHA-256 in bytes.
pub(super) const DIGEST: usize = 32;

/// The cached features of a photo.
#[derive(Clone, Debug, PartialEq)]
pub struct CachedPhoto {
    /// The features, `[width]`, all finite.
    pub row: Vec<f32>,
    /// Width and height of the original photo in pixels, after EXIF orientation.
    pub size: (u32, u32),
}

/// Size of a record with `width` features, in bytes.
pub(super) fn length(width: u32) -> u64 {
    8 + 4 * u64::from(width) + DIGEST as u64
}

/// Encodes the record of a photo.
pub(super) fn encode(space: &Space, photo: &PhotoDigest, size: (u32, u32), row: &[f32]) -> Vec<u8> {
    let mut record = Vec::with_capacity(8 + 4 * row.len() + DIGEST);
    record.extend(size.0.to_le_bytes());
    record.extend(size.1.to_le_bytes());
    record.extend(row.iter().flat_map(|value| value.to_le_bytes()));
    record.extend(digest(space, photo, &record));
    record
}

/// Decodes a record. `None` if it is damaged or belongs to another photo or space.
pub(super) fn decode(space: &Space, photo: &PhotoDigest, record: &[u8]) -> Option<CachedPhoto> {
    let (content, expected) = record.split_last_chunk::<DIGEST>()?;
    if digest(space, photo, content) != *expected {
        return None;
    }
    let (width, rest) = content.split_first_chunk::<4>()?;
    let (height, row) = rest.split_first_chunk::<4>()?;
    let row: Vec<f32> =
        row.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
    row.iter().all(|value| value.is_finite()).then_some(CachedPhoto {
        row,
        size: (u32::from_le_bytes(*width), u32::from_le_bytes(*height)),
    })
}

fn digest(space: &Space, photo: &PhotoDigest, content: &[u8]) -> [u8; DIGEST] {
    let mut hasher = Sha256::new_with_prefix(space.digest);
    hasher.update(photo.0);
    hasher.update(content);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photos::Preprocessing;

    #[test]
    fn a_record_is_taken_for_its_own_photo_in_its_own_space_alone() {
        let [space, other] =
            [1, 2].map(|byte| Space::new(&[byte; 32], &Preprocessing::IMAGENET, 3, "cpu"));
        let [photo, another] = [b"a", b"b"].map(|bytes| PhotoDigest::of(bytes));
        let row = vec![1.5, -0.0, f32::MIN_POSITIVE];
        let record = encode(&space, &photo, (640, 480), &row);
        assert_eq!(record.len() as u64, length(3));
        let read = decode(&space, &photo, &record).unwrap();
        assert_eq!(read, CachedPhoto { row, size: (640, 480) });
        assert_eq!(decode(&space, &another, &record), None);
        assert_eq!(decode(&other, &photo, &record), None);
        for cut in 0..record.len() {
            assert_eq!(decode(&space, &photo, &record[..cut]), None);
        }
    }

    #[test]
    fn records_with_nan_or_infinite_values_are_rejected() {
        let space = Space::new(&[1; 32], &Preprocessing::IMAGENET, 2, "cpu");
        let photo = PhotoDigest::of(b"a");
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let record = encode(&space, &photo, (1, 1), &[0.0, value]);
            assert_eq!(decode(&space, &photo, &record), None);
        }
    }
}
