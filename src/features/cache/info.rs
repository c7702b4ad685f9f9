//! Inspects and empties a cache folder.

use crate::printable::PathText;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::CacheError;
use super::inventory::{self, SpaceFolder};
use super::label;
use super::segment::Head;

/// The contents of a feature cache.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CacheInfo {
    /// One entry per [`Space`](super::Space) that has files.
    pub spaces: Vec<SpaceInfo>,
}

/// The cached features of one network, preprocessing and device.
#[derive(Clone, Debug, PartialEq)]
pub struct SpaceInfo {
    /// Digest of the space in hexadecimal, which is the name of its folder.
    pub space: String,
    /// The network and what it ran on, in words. Absent in caches of older versions.
    pub label: Option<String>,
    /// Features per photo, if any file is readable.
    pub width: Option<usize>,
    /// Distinct photos.
    pub photos: usize,
    /// Files, including unreadable and unfinished ones.
    pub files: usize,
    /// Size of these files in bytes.
    pub bytes: u64,
    /// When any of these files was last used or written.
    pub last_used: SystemTime,
}

impl CacheInfo {
    /// Number of photos in all spaces.
    pub fn photos(&self) -> usize {
        self.spaces.iter().map(|space| space.photos).sum()
    }

    /// Number of files in all spaces.
    pub fn files(&self) -> usize {
        self.spaces.iter().map(|space| space.files).sum()
    }

    /// Size of all spaces in bytes.
    pub fn bytes(&self) -> u64 {
        self.spaces.iter().map(|space| space.bytes).sum()
    }
}

impl SpaceInfo {
    fn of(space: &SpaceFolder) -> Option<Self> {
        let all = || space.segments.iter().chain(&space.unfinished);
        let last_used = all().map(|file| file.modified).max()?;
        let mut width = None;
        let mut photos = HashSet::new();
        for file in &space.segments {
            match Head::of_file(&file.path) {
                Ok(head) => {
                    width = Some(head.space.width as usize);
                    photos.extend(head.photos);
                }
                Err(fault) => log::debug!("`{}`: {fault:?}", file.path.shown()),
            }
        }
        Some(Self {
            space: space.name.clone(),
            label: label::read(&space.path),
            width,
            photos: photos.len(),
            files: all().count(),
            bytes: all().map(|file| file.bytes).sum(),
            last_used,
        })
    }
}

/// Describes the cache in `folder`, which is empty if the folder does not exist. Reads only the
/// head of each file and changes nothing.
///
/// # Errors
/// If `folder` is not a folder or cannot be read.
pub fn info(folder: &Path) -> Result<CacheInfo, CacheError> {
    let spaces = inventory::spaces(folder)?;
    Ok(CacheInfo { spaces: spaces.iter().filter_map(SpaceInfo::of).collect() })
}

/// Deletes the cached features in `folder` and returns what was deleted. Other files and their
/// folders are kept, and so is `folder` itself.
///
/// # Errors
/// If `folder` is not a folder or cannot be read, or if a file cannot be deleted; the other files
/// are still deleted.
pub fn clear(folder: &Path) -> Result<CacheInfo, CacheError> {
    let spaces = inventory::spaces(folder)?;
    let info = CacheInfo { spaces: spaces.iter().filter_map(SpaceInfo::of).collect() };
    let mut failed = None;
    for space in spaces {
        for file in space.segments.into_iter().chain(space.unfinished) {
            // Another program may have deleted it already.
            if let Err(error) = fs::remove_file(&file.path)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                failed.get_or_insert(CacheError::Delete(file.path, error));
            }
        }
        let _ = fs::remove_file(space.path.join(label::FILE));
        // Fails if the folder contains other files, which are kept.
        let _ = fs::remove_dir(&space.path);
    }
    failed.map_or(Ok(info), Err)
}
