//! Photos that are dealt with together, with and without features that were kept.

use std::path::Path;

use super::cache::PhotoDigest;
use super::kept::Kept;
use crate::photos::{DecodeError, Recipe, decode_bytes, read};

/// A file to its row where that is kept, else to pixels.
pub fn prepare(path: &Path, recipe: &Recipe, kept: Option<&Kept>) -> Result<Prepared, DecodeError> {
    let bytes = read(path)?;
    let digest = kept.map(|_| PhotoDigest::of(&bytes));
    if let (Some(kept), Some(digest)) = (kept, &digest)
        && let Some(photo) = kept.get(digest)
    {
        return Ok(Prepared { digest: None, size: photo.size, content: Content::Row(photo.row) });
    }
    let photo = decode_bytes(&bytes)?;
    let size = photo.dimensions();
    Ok(Prepared { digest, size, content: Content::Pixels(recipe.crop(&photo)) })
}

/// What a decoder's thread makes of a file.
pub struct Prepared {
    /// Where its features shall be kept.
    digest: Option<PhotoDigest>,
    size: (u32, u32),
    content: Content,
}

enum Content {
    /// Features that were kept.
    Row(Vec<f32>),
    /// Pixels, `[crop, crop, 3]`.
    Pixels(Vec<u8>),
}

/// Where a photo's features come from.
pub enum Found {
    /// They were kept.
    Row(Vec<f32>),
    /// They are computed, and kept under this digest.
    New(Option<PhotoDigest>),
}

/// Photos that are dealt with together: those whose features are kept, and a batch of others.
#[derive(Default)]
pub struct Group {
    /// Which photos: indices into the list that was asked for.
    pub photos: Vec<usize>,
    /// Width and height of each.
    pub sizes: Vec<(u32, u32)>,
    /// Where the features of each come from.
    pub found: Vec<Found>,
    /// Photos to compute.
    new: usize,
    /// Their pixels.
    pub pixels: Vec<u8>,
    /// Files that gave no photo.
    pub failed: Vec<(usize, DecodeError)>,
}

impl Group {
    /// Batches of photos after which a group ends though the features of most of them were kept: progress is told after
    /// each group.
    const MOST_BATCHES: usize = 4;

    /// Adds what became of a file.
    pub fn push(&mut self, index: usize, prepared: Result<Prepared, DecodeError>) {
        let Prepared { digest, size, content } = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return self.failed.push((index, error)),
        };
        self.photos.push(index);
        self.sizes.push(size);
        self.found.push(match content {
            Content::Row(row) => Found::Row(row),
            Content::Pixels(pixels) => {
                self.new += 1;
                self.pixels.extend(pixels);
                Found::New(digest)
            }
        });
    }

    /// Whether it is to be dealt with now.
    pub fn is_full(&self, batch_size: usize) -> bool {
        self.new >= batch_size || self.photos.len() >= Self::MOST_BATCHES * batch_size
    }
}
