//! A feature cache on disk: a photo that was seen in an earlier run does not go through the network
//! again.
//!
//! An entry holds a photo's features and its size, never the picture, its name or its path. Its key
//! is the SHA-256 of the photo's file and a [`Space`]: the network's weights, the preprocessing,
//! the device, the versions of the decoding libraries and our own [`VERSION`]. The layout on disk
//! is
//!
//! ```text
//! <folder>/<space, 64 hexadecimal digits>/<32 hexadecimal digits>.features
//! ```
//!
//! Beside them, `network.txt` says for people what computed the features.
//!
//! A file is written under a hidden name, renamed when it is complete, and never changed. So any
//! number of programs can use the folder at once without a lock, and a file that another program
//! deletes is merely missing. Everything that is read is checked: each file's head and each row has
//! a SHA-256, and a file with a wrong one is deleted and its features are computed again. The total
//! size is limited: the least recently used files are deleted first.

mod info;
mod inventory;
mod key;
mod label;
mod record;
mod segment;
mod upkeep;

use crate::printable::PathText;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use info::{CacheInfo, SpaceInfo, clear, info};
pub use key::{PhotoDigest, Space};
pub use record::CachedPhoto;
use segment::Segment;

/// Increment this if the same photo, weights and preprocessing may give other features than
/// before (decoding, EXIF orientation, resizing, the networks' arithmetic beyond rounding), or the
/// file format changes. Older entries are then no longer found and are deleted when they are the
/// least recently used.
pub const VERSION: u32 = 1;

/// File extension of the cache's files.
const EXTENSION: &str = "features";

/// Why the feature cache cannot be used. Callers can go on without it and compute the features.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The cache's path is not a folder.
    #[error("the feature cache `{}` is not a folder; name another with --cache", .0.shown())]
    NotAFolder(PathBuf),
    /// The folder exists but cannot be read.
    #[error("the feature cache `{}` cannot be read", .0.shown())]
    Read(PathBuf, #[source] io::Error),
    /// The folder is not writable, or the disk is full.
    #[error("the feature cache `{}` cannot be written", .0.shown())]
    Write(PathBuf, #[source] io::Error),
    /// The weights, which are part of the key, cannot be read from the device.
    #[error("the weights cannot be read from the device: {0}")]
    Weights(String),
    /// A file of the cache cannot be deleted.
    #[error("the feature cache file `{}` cannot be deleted", .0.shown())]
    Delete(PathBuf, #[source] io::Error),
}

/// The cached features of one [`Space`], including those that are not written yet.
#[derive(Debug)]
pub struct FeatureCache {
    /// Folder of all spaces.
    folder: PathBuf,
    space: Space,
    /// What computes the features, for people.
    label: Option<String>,
    /// Maximum size of all spaces in bytes.
    limit: u64,
    segments: Vec<Arc<Segment>>,
    /// The file that contains each photo, and the photo's index in it.
    index: HashMap<PhotoDigest, (Arc<Segment>, u32)>,
    /// Records that are not written yet. Sorted, so that the same photos give the same file.
    pending: BTreeMap<PhotoDigest, Vec<u8>>,
}

impl FeatureCache {
    /// Default maximum size of all spaces in bytes: 1 GiB, half a million photos of ResNet-18.
    pub const DEFAULT_LIMIT: u64 = 1 << 30;

    /// Opens the cached features of `space` in `folder`. If the folder does not exist, the cache is
    /// empty and the first write creates the folder. Reads only the head of each file.
    ///
    /// # Errors
    /// If `folder`, or the space's folder in it, is not a folder or cannot be read.
    pub fn open(folder: &Path, space: Space) -> Result<Self, CacheError> {
        let mut cache = Self {
            folder: folder.to_owned(),
            space,
            label: None,
            limit: Self::DEFAULT_LIMIT,
            segments: Vec::new(),
            index: HashMap::new(),
            pending: BTreeMap::new(),
        };
        let space_folder = cache.space_folder();
        // The user may have made `folder` a link, but the cache makes no links inside it.
        if fs::symlink_metadata(&space_folder).is_ok_and(|metadata| !metadata.is_dir()) {
            return Err(CacheError::NotAFolder(space_folder));
        }
        for file in inventory::space(&space_folder, cache.space.name())?.segments {
            cache.adopt(&file.path);
        }
        let photos = cache.index.len();
        log::debug!("{photos} photos in the feature cache `{}`", space_folder.shown());
        Ok(cache)
    }

    /// Sets the maximum size of all spaces in bytes, by default
    /// [`DEFAULT_LIMIT`](Self::DEFAULT_LIMIT).
    #[must_use]
    pub fn with_limit(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// Names what computes the features, such as `resnet18 (cpu, AVX2, kernels 2)`, for [`info`].
    /// The next [`flush`](Self::flush) writes it beside the features.
    #[must_use]
    pub fn with_label(self, label: String) -> Self {
        Self { label: Some(label), ..self }
    }

    /// The features of a photo, if they were inserted or can be read from disk undamaged.
    pub fn get(&self, photo: &PhotoDigest) -> Option<CachedPhoto> {
        if let Some(record) = self.pending.get(photo) {
            return record::decode(&self.space, photo, record);
        }
        let (segment, index) = self.index.get(photo)?;
        segment.photo(*index, photo)
    }

    /// Inserts the features of a photo, `[width]`, and the width and height of the original photo
    /// in pixels, after EXIF orientation. The next [`flush`](Self::flush) writes them to disk.
    /// Photos that are cached already and rows with NaN or infinite features are ignored.
    ///
    /// # Panics
    /// If `row` does not have the width of the space.
    pub fn insert(&mut self, photo: PhotoDigest, size: (u32, u32), row: &[f32]) {
        assert_eq!(row.len(), self.space.width as usize, "the row must have the space's width");
        let cached = self.index.get(&photo).is_some_and(|(segment, _)| !segment.is_damaged());
        if !cached && row.iter().all(|value| value.is_finite()) {
            self.pending.insert(photo, record::encode(&self.space, &photo, size, row));
        }
    }

    /// Number of inserted photos that are not written yet. They are held in memory.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Forgets the inserted photos that are not written yet.
    pub fn discard(&mut self) {
        self.pending.clear();
    }

    /// Writes the inserted features to disk and marks the files that were read as used. If anything
    /// was written, also removes what interrupted programs left behind, deletes the least recently
    /// used files beyond the limit and merges small files.
    ///
    /// # Errors
    /// If the inserted features cannot be written. They stay pending.
    pub fn flush(&mut self) -> Result<(), CacheError> {
        for segment in &self.segments {
            segment.touch();
        }
        if self.pending.is_empty() {
            self.name_space();
            return Ok(());
        }
        self.write().map_err(|error| CacheError::Write(self.folder.clone(), error))?;
        self.name_space();
        if let Err(error) = self.tidy() {
            log::debug!("{error}");
        }
        Ok(())
    }

    /// Writes the label, which no result depends on: an error is only logged.
    fn name_space(&self) {
        let folder = self.space_folder();
        if let (Some(label), true) = (&self.label, folder.is_dir())
            && let Err(error) = label::write(&folder, label)
        {
            log::debug!("`{}` cannot be named: {error}", folder.display());
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let folder = self.space_folder();
        fs::create_dir_all(&folder)?;
        let per_file =
            (self.max_segment_bytes() / record::length(self.space.width)).max(1) as usize;
        while !self.pending.is_empty() {
            let photos: Vec<PhotoDigest> = self.pending.keys().take(per_file).copied().collect();
            let records = |index: usize| Ok(self.pending[&photos[index]].as_slice());
            let path = segment::write(&folder, &self.space, &photos, None, records)?;
            for photo in &photos {
                self.pending.remove(photo);
            }
            self.adopt(&path);
        }
        Ok(())
    }

    fn tidy(&mut self) -> Result<(), CacheError> {
        let spaces = inventory::spaces(&self.folder)?;
        upkeep::sweep(&spaces);
        upkeep::evict(spaces, self.limit);
        let space_folder = inventory::space(&self.space_folder(), self.space.name())?;
        if let Some(merged) = upkeep::merge(space_folder, &self.space, self.max_segment_bytes()) {
            self.segments.retain(|segment| !merged.from.contains(&segment.path));
            self.adopt(&merged.into);
        }
        Ok(())
    }

    /// Opens a file and adds its photos to the index. A damaged file is deleted.
    fn adopt(&mut self, path: &Path) {
        match Segment::open(path, &self.space) {
            Ok((segment, photos)) => {
                let segment = Arc::new(segment);
                let photos = photos.into_iter().zip(0..);
                self.index.extend(photos.map(|(photo, index)| (photo, (segment.clone(), index))));
                self.segments.push(segment);
            }
            Err(fault) => fault.handle(path),
        }
    }

    fn space_folder(&self) -> PathBuf {
        self.folder.join(self.space.name())
    }

    /// Maximum size of a new file.
    fn max_segment_bytes(&self) -> u64 {
        self.limit / upkeep::LIMIT_DIVISOR
    }
}

/// The user's default feature cache: `features` in the platform's cache folder, next to the folder
/// of [downloaded weights](crate::weights::cache_folder). `None` if the user has no home folder.
pub fn default_folder() -> Option<PathBuf> {
    crate::weights::kept_in("features")
}

#[cfg(test)]
mod tests;
