//! A cache file, or segment: the features of some photos, written once and never changed.
//!
//! The layout is `[mark, space 32 B, width u32, photos u32, digest of each photo 32 B, SHA-256 of
//! all this]`, then one [record](super::record) of equal length per photo. So opening a file reads
//! only its head, and a row is read and checked on demand: predicting one photo reads 32 bytes of
//! every other photo in the space instead of its row.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::record::{self, CachedPhoto, DIGEST};
use super::{EXTENSION, PhotoDigest, Space, VERSION};
use crate::output::hidden_file;
use crate::printable::PathText;
use crate::sha256::Sha256;

/// Bytes between the mark and the digests of the photos: space, width, number of photos.
const COUNTS: usize = DIGEST + 4 + 4;

/// The first line of a file.
fn mark() -> String {
    format!("kindling features {VERSION}\n")
}

/// Why a file, or a row of it, cannot be used.
#[derive(Debug)]
pub(super) enum Fault {
    /// The content is invalid. Such a file is deleted.
    Damaged(&'static str),
    /// The system cannot read the file: it is gone, or access is denied.
    Unreadable(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("it is truncated"),
            _ => Self::Unreadable(error),
        }
    }
}

impl Fault {
    /// Logs the fault and deletes the file if it is damaged. If it cannot be deleted, the next run
    /// rejects it again.
    pub(super) fn handle(self, path: &Path) {
        match self {
            Self::Damaged(why) => {
                log::warn!("`{}`: {why}; deleted, its features are computed again", path.shown());
                let _ = fs::remove_file(path);
            }
            Self::Unreadable(error) => log::debug!("`{}`: {error}", path.shown()),
        }
    }
}

/// The head of a file, checked.
pub(super) struct Head {
    pub(super) space: Space,
    pub(super) photos: Vec<PhotoDigest>,
    /// Offset of the first record in bytes.
    records: u64,
}

impl Head {
    /// Reads the head of the file at `path`, which must be a regular file.
    pub(super) fn of_file(path: &Path) -> Result<Self, Fault> {
        Self::read(&mut File::open(path)?)
    }

    fn read(file: &mut File) -> Result<Self, Fault> {
        let mark = mark();
        let mut start = vec![0; mark.len() + COUNTS];
        file.read_exact(&mut start)?;
        let Some(counts) = start.strip_prefix(mark.as_bytes()) else {
            return Err(Fault::Damaged("it is not a feature file of this version"));
        };
        let (digest, numbers) = counts.split_first_chunk::<DIGEST>().expect("the digest was read");
        let number = |at: usize| {
            u32::from_le_bytes(*numbers[at..].first_chunk().expect("both numbers were read"))
        };
        let (width, count) = (number(0), u64::from(number(4)));
        let records = (start.len() + DIGEST) as u64 + count * DIGEST as u64;
        let length =
            record::length(width).checked_mul(count).and_then(|all| all.checked_add(records));
        // Check the counts against the file's length before allocating memory for them.
        if length != Some(file.metadata()?.len()) {
            return Err(Fault::Damaged("its length does not match its head"));
        }
        let mut photos = vec![0; records as usize - start.len()];
        file.read_exact(&mut photos)?;
        let (photos, expected) = photos.split_last_chunk::<DIGEST>().expect("a digest is the last");
        let mut hasher = Sha256::new_with_prefix(&start);
        hasher.update(photos);
        if hasher.finalize() != *expected {
            return Err(Fault::Damaged("the digest of its head does not match"));
        }
        let photos = photos.as_chunks().0.iter().map(|digest| PhotoDigest(*digest)).collect();
        Ok(Self { space: Space { digest: *digest, width }, photos, records })
    }
}

/// An open cache file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    space: Space,
    records: u64,
    file: Mutex<File>,
    used: AtomicBool,
    damaged: AtomicBool,
}

impl Segment {
    /// Opens the file at `path`, which must be a regular file of `space`. Also returns the photos
    /// in it, in order.
    pub(super) fn open(path: &Path, space: &Space) -> Result<(Self, Vec<PhotoDigest>), Fault> {
        let mut file = File::open(path)?;
        let head = Head::read(&mut file)?;
        if head.space != *space {
            return Err(Fault::Damaged("it belongs to another network, preprocessing or device"));
        }
        let segment = Self {
            path: path.to_owned(),
            space: head.space,
            records: head.records,
            file: Mutex::new(file),
            used: AtomicBool::new(false),
            damaged: AtomicBool::new(false),
        };
        Ok((segment, head.photos))
    }

    /// The features of `photo`, the file's `index`th. Marks the file as used.
    pub(super) fn photo(&self, index: u32, photo: &PhotoDigest) -> Option<CachedPhoto> {
        let (_, cached) = self.record(index, photo)?;
        self.used.store(true, Ordering::Relaxed);
        Some(cached)
    }

    /// The `index`th record, checked, as bytes and decoded. If it is damaged, the file is deleted
    /// and none of its photos is returned any more.
    pub(super) fn record(&self, index: u32, photo: &PhotoDigest) -> Option<(Vec<u8>, CachedPhoto)> {
        if self.is_damaged() {
            return None;
        }
        let read = self.read(index).and_then(|bytes| {
            let cached = record::decode(&self.space, photo, &bytes);
            cached
                .map(|cached| (bytes, cached))
                .ok_or(Fault::Damaged("the digest of a row does not match"))
        });
        let fault = match read {
            Ok(record) => return Some(record),
            Err(fault) => fault,
        };
        if matches!(fault, Fault::Damaged(_)) {
            self.damaged.store(true, Ordering::Relaxed);
        }
        fault.handle(&self.path);
        None
    }

    fn read(&self, index: u32) -> Result<Vec<u8>, Fault> {
        let length = record::length(self.space.width);
        let mut bytes = vec![0; length as usize];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.records + u64::from(index) * length))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether a damaged row was found.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Updates the file's modification time if it was used since the last call, so that unused
    /// files are deleted first. If that is not permitted, the file ages from the time it was
    /// written.
    pub(super) fn touch(&self) {
        let is_file = || fs::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.is_file());
        if self.used.swap(false, Ordering::Relaxed) && !self.is_damaged() && is_file() {
            let touched = File::options()
                .append(true)
                .open(&self.path)
                .and_then(|file| file.set_modified(SystemTime::now()));
            if let Err(error) = touched {
                log::debug!("`{}` cannot be marked as used: {error}", self.path.shown());
            }
        }
    }
}

/// Writes the records of `photos` to a new file in `folder`. The file gets its name, which is
/// unique, once it is complete and synced to disk. `modified` is its modification time, by default
/// now.
pub(super) fn write<R: AsRef<[u8]>>(
    folder: &Path,
    space: &Space,
    photos: &[PhotoDigest],
    modified: Option<SystemTime>,
    mut record: impl FnMut(usize) -> io::Result<R>,
) -> io::Result<PathBuf> {
    let mut head = mark().into_bytes();
    head.extend(space.digest);
    head.extend(space.width.to_le_bytes());
    let count = u32::try_from(photos.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    head.extend(count.to_le_bytes());
    head.extend(photos.iter().flat_map(|photo| photo.0));
    head.extend_from_slice(&Sha256::digest(&head));

    let hidden = hidden_file(folder)?;
    let mut out = BufWriter::new(hidden.as_file());
    out.write_all(&head)?;
    for index in 0..photos.len() {
        out.write_all(record(index)?.as_ref())?;
    }
    out.flush()?;
    drop(out);
    if let Some(modified) = modified {
        hidden.as_file().set_modified(modified)?;
    }
    hidden.as_file().sync_all()?;
    // Every `RandomState` has different random keys, so 128 bits of hashes make names unique.
    let random = || RandomState::new().hash_one(std::process::id());
    let path = folder.join(format!("{:016x}{:016x}.{EXTENSION}", random(), random()));
    hidden.persist(&path).map_err(|error| error.error)?;
    Ok(path)
}
