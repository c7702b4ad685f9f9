//! Finds the files that a table names.
//!
//! Each folder is listed once, and names are looked up in the list: a file system call for each row
//! and each possible ending would take minutes for 100,000 rows on a network drive.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::photos::tree::has_photo_suffix;

/// Why a path names no photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Missing {
    /// There is no such file.
    NotThere,
    /// It is a folder, a pipe or a device.
    NotAFile,
    /// Several photos have this name and different endings.
    Ambiguous,
}

/// The files of the folders that were looked into.
#[derive(Default)]
pub(super) struct Lookup {
    folders: HashMap<PathBuf, Listing>,
}

#[derive(Default)]
struct Listing {
    /// Each name, and whether it is a regular file.
    names: HashMap<OsString, bool>,
    /// Photos by their names without the ending, and files by their names in lower case. Made when
    /// a name is not there.
    others: Option<OtherNames>,
    /// Whether the folder exists but may not be listed, only entered.
    is_secret: bool,
}

#[derive(Default)]
struct OtherNames {
    by_stem: HashMap<OsString, Vec<OsString>>,
    by_lower_case: HashMap<String, Vec<OsString>>,
}

impl Lookup {
    /// The file that `text` names below `base`: as it is, without spaces around it, with
    /// backslashes as separators, with an ending of a photo, or in other upper and lower case.
    ///
    /// # Errors
    /// If there is none, or several.
    pub fn find(&mut self, base: &Path, text: &str) -> Result<PathBuf, Missing> {
        let mut worst = Missing::NotThere;
        for path in readings(text) {
            match self.file(&base.join(path)) {
                Ok(path) => return Ok(path),
                Err(Missing::NotThere) => {}
                Err(missing) => worst = missing,
            }
        }
        Err(worst)
    }

    fn file(&mut self, path: &Path) -> Result<PathBuf, Missing> {
        let Some(Component::Normal(name)) = path.components().next_back() else {
            return Err(Missing::NotAFile);
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        if !self.folders.contains_key(folder) {
            self.folders.insert(folder.to_owned(), Listing::read(folder));
        }
        let listing = self.folders.get_mut(folder).ok_or(Missing::NotThere)?;
        match listing.is_secret && path.is_file() {
            true => Ok(path.to_owned()),
            false => listing.file(name).map(|name| folder.join(name)),
        }
    }
}

/// What the text of a path may mean.
fn readings(text: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = vec![text.into()];
    let trimmed = text.trim();
    paths.push(trimmed.into());
    if !cfg!(windows) && trimmed.contains('\\') {
        paths.push(trimmed.replace('\\', "/").into());
        // Runs and `embed` write paths that are not UTF-8 with escapes.
        paths.push(crate::printable::path_of(trimmed));
    }
    #[cfg(unix)]
    if !trimmed.is_ascii()
        && let Ok(bytes) = trimmed.chars().map(u8::try_from).collect::<Result<Vec<u8>, _>>()
    {
        use std::os::unix::ffi::OsStringExt;
        // The table is not UTF-8, and neither is the name.
        paths.push(OsString::from_vec(bytes).into());
    }
    let mut seen = HashSet::new();
    paths.retain(|path| seen.insert(path.as_os_str().to_owned()));
    paths
}

impl Listing {
    /// Lists a folder. One that cannot be read is empty.
    fn read(folder: &Path) -> Self {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mut names = HashMap::new();
        let entries = fs::read_dir(folder);
        let is_secret = entries.is_err() && folder.is_dir();
        for entry in entries.into_iter().flatten().flatten() {
            let is_file = match entry.file_type() {
                Ok(kind) if kind.is_symlink() => entry.path().is_file(),
                Ok(kind) => kind.is_file(),
                Err(_) => false,
            };
            names.insert(entry.file_name(), is_file);
        }
        Self { names, others: None, is_secret }
    }

    fn file(&mut self, name: &OsStr) -> Result<OsString, Missing> {
        let is_file = self.names.get(name).copied();
        if is_file == Some(true) {
            return Ok(name.to_owned());
        }
        let Self { names, others, .. } = self;
        let others = others.get_or_insert_with(|| OtherNames::of(names));
        let lower = name.to_string_lossy().to_lowercase();
        let candidates = others.by_stem.get(name).or_else(|| others.by_lower_case.get(&lower));
        match (candidates.map(Vec::as_slice), is_file) {
            (Some([found]), _) => Ok(found.clone()),
            (Some([_, _, ..]), _) => Err(Missing::Ambiguous),
            (_, Some(_)) => Err(Missing::NotAFile),
            _ => Err(Missing::NotThere),
        }
    }
}

impl OtherNames {
    fn of(names: &HashMap<OsString, bool>) -> Self {
        let mut others = Self::default();
        for (name, _) in names.iter().filter(|(_, is_file)| **is_file) {
            if let (Some(stem), true) = (Path::new(name).file_stem(), has_photo_suffix(name)) {
                others.by_stem.entry(stem.to_owned()).or_default().push(name.clone());
            }
            let lower = name.to_string_lossy().to_lowercase();
            others.by_lower_case.entry(lower).or_default().push(name.clone());
        }
        others
    }
}

/// The same path for all spellings of it with `.` and `..`, to find rows about the same photo.
pub(super) fn same_path(path: &Path) -> PathBuf {
    match path.components().any(|part| part == Component::ParentDir) {
        true => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
        false => {
            let parts = path.components().filter(|part| *part != Component::CurDir);
            let plain: PathBuf = parts.collect();
            std::path::absolute(&plain).unwrap_or(plain)
        }
    }
}
