//! Features kept between runs: a photo that was seen before does not go through the network again.
//!
//! What is kept of a photo is its row of numbers and its size, never a picture, a name or a place. It is
//! found by the SHA-256 of the photo's file and by its [`Space`]: the network's weights, the
//! preprocessing and our own [`VERSION`] of both. On the disk it lies as
//!
//! ```text
//! <folder>/<space, 64 hexadecimal digits>/<32 hexadecimal digits>.features
//! ```
//!
//! A file is written once, under a hidden name, and never changed; so any number of programs may use the
//! folder at once without a lock, and a file that another one deletes is merely missing. Nothing that is
//! read is trusted: each file's head and each row has a SHA-256, and a file where one does not fit is
//! deleted and its photos are computed anew. What is kept is bounded: the files that were not used for
//! longest go first.

mod info;
mod inventory;
mod key;
mod record;
mod segment;
mod upkeep;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use info::{CacheInfo, SpaceInfo, clear, info};
pub use key::{PhotoDigest, Space};
pub use record::CachedPhoto;
use segment::Segment;

/// To be raised whenever the same photo, weights and recipe may give other numbers than before (decoding, EXIF
/// orientation, resizing, the networks' arithmetic beyond rounding), or files lie otherwise. What was kept before is
/// then not found, and ages until it is deleted.
pub const VERSION: u32 = 1;

/// What the names of files end in.
const EXTENSION: &str = "features";

/// Why features cannot be kept, or what was kept cannot be reached. It need stop nobody: they can be
/// computed.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Something else is where its folder should be.
    #[error("the feature cache `{}` is no folder", .0.display())]
    NotAFolder(PathBuf),
    /// The folder is there and cannot be looked into.
    #[error("the feature cache `{}` cannot be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// Nothing can be put into the folder, or the disk is full.
    #[error("the feature cache `{}` cannot be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The device does not give the weights back, by which features are found.
    #[error("the device does not give the weights back: {0}")]
    Weights(String),
    /// A file of it cannot be deleted.
    #[error("`{}` of the feature cache cannot be deleted", .0.display())]
    Delete(PathBuf, #[source] io::Error),
}

/// The features of one [`Space`] that are kept in a folder, and those that will be.
#[derive(Debug)]
pub struct FeatureCache {
    /// Of all spaces.
    folder: PathBuf,
    space: Space,
    limit: u64,
    segments: Vec<Arc<Segment>>,
    /// The file that each photo is in, and its place there.
    places: HashMap<PhotoDigest, (Arc<Segment>, u32)>,
    /// Records that are in no file yet. In order, so that the same photos make the same file.
    pending: BTreeMap<PhotoDigest, Vec<u8>>,
}

impl FeatureCache {
    /// Bytes that all spaces together may have on the disk: 1 GiB, half a million photos of ResNet-18.
    pub const DEFAULT_LIMIT: u64 = 1 << 30;

    /// Opens what `folder` holds of `space`; nothing where it is not there, and then it is made when something is
    /// written. Of each file the head alone is read.
    ///
    /// # Errors
    /// Where something is there that is no folder or cannot be looked into.
    pub fn open(folder: &Path, space: Space) -> Result<Self, CacheError> {
        let mut cache = Self {
            folder: folder.to_owned(),
            space,
            limit: Self::DEFAULT_LIMIT,
            segments: Vec::new(),
            places: HashMap::new(),
            pending: BTreeMap::new(),
        };
        let place = cache.space_folder();
        // The folder may be a link of the user's. What is in it is ours, and we make none.
        if fs::symlink_metadata(&place).is_ok_and(|found| !found.is_dir()) {
            return Err(CacheError::NotAFolder(place));
        }
        for found in inventory::space(&place, cache.space.name())?.segments {
            cache.adopt(&found.path);
        }
        log::debug!("{} photos in the feature cache `{}`", cache.places.len(), place.display());
        Ok(cache)
    }

    /// The same, with another bound than [`DEFAULT_LIMIT`](Self::DEFAULT_LIMIT), in bytes.
    #[must_use]
    pub fn with_limit(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// The features of a photo: read from the disk and checked, or those that were inserted.
    pub fn get(&self, photo: &PhotoDigest) -> Option<CachedPhoto> {
        if let Some(record) = self.pending.get(photo) {
            return record::decode(&self.space, photo, record);
        }
        let (segment, index) = self.places.get(photo)?;
        segment.photo(*index, photo)
    }

    /// Takes the features of a photo, `[width]`, and its width and height in its file, upright. They are kept from
    /// the next [`flush`](Self::flush) on. A row with a number that is not finite is not taken.
    ///
    /// # Panics
    /// Where the row has another width than the space.
    pub fn insert(&mut self, photo: PhotoDigest, size: (u32, u32), row: &[f32]) {
        assert_eq!(row.len(), self.space.width as usize, "the row's width is the space's");
        let kept = self.places.get(&photo).is_some_and(|(segment, _)| !segment.is_damaged());
        if !kept && row.iter().all(|value| value.is_finite()) {
            self.pending.insert(photo, record::encode(&self.space, &photo, size, row));
        }
    }

    /// Photos that were inserted and are not on the disk yet. They are held in memory.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Puts what was inserted on the disk, and marks what was read as used. Where something was written, what was
    /// not used for longest is deleted beyond the limit, small files are made one, and what ended
    /// programs have left is removed.
    ///
    /// # Errors
    /// Where something was to be written and cannot be. It stays pending.
    pub fn flush(&mut self) -> Result<(), CacheError> {
        for segment in &self.segments {
            segment.touch();
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        self.write().map_err(|error| CacheError::Write(self.folder.clone(), error))?;
        if let Err(error) = self.tidy() {
            log::debug!("{error}");
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let folder = self.space_folder();
        fs::create_dir_all(&folder)?;
        let at_a_time = (self.most_a_segment() / record::length(self.space.width)).max(1) as usize;
        while !self.pending.is_empty() {
            let photos: Vec<PhotoDigest> = self.pending.keys().take(at_a_time).copied().collect();
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
        let left = inventory::space(&self.space_folder(), self.space.name())?;
        if let Some(merged) = upkeep::merge(left, &self.space, self.most_a_segment()) {
            self.segments.retain(|segment| !merged.from.contains(&segment.path));
            self.adopt(&merged.into);
        }
        Ok(())
    }

    /// Takes up a file: its photos are found there from now on.
    fn adopt(&mut self, path: &Path) {
        match Segment::open(path, &self.space) {
            Ok((segment, photos)) => {
                let segment = Arc::new(segment);
                let photos = photos.into_iter().zip(0..);
                self.places.extend(photos.map(|(photo, index)| (photo, (segment.clone(), index))));
                self.segments.push(segment);
            }
            Err(fault) => fault.settle(path),
        }
    }

    fn space_folder(&self) -> PathBuf {
        self.folder.join(self.space.name())
    }

    fn most_a_segment(&self) -> u64 {
        self.limit / upkeep::PARTS
    }
}

/// The folder of this user's that features are kept in: `features` in the platform's cache folder, beside that of
/// [downloaded weights](crate::weights::cache_folder). `None` for a user without a home.
pub fn default_folder() -> Option<PathBuf> {
    crate::weights::kept_in("features")
}

#[cfg(test)]
mod tests;
