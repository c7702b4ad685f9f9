//! A batch of cached and new views of photos.

use super::cache::PhotoDigest;
use super::shared_cache::SharedFeatureCache;
use crate::photos::{DecodeError, DecodeWarning, PhotoFile, PhotoPlace, Preprocessing, View};

/// Looks the first `views` views of a file up in the cache. If some are not there, decodes the
/// photo, once, and prepares them.
pub fn prepare(
    place: PhotoPlace,
    preprocessing: &Preprocessing,
    views: usize,
    cache: Option<&SharedFeatureCache>,
) -> Result<Prepared, DecodeError> {
    let file = PhotoFile::read(place)?;
    let digest = cache.map(|_| PhotoDigest::of(file.bytes()));
    let mut cached = match (cache, &digest) {
        (Some(cache), Some(digest)) => cache.get(digest, views),
        _ => Vec::new(),
    };
    cached.resize(views, None);
    let missing: Vec<View> = View::first(views)
        .iter()
        .zip(&cached)
        .filter_map(|(view, cached)| cached.is_none().then_some(*view))
        .collect();
    if missing.is_empty()
        && let Some(size) = cached.iter().flatten().map(|photo| photo.size).next()
    {
        let views = cached.into_iter().flatten().map(|photo| Content::Row(photo.row)).collect();
        return Ok(Prepared { digest: None, size, warning: None, views });
    }
    let photo = file.decode()?;
    let warning = photo.warning();
    let size = photo.dimensions();
    // The warning is repeated each time, so the features are not cached.
    let digest = digest.filter(|_| warning.is_none());
    let mut squares = preprocessing.views(&photo, &missing).into_iter();
    let views = cached.into_iter().filter_map(|cached| match cached {
        Some(photo) => Some(Content::Row(photo.row)),
        None => squares.next().map(Content::Pixels),
    });
    Ok(Prepared { digest, size, warning, views: views.collect() })
}

/// A file as a decoder's thread hands it over.
pub struct Prepared {
    /// The cache key of its features, if some are new and a cache is used.
    digest: Option<PhotoDigest>,
    size: (u32, u32),
    warning: Option<DecodeWarning>,
    /// Its views: at least one.
    views: Vec<Content>,
}

enum Content {
    /// Cached features.
    Row(Vec<f32>),
    /// Pixels, `[crop, crop, 3]`.
    Pixels(Vec<u8>),
}

/// The source of a view's features.
pub enum FeatureSource {
    /// The cache.
    Cached(Vec<f32>),
    /// The engine; the cache keeps them under this digest.
    New(Option<NewFeatures>),
}

/// The cache key of new features, with the size of their photo.
pub struct NewFeatures {
    /// The photo.
    pub photo: PhotoDigest,
    /// The view, an index into [`View::ALL`].
    pub view: usize,
    /// Width and height of the photo.
    pub size: (u32, u32),
}

/// A photo whose last view is in a batch.
pub struct PendingPhoto {
    /// Index into the list of files.
    pub index: usize,
    /// Width and height.
    pub size: (u32, u32),
    /// What is wrong with the file, if it is damaged or incomplete.
    pub warning: Option<DecodeWarning>,
    /// The number of its views, in this batch and those before.
    pub views: usize,
}

/// A batch of cached and new views, in the order of their files. The views of a photo follow each
/// other, and may continue in the next batch.
#[derive(Default)]
pub struct PendingBatch {
    /// The source of each view's features.
    pub sources: Vec<FeatureSource>,
    /// The number of new views.
    new: usize,
    /// Pixels of the new views.
    pub pixels: Vec<u8>,
    /// The photos that end in this batch.
    pub photos: Vec<PendingPhoto>,
    /// Files that are not photos.
    pub failed: Vec<(usize, DecodeError)>,
}

impl PendingBatch {
    /// The most views in a batch, cached ones included, as a multiple of the engine's batch size:
    /// progress is reported after each batch.
    const MAX_BATCHES: usize = 4;

    /// Adds a file. `launch` takes each batch that is full, possibly in the middle of a photo, so
    /// that no batch has more new views than `batch_size`.
    pub fn push<E>(
        &mut self,
        index: usize,
        prepared: Result<Prepared, DecodeError>,
        batch_size: usize,
        mut launch: impl FnMut(Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let Prepared { digest, size, warning, views } = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                self.failed.push((index, error));
                return Ok(());
            }
        };
        let count = views.len();
        for (view, content) in views.into_iter().enumerate() {
            self.sources.push(match content {
                Content::Row(row) => FeatureSource::Cached(row),
                Content::Pixels(pixels) => {
                    self.new += 1;
                    self.pixels.extend(pixels);
                    FeatureSource::New(digest.map(|photo| NewFeatures { photo, view, size }))
                }
            });
            if view + 1 == count {
                self.photos.push(PendingPhoto { index, size, warning, views: count });
            }
            if self.is_full(batch_size) {
                launch(std::mem::take(self))?;
            }
        }
        Ok(())
    }

    /// Whether the engine should run now.
    fn is_full(&self, batch_size: usize) -> bool {
        self.new >= batch_size || self.sources.len() >= Self::MAX_BATCHES * batch_size
    }
}
