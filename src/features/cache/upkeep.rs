//! Keeps the cache small and tidy, after every write. If that fails, the cache is larger than it
//! should be but still correct.

use crate::printable::PathText;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::inventory::{CacheFile, SpaceFolder};
use super::segment::{self, Segment};
use super::{PhotoDigest, Space};

/// Files that a space may have before small ones are merged.
pub(super) const MAX_SEGMENTS: usize = 32;
/// A new file takes at most about 1/8 of the limit. Files are deleted whole, so this bounds how
/// much is deleted at once.
pub(super) const LIMIT_DIVISOR: u64 = 8;
/// Age at which an unfinished file counts as abandoned: no write takes this long.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Deletes the least recently used files of all spaces until the rest takes at most `limit` bytes.
pub(super) fn evict(spaces: Vec<SpaceFolder>, limit: u64) {
    let mut segments: Vec<CacheFile> =
        spaces.into_iter().flat_map(|space| space.segments).collect();
    segments.sort_by_key(|file| file.modified);
    let mut total: u64 = segments.iter().map(|file| file.bytes).sum();
    for file in segments {
        if total <= limit {
            return;
        }
        match fs::remove_file(&file.path) {
            Ok(()) => {
                log::debug!("`{}`: deleted, the cache was full", file.path.shown());
                total -= file.bytes;
            }
            Err(error) => log::debug!("`{}` cannot be deleted: {error}", file.path.shown()),
        }
    }
}

/// Deletes unfinished files left behind by interrupted programs.
pub(super) fn sweep(spaces: &[SpaceFolder]) {
    let now = SystemTime::now();
    for file in spaces.iter().flat_map(|space| &space.unfinished) {
        if now.duration_since(file.modified).is_ok_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(&file.path);
        }
    }
}

/// A merged file, and the files that it replaces.
pub(super) struct Merged {
    pub(super) into: PathBuf,
    pub(super) from: Vec<PathBuf>,
}

/// If a space has too many files, merges the smallest ones into one file of at most `max_bytes`
/// that holds each photo once. The old files are deleted when the new one is on disk.
pub(super) fn merge(folder: SpaceFolder, space: &Space, max_bytes: u64) -> Option<Merged> {
    if folder.segments.len() <= MAX_SEGMENTS {
        return None;
    }
    let mut segments = folder.segments;
    segments.sort_by_key(|file| file.bytes);
    let mut total = 0;
    let small = segments.into_iter().take_while(|file| {
        total += file.bytes;
        total <= max_bytes
    });
    let mut opened = Vec::new();
    let mut modified = SystemTime::UNIX_EPOCH;
    let mut locations: BTreeMap<PhotoDigest, (usize, u32)> = BTreeMap::new();
    for file in small {
        match Segment::open(&file.path, space) {
            Ok((segment, photos)) => {
                for (index, photo) in (0..).zip(photos) {
                    locations.entry(photo).or_insert((opened.len(), index));
                }
                // The merged file is as recently used as the latest of its parts.
                modified = modified.max(file.modified);
                opened.push(segment);
            }
            Err(fault) => fault.handle(&file.path),
        }
    }
    if opened.len() < 2 {
        return None;
    }
    let (photos, locations): (Vec<PhotoDigest>, Vec<(usize, u32)>) = locations.into_iter().unzip();
    let written = segment::write(&folder.path, space, &photos, Some(modified), |at| {
        let (which, index) = locations[at];
        let segment: &Segment = &opened[which];
        let record = segment.record(index, &photos[at]);
        record.map(|(bytes, _)| bytes).ok_or(io::ErrorKind::InvalidData.into())
    });
    match written {
        Ok(into) => {
            let from: Vec<PathBuf> = opened.into_iter().map(|segment| segment.path).collect();
            for path in &from {
                let _ = fs::remove_file(path);
            }
            Some(Merged { into, from })
        }
        // Nothing is lost: the files are left as they are until the next attempt.
        Err(error) => {
            log::debug!("files of `{}` cannot be merged: {error}", folder.path.shown());
            None
        }
    }
}
