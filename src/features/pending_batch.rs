//! A batch of cached and new photos.

use std::path::Path;

use super::cache::PhotoDigest;
use super::shared_cache::SharedFeatureCache;
use crate::photos::{DecodeError, DecodeWarning, PhotoFile, Preprocessing};

/// Looks a file up in the cache, and decodes and preprocesses it if it is not there.
pub fn prepare(
    path: &Path,
    preprocessing: &Preprocessing,
    cache: Option<&SharedFeatureCache>,
) -> Result<Prepared, DecodeError> {
    let file = PhotoFile::read(path)?;
    let digest = cache.map(|_| PhotoDigest::of(file.bytes()));
    if let (Some(cache), Some(digest)) = (cache, &digest)
        && let Some(photo) = cache.get(digest)
    {
        let content = Content::Row(photo.row);
        return Ok(Prepared { digest: None, size: photo.size, warning: None, content });
    }
    let photo = file.decode()?;
    let warning = photo.warning();
    let size = photo.dimensions();
    // The warning is repeated each time, so the features are not cached.
    let digest = digest.filter(|_| warning.is_none());
    Ok(Prepared { digest, size, warning, content: Content::Pixels(preprocessing.crop(&photo)) })
}

/// A file as a decoder's thread hands it over.
pub struct Prepared {
    /// The cache key of its features, if they are new and a cache is used.
    digest: Option<PhotoDigest>,
    size: (u32, u32),
    warning: Option<DecodeWarning>,
    content: Content,
}

enum Content {
    /// Cached features.
    Row(Vec<f32>),
    /// Pixels, `[crop, crop, 3]`.
    Pixels(Vec<u8>),
}

/// The source of a photo's features.
pub enum FeatureSource {
    /// The cache.
    Cached(Vec<f32>),
    /// The engine; the cache keeps them under this digest.
    New(Option<PhotoDigest>),
}

/// A batch of cached and new photos, in the order of their files.
#[derive(Default)]
pub struct PendingBatch {
    /// The photos: indices into the list of files.
    pub photos: Vec<usize>,
    /// Width and height of each.
    pub sizes: Vec<(u32, u32)>,
    /// The source of each photo's features.
    pub sources: Vec<FeatureSource>,
    /// The number of new photos.
    new: usize,
    /// Pixels of the new photos.
    pub pixels: Vec<u8>,
    /// Photos whose files are damaged or incomplete.
    pub warnings: Vec<(usize, DecodeWarning)>,
    /// Files that are not photos.
    pub failed: Vec<(usize, DecodeError)>,
}

impl PendingBatch {
    /// The most photos in a batch, cached ones included, as a multiple of the engine's batch size:
    /// progress is reported after each batch.
    const MAX_BATCHES: usize = 4;

    /// Adds a file.
    pub fn push(&mut self, index: usize, prepared: Result<Prepared, DecodeError>) {
        let Prepared { digest, size, warning, content } = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return self.failed.push((index, error)),
        };
        self.photos.push(index);
        self.warnings.extend(warning.map(|warning| (index, warning)));
        self.sizes.push(size);
        self.sources.push(match content {
            Content::Row(row) => FeatureSource::Cached(row),
            Content::Pixels(pixels) => {
                self.new += 1;
                self.pixels.extend(pixels);
                FeatureSource::New(digest)
            }
        });
    }

    /// Whether the engine should run now.
    pub fn is_full(&self, batch_size: usize) -> bool {
        self.new >= batch_size || self.photos.len() >= Self::MAX_BATCHES * batch_size
    }
}
