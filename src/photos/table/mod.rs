//! Tables of photos with their labels: `.csv`, `.tsv` and `.parquet` files.
//!
//! A row names a photo and its labels, and optionally the part of a split and a group. Rows that
//! cannot be used are passed over with a warning; what would put a wrong label or a wrong split
//! into a model is an error.

mod cells;
mod columns;
mod error;
mod lookup;
#[cfg(feature = "parquet")]
mod parquet;
mod problems;
mod records;
mod resolve;
mod shards;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::folder_error::MAX_CLASSES;
use super::photo_folder::quoted;
use super::{FolderError, Label, LabelSet, LabelledPhoto, Part, PassedOver, PhotoSet, Shard};
use crate::regular_file;
use columns::{Columns, LabelColumns};
pub use error::TableError;
pub(super) use error::short;
use problems::Problems;
use records::Record;

/// Largest size of a table file, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// How a table is to be read. The default finds the columns by usual names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// Name of the column with the paths; or, in a table without a header, its number from 1.
    pub path_column: Option<String>,
    /// The column with the labels; or the columns with a 0 or 1 for each class, with commas.
    pub label_column: Option<String>,
    /// What separates the labels of a photo that may have several.
    pub label_separator: Option<String>,
    /// The column with `train`, `val` or `test`.
    pub split_column: Option<String>,
    /// The column with the group of a photo.
    pub group_column: Option<String>,
    /// The folder that paths are relative to. The default is the table's own.
    pub photo_folder: Option<PathBuf>,
    /// Whether photos without a label are used: rows then have an empty [`LabelSet`].
    pub without_labels: bool,
}

/// A row of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    /// Path of the photo, which exists.
    pub path: PathBuf,
    /// The classes of the photo.
    pub labels: LabelSet,
    /// The part of the split, if the table has a column for it.
    pub part: Option<Part>,
    /// Index into the groups.
    pub group: Option<usize>,
    /// The line in the file, from 1; in a Parquet file, the row.
    pub line: u64,
}

/// A table of photos.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The file.
    pub path: PathBuf,
    /// Class names in byte order; labels are indices into them. Empty if there are no labels.
    pub classes: Vec<String>,
    /// Names of the groups, in byte order.
    pub groups: Vec<String>,
    /// The rows with photos, in the order of the file. No photo is in two of them.
    pub rows: Vec<TableRow>,
    /// Whether photos may have several labels, or none.
    pub is_multi_label: bool,
    /// Which columns hold what, in words.
    pub columns: String,
    /// Rows that are not used, with the reason. [`warnings`](Self::warnings) reports them.
    pub passed_over: Vec<PassedOver>,
    /// What the user should know, as sentences of at most 300 characters.
    pub warnings: Vec<String>,
}

impl Table {
    /// Whether `path` is a table or names shards, by its ending, and not a folder.
    pub fn is_one(path: &Path) -> bool {
        let is_known = |ending: &std::ffi::OsStr| {
            ["csv", "tsv", "parquet", "tar", "zip"]
                .iter()
                .any(|known| ending.eq_ignore_ascii_case(known))
        };
        path.extension().is_some_and(is_known) && !path.is_dir()
    }

    /// Reads the table in the file `path`, and finds its photos. The photos of a `.tar` or `.zip`
    /// file, or of several that a pattern names, are a table too.
    ///
    /// # Errors
    /// If the file is no table, its columns are not clear, no photo exists, or rows contradict each
    /// other.
    pub fn read(path: &Path, options: &TableOptions) -> Result<Self, FolderError> {
        if Shard::is_one(path) {
            return shards::read(path, options);
        }
        Self::parse(path, options).map_err(|error| error.of(path.to_owned()))
    }

    fn parse(path: &Path, options: &TableOptions) -> Result<Self, TableError> {
        let mut problems = Problems::new(path);
        let mut records = records_of(path, options, &mut problems)?;
        let folders = resolve::Folders::of(path, options.photo_folder.as_deref());
        let columns = Columns::find(&mut records, options, |cell| folders.has(cell))?;
        if columns.labels == LabelColumns::None && !options.without_labels {
            return Err(TableError::NoLabels { columns: quoted(&columns.header) });
        }
        let count = records.len();
        let cells = cells::read(records, &columns, options, &mut problems)?;
        let photos = folders.resolve(cells, &mut problems)?;
        if photos.is_empty() {
            return Err(TableError::Nothing {
                rows: count.to_string(),
                why: problems.why_nothing(&folders.searched()),
            });
        }
        let (rows, names) = cells::rows(photos, &columns, options, &mut problems)?;
        let several = options.label_separator.is_some()
            || !names.classes.is_empty() && rows.iter().any(|row| row.labels.len() != 1);
        let table = Self {
            path: path.to_owned(),
            is_multi_label: several,
            classes: names.classes,
            groups: names.groups,
            rows,
            columns: in_words(&columns),
            passed_over: problems.passed_over(),
            warnings: problems.warnings(count),
        };
        match table.classes.len() {
            0..=MAX_CLASSES => Ok(table),
            classes => Err(TableError::TooManyClasses {
                column: match columns.labels {
                    LabelColumns::One(column) => columns.name(column),
                    _ => "label".into(),
                },
                classes,
                examples: quoted(&table.classes),
            }),
        }
    }

    /// The photos in `part`, or all of them, with labels that are indices into [`Table::classes`].
    ///
    /// # Errors
    /// If a photo has more labels, or fewer, than `L` holds.
    pub fn photos<L: Label>(&self, part: Option<Part>) -> Result<PhotoSet<L>, FolderError> {
        let of_part = self.rows.iter().filter(|row| part.is_none() || row.part == part);
        let mut photos = of_part
            .map(|row| {
                let label = L::of(&row.labels).ok_or_else(|| {
                    let labels = row.labels.len();
                    let place = problems::place(&self.path, row.line);
                    TableError::NotOneLabel { place, labels }.of(self.path.clone())
                })?;
                Ok(LabelledPhoto { path: row.path.clone(), label, group: row.group })
            })
            .collect::<Result<Vec<_>, FolderError>>()?;
        photos.sort_by(|one, other| (&one.label, &one.path).cmp(&(&other.label, &other.path)));
        Ok(PhotoSet {
            classes: self.classes.clone(),
            photos,
            passed_over: self.passed_over.clone(),
            folder: self.path.clone(),
        })
    }

    /// The photos to evaluate a model on, with labels that are indices into `classes`, the model's:
    /// the validation rows if there are some, otherwise the test rows, otherwise all.
    ///
    /// # Errors
    /// If the model does not know a class, or a photo has more labels, or fewer, than `L` holds.
    pub fn labelled_as<L: Label>(&self, classes: &[String]) -> Result<PhotoSet<L>, FolderError> {
        let has = |part: &Part| self.rows.iter().any(|row| row.part == Some(*part));
        let set = self.photos::<L>([Part::Val, Part::Test].into_iter().find(has))?;
        set.labelled_as(classes)
    }

    /// Number of rows in each part, and of those without one.
    pub fn counts(&self) -> BTreeMap<Option<&'static str>, usize> {
        let mut counts = BTreeMap::new();
        for row in &self.rows {
            *counts.entry(row.part.map(Part::name)).or_default() += 1;
        }
        counts
    }
}

fn records_of(
    path: &Path,
    options: &TableOptions,
    problems: &mut Problems,
) -> Result<Vec<Record>, TableError> {
    let has_ending = |known: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(known));
    if has_ending("parquet") {
        #[cfg(feature = "parquet")]
        return parquet::read(path);
        #[cfg(not(feature = "parquet"))]
        return Err(TableError::NoParquet);
    }
    let bytes = regular_file::read(path, MAX_BYTES).map_err(TableError::Read)?;
    let decoded = text::decode(&bytes)?;
    if let Some((line, count)) = decoded.other_encoding {
        problems.other_encoding(line, count);
    }
    let separator = options.label_separator.as_deref();
    let is_header = |cells: &[String]| columns::is_header(cells, options);
    records::read(&decoded.text, has_ending("tsv"), separator, is_header)
}

fn in_words(columns: &Columns) -> String {
    let name = |column: usize| format!("`{}`", columns.name(column));
    let mut words = vec![format!("path {}", name(columns.path))];
    match &columns.labels {
        LabelColumns::None => {}
        LabelColumns::One(column) => words.push(format!("label {}", name(*column))),
        LabelColumns::Indicators(found) => {
            words.push(format!("{} columns of 0 and 1", found.len()))
        }
    }
    words.extend(columns.split.map(|column| format!("split {}", name(column))));
    words.extend(columns.group.map(|column| format!("group {}", name(column))));
    let numbered = if columns.header.is_empty() { "no header, columns " } else { "" };
    format!("{numbered}{}", words.join(", "))
}
