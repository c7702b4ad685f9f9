//! What keeps the cache small and tidy. It is done when something is written; where it cannot be, the
//! cache is larger than it should be, and still right.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::inventory::{Found, SpaceFolder};
use super::segment::{self, Segment};
use super::{PhotoDigest, Space};

/// Files that a space may have: one more, and small ones are made one.
pub(super) const MOST_SEGMENTS: usize = 32;
/// No file is written with more than this part of all that may be kept: files are deleted whole, and what is
/// deleted should be little.
pub(super) const PARTS: u64 = 8;
/// An unfinished file is older than any writing takes: its program was ended.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Deletes the files that were not used for longest, whatever their space, until the others have no more
/// than `limit` bytes together.
pub(super) fn evict(spaces: Vec<SpaceFolder>, limit: u64) {
    let mut segments: Vec<Found> = spaces.into_iter().flat_map(|space| space.segments).collect();
    segments.sort_by_key(|found| found.modified);
    let mut total: u64 = segments.iter().map(|found| found.bytes).sum();
    for found in segments {
        if total <= limit {
            return;
        }
        match fs::remove_file(&found.path) {
            Ok(()) => {
                log::debug!("`{}`: deleted, the cache was full", found.path.display());
                total -= found.bytes;
            }
            Err(error) => log::debug!("`{}` cannot be deleted: {error}", found.path.display()),
        }
    }
}

/// Deletes what programs that were ended have left half-written.
pub(super) fn sweep(spaces: &[SpaceFolder]) {
    let now = SystemTime::now();
    for found in spaces.iter().flat_map(|space| &space.unfinished) {
        if now.duration_since(found.modified).is_ok_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(&found.path);
        }
    }
}

/// Files that were made one.
pub(super) struct Merged {
    pub(super) into: PathBuf,
    pub(super) from: Vec<PathBuf>,
}

/// Makes one file of the smallest ones of a space where it has too many: of as many as together have no more
/// than `most` bytes. Each photo is in it once. The old ones are deleted when the new one is on the disk.
pub(super) fn merge(folder: SpaceFolder, space: &Space, most: u64) -> Option<Merged> {
    if folder.segments.len() <= MOST_SEGMENTS {
        return None;
    }
    let mut segments = folder.segments;
    segments.sort_by_key(|found| found.bytes);
    let mut total = 0;
    let small = segments.into_iter().take_while(|found| {
        total += found.bytes;
        total <= most
    });
    let mut opened = Vec::new();
    let mut modified = SystemTime::UNIX_EPOCH;
    let mut places: BTreeMap<PhotoDigest, (usize, u32)> = BTreeMap::new();
    for found in small {
        match Segment::open(&found.path, space) {
            Ok((segment, photos)) => {
                for (index, photo) in (0..).zip(photos) {
                    places.entry(photo).or_insert((opened.len(), index));
                }
                // What was used lately is kept, and with it what shares its file.
                modified = modified.max(found.modified);
                opened.push(segment);
            }
            Err(fault) => fault.settle(&found.path),
        }
    }
    if opened.len() < 2 {
        return None;
    }
    let (photos, places): (Vec<PhotoDigest>, Vec<(usize, u32)>) = places.into_iter().unzip();
    let written = segment::write(&folder.path, space, &photos, Some(modified), |at| {
        let (which, index) = places[at];
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
        // Nothing is lost: they stay as many as they are until the next time.
        Err(error) => {
            log::debug!("files of `{}` cannot be merged: {error}", folder.path.display());
            None
        }
    }
}
