//! Walks folders: collects photos by file name, and the other files with the reason they are
//! skipped.

use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// File name extensions of the supported formats, in lower case.
const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif"];
/// Files that operating systems put next to photos, other than hidden files.
const CLUTTER: [&str; 2] = ["thumbs.db", "desktop.ini"];

/// A file or folder that was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Path of the file or folder.
    pub path: PathBuf,
    /// Why it was skipped, as a predicate: `it {reason}` is a sentence.
    pub reason: String,
}

/// Result of walking a folder.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// Files with the extension of a supported format, in byte order.
    pub photos: Vec<PathBuf>,
    /// Other files, and symbolic links to a parent folder.
    pub passed_over: Vec<PassedOver>,
    /// Files and folders that could not be read.
    pub unreadable: Vec<PassedOver>,
}

/// Walks everything under `folder`, without hidden files and folders. Symbolic links are followed,
/// except links to a folder above: photos there belong to other classes.
pub fn walk(folder: &Path) -> Walked {
    let mut walked = Walked::default();
    let top = folder.canonicalize().ok();
    let links_to_parent = |path: &Path| {
        path.is_symlink()
            && path.canonicalize().is_ok_and(|target| {
                target.is_dir() && top.as_ref().is_some_and(|top| top.starts_with(&target))
            })
    };
    let parent_link = |path: &Path| PassedOver {
        path: path.to_owned(),
        reason: "is a symbolic link to a folder above it".into(),
    };
    let mut parent_links = Vec::new();
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(|entry| {
        if entry.depth() == 0 {
            return true;
        }
        let follow = !is_clutter(entry.path());
        if follow && links_to_parent(entry.path()) {
            parent_links.push(parent_link(entry.path()));
            return false;
        }
        follow
    }) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) if !entry.file_type().is_file() => walked.passed_over.push(PassedOver {
                path: entry.into_path(),
                reason: "is not a regular file".into(),
            }),
            Ok(entry) if is_photo_name(entry.path()) => walked.photos.push(entry.into_path()),
            Ok(entry) => walked.passed_over.push(not_a_photo(entry.into_path())),
            Err(error) => {
                let path = error.path().unwrap_or(folder);
                match error.io_error() {
                    Some(error) => walked.unreadable.push(PassedOver {
                        path: path.to_owned(),
                        reason: format!("cannot be read: {error}"),
                    }),
                    None => walked.passed_over.push(parent_link(path)),
                }
            }
        }
    }
    walked.passed_over.extend(parent_links);
    walked
}

pub(super) fn not_a_photo(path: PathBuf) -> PassedOver {
    PassedOver {
        path,
        reason: format!("is not a photo: its extension is not one of {}", EXTENSIONS.join(", ")),
    }
}

/// Subfolders and files of `folder`, without hidden ones, each in byte order.
pub(super) fn entries(folder: &Path) -> io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if is_clutter(&path) {
            continue;
        }
        match path.is_dir() {
            true => folders.push(path),
            false => files.push(path),
        }
    }
    folders.sort();
    files.sort();
    Ok((folders, files))
}

pub(super) fn is_photo_name(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        EXTENSIONS.iter().any(|known| extension.to_string_lossy().eq_ignore_ascii_case(known))
    })
}

fn is_clutter(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.starts_with('.') || name == "__macosx" || CLUTTER.contains(&name.as_str())
}
