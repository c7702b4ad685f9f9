//! The folder that the paths of a table are relative to.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::TableError;
use super::cells::Row;
use super::error::short;
use super::lookup::Lookup;
use super::problems::{Kind, Problems};
use crate::photos::photo_folder::quoted;

/// Folders beside a table that hold its photos, if none is where the table says: Kaggle's.
const BESIDE: [&str; 8] =
    ["train", "images", "photos", "train_images", "img", "imgs", "image", "data"];

/// The folders in which photos are looked for.
pub(super) struct Folders {
    /// The folder of `--photo-folder`, or the table's.
    base: PathBuf,
    /// Folders below it.
    beside: Vec<PathBuf>,
    lookup: RefCell<Lookup>,
}

impl Folders {
    pub fn of(table: &Path, photo_folder: Option<&Path>) -> Self {
        let base = match photo_folder {
            Some(folder) => folder.to_owned(),
            None => table.parent().map(Path::to_owned).unwrap_or_default(),
        };
        let stem = table.file_stem().and_then(|stem| stem.to_str()).unwrap_or("train");
        let mut names: Vec<&str> = BESIDE.to_vec();
        if photo_folder.is_some() {
            names.clear();
        } else if !names.contains(&stem) {
            names.push(stem);
        }
        let beside = names.into_iter().map(|name| base.join(name)).filter(|path| path.is_dir());
        Self { beside: beside.collect(), base, lookup: RefCell::default() }
    }

    /// Whether the text is the path of a photo.
    pub fn has(&self, text: &str) -> bool {
        let mut lookup = self.lookup.borrow_mut();
        let folders = std::iter::once(&self.base).chain(&self.beside);
        !text.trim().is_empty() && folders.into_iter().any(|base| lookup.find(base, text).is_ok())
    }

    /// The folders for a message.
    pub fn searched(&self) -> String {
        match self.base.as_os_str().is_empty() {
            true => "the current folder".into(),
            false => format!("`{}`", short(&self.base)),
        }
    }

    /// Finds the file of each row. Rows without one become problems.
    ///
    /// # Errors
    /// If the photos may be in several folders, or a quote was not closed.
    pub fn resolve(
        &self,
        rows: Vec<Row>,
        problems: &mut Problems,
    ) -> Result<Vec<(Row, PathBuf)>, TableError> {
        let mut lookup = self.lookup.borrow_mut();
        let mut holds = |base: &Path| rows.iter().any(|row| lookup.find(base, &row.path).is_ok());
        let base = if holds(&self.base) {
            &self.base
        } else {
            let found: Vec<&PathBuf> = self.beside.iter().filter(|base| holds(base)).collect();
            match found.as_slice() {
                [] => &self.base,
                [base] => *base,
                several => {
                    let names: Vec<String> = several.iter().map(short).collect();
                    return Err(TableError::SeveralFolders { folders: quoted(&names) });
                }
            }
        };
        let mut photos = Vec::with_capacity(rows.len());
        for row in rows {
            match lookup.find(base, &row.path) {
                Ok(path) => photos.push((row, path)),
                Err(_) if row.path.contains('\n') => {
                    return Err(TableError::OpenQuote { line: row.line });
                }
                Err(missing) => problems.add(Kind::File(missing), row.line, row.path),
            }
        }
        Ok(photos)
    }
}
