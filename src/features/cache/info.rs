//! What a cache folder holds, and emptying it.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::CacheError;
use super::inventory::{self, SpaceFolder};
use super::segment::Head;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CacheInfo {
    /// By network and preprocessing; only those that have files.
    pub spaces: Vec<SpaceInfo>,
}

/// What is kept of one network and preprocessing.
#[derive(Clone, Debug, PartialEq)]
pub struct SpaceInfo {
    /// Its digest in hexadecimal: the name of its folder.
    pub space: String,
    /// Numbers a photo, where a file can be read that says so.
    pub width: Option<usize>,
    /// Photos, each counted once.
    pub photos: usize,
    /// Files, those included that cannot be read or are unfinished.
    pub files: usize,
    /// Bytes in those.
    pub bytes: u64,
    /// When one of them was last used or written.
    pub last_used: SystemTime,
}

impl CacheInfo {
    /// Photos in all spaces.
    pub fn photos(&self) -> usize {
        self.spaces.iter().map(|space| space.photos).sum()
    }

    /// Files in all spaces.
    pub fn files(&self) -> usize {
        self.spaces.iter().map(|space| space.files).sum()
    }

    /// Bytes in all spaces.
    pub fn bytes(&self) -> u64 {
        self.spaces.iter().map(|space| space.bytes).sum()
    }
}

impl SpaceInfo {
    fn of(space: &SpaceFolder) -> Option<Self> {
        let all = || space.segments.iter().chain(&space.unfinished);
        let last_used = all().map(|found| found.modified).max()?;
        let mut width = None;
        let mut photos = HashSet::new();
        for found in &space.segments {
            match Head::of_file(&found.path) {
                Ok(head) => {
                    width = Some(head.space.width as usize);
                    photos.extend(head.photos);
                }
                Err(fault) => log::debug!("`{}`: {fault:?}", found.path.display()),
            }
        }
        Some(Self {
            space: space.name.clone(),
            width,
            photos: photos.len(),
            files: all().count(),
            bytes: all().map(|found| found.bytes).sum(),
            last_used,
        })
    }
}

/// What the cache in `folder` holds; nothing where there is no such folder. Of each file the head alone is read, and
/// nothing is changed.
///
/// # Errors
/// Where it is no folder or cannot be looked into.
pub fn info(folder: &Path) -> Result<CacheInfo, CacheError> {
    let spaces = inventory::spaces(folder)?;
    Ok(CacheInfo { spaces: spaces.iter().filter_map(SpaceInfo::of).collect() })
}

/// Deletes what is kept in `folder` and says what that was. What is not ours stays, and so do the folders
/// that it is in, and `folder` itself.
///
/// # Errors
/// Where it is no folder or cannot be looked into, or a file cannot be deleted; the others then are.
pub fn clear(folder: &Path) -> Result<CacheInfo, CacheError> {
    let spaces = inventory::spaces(folder)?;
    let info = CacheInfo { spaces: spaces.iter().filter_map(SpaceInfo::of).collect() };
    let mut failed = None;
    for space in spaces {
        for found in space.segments.into_iter().chain(space.unfinished) {
            // Another program may have been faster.
            if let Err(error) = fs::remove_file(&found.path)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                failed.get_or_insert(CacheError::Delete(found.path, error));
            }
        }
        // Only where nothing else is in it.
        let _ = fs::remove_dir(&space.path);
    }
    failed.map_or(Ok(info), Err)
}
