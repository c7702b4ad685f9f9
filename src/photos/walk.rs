//! What lies in folders: photos by their names, the rest with a reason.

use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// File name endings of the formats that are decoded, in lower case.
const ENDINGS: [&str; 8] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif"];
/// Files that systems put beside photos, besides those whose name starts with a dot.
const CLUTTER: [&str; 2] = ["thumbs.db", "desktop.ini"];

/// A file that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Where it is.
    pub path: PathBuf,
    /// Why, as the end of a sentence that starts with the path.
    pub reason: String,
}

/// What a walk through a folder found.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// Files whose name says that they are photos, in byte order.
    pub photos: Vec<PathBuf>,
    /// The others, and links that lead back up.
    pub passed_over: Vec<PassedOver>,
    /// What could not be looked into.
    pub unreadable: Vec<PassedOver>,
}

/// Everything under `folder`, following links, without hidden files and folders. A link to a folder
/// above it is not followed: what is there belongs to other classes.
pub fn walk(folder: &Path) -> Walked {
    let mut walked = Walked::default();
    let top = folder.canonicalize().ok();
    let leads_back = |path: &Path| {
        path.is_symlink()
            && path.canonicalize().is_ok_and(|target| {
                target.is_dir() && top.as_ref().is_some_and(|top| top.starts_with(&target))
            })
    };
    let back = |path: &Path| PassedOver {
        path: path.to_owned(),
        reason: "is a link that leads back to a folder above it".into(),
    };
    let mut links_back = Vec::new();
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(|entry| {
        if entry.depth() == 0 {
            return true;
        }
        let follow = !is_clutter(entry.path());
        if follow && leads_back(entry.path()) {
            links_back.push(back(entry.path()));
            return false;
        }
        follow
    }) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) if !entry.file_type().is_file() => walked
                .passed_over
                .push(PassedOver { path: entry.into_path(), reason: "is no regular file".into() }),
            Ok(entry) if is_photo_name(entry.path()) => walked.photos.push(entry.into_path()),
            Ok(entry) => walked.passed_over.push(not_a_photo(entry.into_path())),
            Err(error) => {
                let path = error.path().unwrap_or(folder);
                match error.io_error() {
                    Some(error) => walked.unreadable.push(PassedOver {
                        path: path.to_owned(),
                        reason: format!("cannot be looked into: {error}"),
                    }),
                    None => walked.passed_over.push(back(path)),
                }
            }
        }
    }
    walked.passed_over.extend(links_back);
    walked
}

pub(super) fn not_a_photo(path: PathBuf) -> PassedOver {
    PassedOver {
        path,
        reason: format!("is no photo: its name ends in none of {}", ENDINGS.join(", ")),
    }
}

/// Subfolders and files of `folder`, each in byte order.
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
    path.extension().is_some_and(|ending| {
        ENDINGS.iter().any(|known| ending.to_string_lossy().eq_ignore_ascii_case(known))
    })
}

fn is_clutter(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.starts_with('.') || name == "__macosx" || CLUTTER.contains(&name.as_str())
}
