//! Finds the cache's files in its folder by location, name and type, without following links.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{CacheError, EXTENSION};
use crate::output::is_hidden_file;

/// A file of the cache.
pub(super) struct CacheFile {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) modified: SystemTime,
}

/// The files of one space.
pub(super) struct SpaceFolder {
    pub(super) path: PathBuf,
    /// Digest of the space in hexadecimal, which is the folder's name.
    pub(super) name: String,
    /// Complete files, sorted by name.
    pub(super) segments: Vec<CacheFile>,
    /// Files that are still being written, or were left behind by an interrupted program.
    pub(super) unfinished: Vec<CacheFile>,
}

/// The spaces of the cache in `folder`, sorted by name; empty if the folder does not exist.
pub(super) fn spaces(folder: &Path) -> Result<Vec<SpaceFolder>, CacheError> {
    let mut spaces = Vec::new();
    for entry in entries(folder)? {
        let name = entry.file_name().into_string().unwrap_or_default();
        if is_hexadecimal(&name, 64) && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            spaces.push(space(&entry.path(), name)?);
        }
    }
    spaces.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(spaces)
}

/// The files in a space's folder.
pub(super) fn space(path: &Path, name: String) -> Result<SpaceFolder, CacheError> {
    let mut space =
        SpaceFolder { path: path.to_owned(), name, segments: Vec::new(), unfinished: Vec::new() };
    for entry in entries(path)? {
        let name = entry.file_name().into_string().unwrap_or_default();
        let list = match () {
            () if is_segment(&name) => &mut space.segments,
            () if is_hidden_file(&name) => &mut space.unfinished,
            () => continue,
        };
        // Does not follow links. Skip a file that was deleted in the meantime.
        let Ok(metadata) = entry.metadata() else { continue };
        if let (true, Ok(modified)) = (metadata.is_file(), metadata.modified()) {
            list.push(CacheFile { path: entry.path(), bytes: metadata.len(), modified });
        }
    }
    space.segments.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(space)
}

/// The entries of a folder; empty if the folder does not exist.
fn entries(folder: &Path) -> Result<Vec<DirEntry>, CacheError> {
    let listed = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<_>>());
    match listed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(CacheError::NotAFolder(folder.to_owned()))
        }
        listed => listed.map_err(|error| CacheError::Read(folder.to_owned(), error)),
    }
}

fn is_segment(name: &str) -> bool {
    let stem = name.strip_suffix(EXTENSION).and_then(|stem| stem.strip_suffix('.'));
    stem.is_some_and(|stem| is_hexadecimal(stem, 32))
}

fn is_hexadecimal(name: &str, length: usize) -> bool {
    name.len() == length && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_files_are_recognised_by_name() {
        let digits = "0123456789abcdef0123456789abcdef";
        assert!(is_segment(&format!("{digits}.features")));
        for other in [
            digits.to_owned(),
            format!("{digits}.feature"),
            format!("{digits}features"),
            format!("{digits}0.features"),
            format!("{}.features", digits.to_uppercase()),
            "notes.features".into(),
            ".features".into(),
        ] {
            assert!(!is_segment(&other), "{other}");
        }
    }
}
