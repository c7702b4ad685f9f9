//! A folder with everything under it: which files are photos, and why the others are not.

use std::fs::{self, FileType};
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;

use super::Format;
use crate::regular_file;

/// Name suffixes of the formats that are read, in lower case: files with them need no look inside.
/// If the content is something else, decoding says so.
const SUFFIXES: [&str; 16] = [
    "jpg", "jpeg", "jpe", "jfif", "jif", "pjpeg", "pjp", "mpo", "png", "apng", "webp", "bmp",
    "dib", "gif", "tif", "tiff",
];
/// Name suffixes of other pictures. If their content is not recognised, they are reported all the
/// same: a TARGA file has no signature, and a damaged photo may have lost it.
const OTHER_SUFFIXES: [&str; 23] = [
    "avif", "jxl", "heic", "heif", "hif", "jp2", "j2k", "jpf", "tga", "psd", "cr2", "cr3", "crw",
    "nef", "nrw", "arw", "sr2", "dng", "raf", "rw2", "orf", "pef", "srw",
];
/// The suffixes by which versions up to 0.1 found photos, without a look inside.
const OLDER_SUFFIXES: [&str; 8] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif"];
/// Files that operating systems put next to photos, other than hidden files.
const CLUTTER: [&str; 2] = ["thumbs.db", "desktop.ini"];

/// Why a file is not a photo.
pub(super) const NOT_A_PICTURE: &str = "is not a picture";
pub(super) const LINK_TO_PARENT: &str = "is a symbolic link to a folder above it";

/// A folder and everything under it, without hidden files and folders.
#[derive(Debug)]
pub(super) struct Tree {
    pub path: PathBuf,
    /// Files and folders, sorted by name, in byte order.
    pub entries: Vec<Entry>,
    /// Why the folder cannot be read, as a predicate.
    pub unreadable: Option<String>,
}

#[derive(Debug)]
pub(super) enum Entry {
    Folder(Tree),
    File(File),
}

#[derive(Debug)]
pub(super) struct File {
    pub path: PathBuf,
    pub kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A photo by its name or its content.
    Photo,
    /// A photo that cannot be used, or what may be one, with the reason as a predicate.
    Unusable(String),
    /// Not a photo, with the reason as a predicate.
    Other(&'static str),
    /// The file must be looked into.
    Unknown,
}

impl Tree {
    /// Reads `path` and everything under it. Symbolic links are followed, except links to a folder
    /// above: photos there belong to other classes.
    ///
    /// # Errors
    /// If `path` itself cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        fs::read_dir(path)?;
        let real = path.canonicalize()?;
        let mut tree = Self::walk(path.to_owned(), &mut vec![real]);
        let mut unknown = Vec::new();
        tree.collect_unknown(&mut unknown);
        look_into(unknown);
        Ok(tree)
    }

    /// Reads a folder. `chain` has the real paths of the folder and of those that led to it.
    fn walk(path: PathBuf, chain: &mut Vec<PathBuf>) -> Self {
        let mut tree = Self { path, entries: Vec::new(), unreadable: None };
        let found = fs::read_dir(&tree.path).and_then(|entries| {
            entries
                .map(|entry| entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))))
                .collect::<io::Result<Vec<_>>>()
        });
        let mut found = match found {
            Ok(found) => found,
            Err(error) => {
                tree.unreadable = Some(format!("cannot be read: {error}"));
                return tree;
            }
        };
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, kind) in found {
            let path = tree.path.join(&name);
            if is_clutter(&path) {
                continue;
            }
            let kind = match kind.is_symlink() {
                true => fs::metadata(&path).map(|target| target.file_type()),
                false => Ok(kind),
            };
            tree.entries.push(match kind {
                Ok(kind) if kind.is_dir() => Self::subfolder(path, chain),
                kind => Entry::File(File { kind: kind_of(&path, kind), path }),
            });
        }
        tree
    }

    fn subfolder(path: PathBuf, chain: &mut Vec<PathBuf>) -> Entry {
        let real = match (path.is_symlink(), chain.last(), path.file_name()) {
            (false, Some(parent), Some(name)) => parent.join(name),
            _ => path.canonicalize().unwrap_or_else(|_| path.clone()),
        };
        if chain.iter().any(|above| above.starts_with(&real)) {
            return Entry::File(File { path, kind: Kind::Other(LINK_TO_PARENT) });
        }
        chain.push(real);
        let tree = Self::walk(path, chain);
        chain.pop();
        Entry::Folder(tree)
    }

    /// Leaves out the photos that older versions did not find.
    pub fn keep_older_suffixes(&mut self) {
        for entry in &mut self.entries {
            match entry {
                Entry::Folder(tree) => tree.keep_older_suffixes(),
                Entry::File(file) if !has_suffix(&file.path, &OLDER_SUFFIXES) => {
                    file.kind = Kind::Other(NOT_A_PICTURE);
                }
                Entry::File(_) => {}
            }
        }
    }

    fn collect_unknown<'a>(&'a mut self, unknown: &mut Vec<&'a mut File>) {
        for entry in &mut self.entries {
            match entry {
                Entry::Folder(tree) => tree.collect_unknown(unknown),
                Entry::File(file) if file.kind == Kind::Unknown => unknown.push(file),
                Entry::File(_) => {}
            }
        }
    }

    /// The name of the folder, with replacement characters for invalid UTF-8.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// The folders in it, in byte order.
    pub fn folders(&self) -> impl Iterator<Item = &Self> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Folder(tree) => Some(tree),
            Entry::File(_) => None,
        })
    }

    /// The files directly in it, in byte order.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::File(file) => Some(file),
            Entry::Folder(_) => None,
        })
    }

    /// The photos directly in it.
    pub fn own_photos(&self) -> impl Iterator<Item = &Path> {
        self.files().filter(|file| file.kind == Kind::Photo).map(|file| file.path.as_path())
    }

    /// Whether there is a photo anywhere under it.
    pub fn holds_photos(&self) -> bool {
        self.entries.iter().any(|entry| match entry {
            Entry::Folder(tree) => tree.holds_photos(),
            Entry::File(file) => file.kind == Kind::Photo,
        })
    }

    /// The folders in it that hold photos.
    pub fn photo_folders(&self) -> Vec<&Self> {
        self.folders().filter(|folder| folder.holds_photos()).collect()
    }

    /// Calls `file` for each file under it, and `unreadable` for each folder that cannot be read,
    /// depth first.
    pub fn visit<'a>(
        &'a self,
        file: &mut impl FnMut(&'a File),
        unreadable: &mut impl FnMut(&'a Path, &'a str),
    ) {
        if let Some(reason) = &self.unreadable {
            unreadable(&self.path, reason);
        }
        for entry in &self.entries {
            match entry {
                Entry::Folder(tree) => tree.visit(file, unreadable),
                Entry::File(found) => file(found),
            }
        }
    }
}

/// What can be said of a file that is not a folder without a look into it.
fn kind_of(path: &Path, kind: io::Result<FileType>) -> Kind {
    match kind {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Kind::Unusable("is a link to a file that does not exist".into())
        }
        Err(error) => Kind::Unusable(format!("is a link that cannot be followed: {error}")),
        Ok(kind) if !kind.is_file() => Kind::Unusable("is not a regular file".into()),
        Ok(_) if has_suffix(path, &SUFFIXES) => Kind::Photo,
        Ok(_) => Kind::Unknown,
    }
}

/// Decides by their first bytes what `files` are. Some of the data sets on the web have a hundred
/// thousand photos without a suffix, so all cores read.
fn look_into(files: Vec<&mut File>) {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = files.len().div_ceil(threads).max(64);
    let mut files = files;
    thread::scope(|scope| {
        for share in files.chunks_mut(share) {
            scope.spawn(|| {
                for file in share {
                    file.kind = content(&file.path);
                }
            });
        }
    });
}

fn content(path: &Path) -> Kind {
    let head = match regular_file::read_head(path, Format::HEAD) {
        Ok(head) => head,
        Err(error) => return Kind::Unusable(format!("cannot be read: {error}")),
    };
    match Format::of(&head) {
        Some(format) => match format.not_read() {
            None => Kind::Photo,
            Some(reason) => Kind::Unusable(reason),
        },
        None if has_suffix(path, &OTHER_SUFFIXES) => {
            Kind::Unusable(format!("is not a picture in a format that is read: {}", Format::READ))
        }
        None => Kind::Other(NOT_A_PICTURE),
    }
}

/// Whether the name has the suffix of a photo.
pub(super) fn has_photo_suffix(path: impl AsRef<Path>) -> bool {
    has_suffix(path.as_ref(), &SUFFIXES)
        || cfg!(feature = "jpeg-xl") && has_suffix(path.as_ref(), &["jxl"])
}

fn has_suffix(path: &Path, suffixes: &[&str]) -> bool {
    path.extension().is_some_and(|extension| {
        let extension = extension.to_string_lossy();
        suffixes.iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

fn is_clutter(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.starts_with('.') || name == "__macosx" || CLUTTER.contains(&name.as_str())
}
