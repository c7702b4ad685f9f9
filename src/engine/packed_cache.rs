//! The folder of packed weights: what a process computes from a network's weights before its first
//! forward, kept for the next one.
//!
//! It lies in the feature cache's folder and follows the same rules: files are written under a
//! hidden name, renamed when they are complete, and never changed; whatever is damaged is made
//! anew; the least recently used files are deleted first. Beside the packed weights there are
//! digests: the SHA-256 of weights by what identifies their file, so that a file is read and
//! hashed once.
//!
//! Every file belongs to the program that wrote it: another build may pack, or read weights,
//! differently, and shares none.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::SystemTime;

use crate::file_stamp::FileStamp;
use crate::output::{hidden_file, is_hidden_file};
use crate::printable::hexadecimal;
use crate::sha256::Sha256;

/// A key: a SHA-256 of everything that the content depends on, without the program.
pub(crate) type Key = [u8; 32];

/// Extension of packed weights.
pub(super) const PACKED: &str = "packed";
/// Extension of digests.
const DIGEST: &str = "digest";

/// The folder of packed weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedCache {
    folder: PathBuf,
}

/// The files of a [`PackedCache`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackedFiles {
    /// Their number, unfinished ones included.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
}

/// A file of the cache.
struct CacheFile {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
    is_unfinished: bool,
}

impl PackedCache {
    /// Maximum size of all files in bytes.
    pub const LIMIT: u64 = 512 << 20;

    /// The packed weights that belong to the feature cache in `folder`.
    pub fn beside(folder: &Path) -> Self {
        Self { folder: folder.join("packed") }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file for `key`. `None` if this program cannot be told from others.
    pub(super) fn path(&self, key: &Key, extension: &str) -> Option<PathBuf> {
        let key = own(key)?;
        Some(self.folder.join(format!("{}.{extension}", hexadecimal(&key))))
    }

    /// The digest that was remembered for `key`.
    pub(crate) fn digest(&self, key: &Key) -> Option<[u8; 32]> {
        let mut bytes = Vec::new();
        let file = File::open(self.path(key, DIGEST)?).ok()?;
        file.take(DIGEST_FILE as u64 + 1).read_to_end(&mut bytes).ok()?;
        let (digest, check) = bytes.split_at_checked(32)?;
        (Sha256::digest(&[&own(key)?, digest].concat()) == check).then(|| digest.try_into().ok())?
    }

    /// Remembers `digest` for `key`. That it cannot is no error: it will be computed again.
    pub(crate) fn remember(&self, key: &Key, digest: &[u8; 32]) {
        let (Some(path), Some(key)) = (self.path(key, DIGEST), own(key)) else { return };
        let written = fs::create_dir_all(&self.folder).and_then(|()| hidden_file(&self.folder));
        let written = written.and_then(|mut hidden| {
            hidden.write_all(digest)?;
            hidden.write_all(&Sha256::digest(&[&key, &digest[..]].concat()))?;
            hidden.persist(path).map_err(|error| error.error)
        });
        if let Err(error) = written {
            log::debug!("a digest is not kept: {error}");
        }
    }

    /// Deletes the least recently used files beyond `limit` bytes, but not `newest`, and what
    /// interrupted programs left behind.
    pub(super) fn tidy(&self, newest: &Path, limit: u64) {
        let Ok(mut files) = self.list() else { return };
        files.sort_by_key(|file| file.modified);
        let mut total: u64 = files.iter().map(|file| file.bytes).sum();
        for file in files {
            let is_abandoned = file.is_unfinished
                && file.modified.elapsed().is_ok_and(|age| age.as_secs() > 24 * 60 * 60);
            let is_beyond = total > limit && !file.is_unfinished && file.path != newest;
            if (is_abandoned || is_beyond) && fs::remove_file(&file.path).is_ok() {
                total -= file.bytes;
            }
        }
    }

    /// Number and size of its files; none if the folder does not exist.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn files(&self) -> io::Result<PackedFiles> {
        let files = self.list()?;
        Ok(PackedFiles { files: files.len(), bytes: files.iter().map(|file| file.bytes).sum() })
    }

    /// Deletes its files, and the folder if nothing else is in it. Returns what was deleted.
    ///
    /// # Errors
    /// If a file cannot be deleted.
    pub fn clear(&self) -> io::Result<PackedFiles> {
        let mut deleted = PackedFiles::default();
        for file in self.list()? {
            match fs::remove_file(&file.path) {
                // Another program may have deleted it in the meantime.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {
                    deleted.files += 1;
                    deleted.bytes += file.bytes;
                }
            }
        }
        let _ = fs::remove_dir(&self.folder);
        Ok(deleted)
    }

    /// Its files, recognised by name and type. Links are not followed.
    fn list(&self) -> io::Result<Vec<CacheFile>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            // `clear --cache FILE` is reported by the feature cache.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().into_string().unwrap_or_default();
            let is_unfinished = is_hidden_file(&name);
            if !is_unfinished && !is_own(&name) {
                continue;
            }
            // Skip a file that was deleted in the meantime.
            let Ok(metadata) = entry.metadata() else { continue };
            if let (true, Ok(modified)) = (metadata.is_file(), metadata.modified()) {
                let (path, bytes) = (entry.path(), metadata.len());
                files.push(CacheFile { path, bytes, modified, is_unfinished });
            }
        }
        Ok(files)
    }
}

/// Bytes of a digest's file: the digest, and the SHA-256 of the key and it.
const DIGEST_FILE: usize = 64;

/// Whether a file's name is one that [`PackedCache::path`] gives.
fn is_own(name: &str) -> bool {
    name.split_once('.').is_some_and(|(key, extension)| {
        key.len() == 64
            && key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && [PACKED, DIGEST].contains(&extension)
    })
}

/// The key that `key` has for this program alone. `None` if it cannot be told from others.
pub(super) fn own(key: &Key) -> Option<Key> {
    let mut own = Sha256::new_with_prefix(PROGRAM.as_ref()?);
    own.update(key);
    Some(own.finalize())
}

/// Identifies this program: its file, and when that was written. A version number would not do: a
/// developer's builds have the same one.
static PROGRAM: LazyLock<Option<Key>> = LazyLock::new(|| {
    let program = std::env::current_exe().ok()?;
    let stamp = FileStamp::at(&program).ok()?;
    let mut key = Sha256::new_with_prefix(program.as_os_str().as_encoded_bytes());
    key.update(format!("\n{stamp:?}\n{} {}", std::env::consts::ARCH, env!("CARGO_PKG_VERSION")));
    Some(key.finalize())
});
