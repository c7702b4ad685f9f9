//! Finds the columns of a table: by the names that the user gave, by usual names, or by content.

use super::records::Record;
use super::{TableError, TableOptions};
use crate::photos::Part;
use crate::photos::photo_folder::quoted;
use crate::photos::tree::has_photo_suffix;

/// Which columns of a table hold what: indices into the cells of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns {
    /// The names, empty if the table has no header.
    pub header: Vec<String>,
    pub path: usize,
    pub labels: LabelColumns,
    pub split: Option<usize>,
    pub group: Option<usize>,
}

/// The columns with labels.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LabelColumns {
    /// The photos have no labels.
    None,
    /// A column with one label, or with several and a separator between them.
    One(usize),
    /// A column for each class, which holds 0 or 1.
    Indicators(Vec<usize>),
}

const PATHS: [&str; 11] = [
    "path",
    "file",
    "filename",
    "image",
    "image_path",
    "file_name",
    "file_path",
    "filepath",
    "image_name",
    "image_file",
    "photo",
];
/// Names that tell a photo if no column has one of [`PATHS`]: Kaggle's.
const IDS: [&str; 4] = ["id", "image_id", "img_id", "photo_id"];
const LABELS: [&str; 9] = [
    "label",
    "class",
    "target",
    "category",
    "labels",
    "classes",
    "class_name",
    "tags",
    "label_name",
];
const SPLITS: [&str; 4] = ["split", "part", "subset", "partition"];
const GROUPS: [&str; 2] = ["group", "group_id"];

impl Columns {
    /// Finds the columns, and removes the header from `records`. `is_photo` says whether a path is
    /// one of a photo.
    ///
    /// # Errors
    /// If the path or label column is not clear, or a named column does not exist.
    pub fn find(
        records: &mut Vec<Record>,
        options: &TableOptions,
        is_photo: impl Fn(&str) -> bool,
    ) -> Result<Self, TableError> {
        let first = &records.first().ok_or(TableError::Empty)?.cells;
        let has_header = is_header(first, options)
            || !first.iter().any(|cell| has_photo_suffix(cell) || is_photo(cell));
        let header = match has_header {
            true => records.remove(0).cells,
            // Columns of a table without a header are called by their numbers.
            false => (1..=first.len()).map(|number| number.to_string()).collect(),
        };
        let row = records.first().ok_or(TableError::Empty)?;
        let named = |name: &Option<String>| match name {
            Some(name) => position(&header, name).map(Some),
            None => Ok(None),
        };
        let split = named(&options.split_column)?.or(split_column(&header, row));
        let group = named(&options.group_column)?.or(usual(&header, &GROUPS).first().copied());
        let path = match named(&options.path_column)? {
            Some(path) => path,
            None => path_column(&header, row, is_photo)?,
        };
        let used: Vec<usize> = [Some(path), split, group].into_iter().flatten().collect();
        let labels = match &options.label_column {
            Some(name) => named_labels(&header, name)?,
            None => match label_columns(&header, &used, records) {
                Err(_) if options.without_labels => LabelColumns::None,
                labels => labels?,
            },
        };
        let header = if has_header { header } else { Vec::new() };
        Ok(Self { header, path, labels, split, group })
    }

    /// The name of a column.
    pub fn name(&self, column: usize) -> String {
        self.header.get(column).map_or_else(|| (column + 1).to_string(), |name| name.trim().into())
    }
}

/// Whether the record is a header that is understood.
pub(super) fn is_header(cells: &[String], options: &TableOptions) -> bool {
    let asked =
        [&options.path_column, &options.label_column, &options.split_column, &options.group_column];
    if asked.into_iter().flatten().any(|name| {
        // The number of a column of a table without a header.
        name.parse::<usize>().is_err() && position(cells, name).is_ok()
    }) {
        return true;
    }
    let is_usual = !usual(cells, &PATHS).is_empty()
        || !usual(cells, &IDS).is_empty()
        || !usual(cells, &LABELS).is_empty();
    is_usual && !cells.iter().any(has_photo_suffix)
}

/// The columns with one of these names, in the order of the names; of two with the same name, both.
fn usual(header: &[String], names: &[&str]) -> Vec<usize> {
    let normal: Vec<String> = header
        .iter()
        .map(|name| name.trim().to_lowercase().replace([' ', '-', '.'], "_"))
        .collect();
    let with = |name: &&str| {
        let found = normal.iter().enumerate().filter(|(_, column)| *column == *name);
        found.map(|(index, _)| index).collect::<Vec<_>>()
    };
    names.iter().flat_map(with).collect()
}

/// The column called `name`, in any case if only one is.
fn position(header: &[String], name: &str) -> Result<usize, TableError> {
    let exact = header.iter().position(|column| column.trim() == name.trim());
    let lower = name.trim().to_lowercase();
    let alike: Vec<usize> = header
        .iter()
        .enumerate()
        .filter(|(_, column)| column.trim().to_lowercase() == lower)
        .map(|(index, _)| index)
        .collect();
    match (exact, alike.as_slice()) {
        (Some(index), _) => Ok(index),
        (None, [index]) => Ok(*index),
        _ => Err(TableError::NoColumn { name: name.to_owned(), columns: quoted(header) }),
    }
}

/// One label column, or the 0/1 columns of `name`, with commas between them.
fn named_labels(header: &[String], name: &str) -> Result<LabelColumns, TableError> {
    match position(header, name) {
        Ok(column) => Ok(LabelColumns::One(column)),
        Err(_) if name.contains(',') => {
            let columns: Result<Vec<usize>, _> =
                name.split(',').map(|name| position(header, name)).collect();
            columns.map(LabelColumns::Indicators)
        }
        Err(error) => Err(error),
    }
}

/// The column called `split`, or one with another usual name that holds parts.
fn split_column(header: &[String], row: &Record) -> Option<usize> {
    let holds_parts = |column: &usize| {
        let is_split = header[*column].trim().eq_ignore_ascii_case("split");
        is_split || row.cells.get(*column).is_some_and(|cell| Part::of_text(cell).is_some())
    };
    usual(header, &SPLITS).into_iter().find(holds_parts)
}

fn path_column(
    header: &[String],
    row: &Record,
    is_photo: impl Fn(&str) -> bool,
) -> Result<usize, TableError> {
    let option = "--path-column";
    let (paths, ids) = (usual(header, &PATHS), usual(header, &IDS));
    let found = if paths.is_empty() { ids } else { paths };
    let cell = |column: &usize| row.cells.get(*column).map_or("", String::as_str);
    let all: Vec<usize> = (0..header.len()).collect();
    let candidates = if found.is_empty() { &all } else { &found };
    // Of columns that are called alike, the one that looks like the path of a photo.
    let with_suffix: Vec<usize> =
        candidates.iter().copied().filter(|column| has_photo_suffix(cell(column))).collect();
    let photos = || -> Vec<usize> {
        candidates.iter().copied().filter(|column| is_photo(cell(column))).collect()
    };
    match (found.as_slice(), with_suffix.as_slice()) {
        ([column], _) | (_, [column]) => Ok(*column),
        ([], suffixed) => match photos().as_slice() {
            [column] => Ok(*column),
            _ => match suffixed {
                [] => Err(TableError::UnknownColumn {
                    what: "path",
                    columns: quoted(header),
                    option,
                    usual: "path, file, filename, image, image_path",
                }),
                several => Err(ambiguous("path", header, several, option)),
            },
        },
        (several, _) => match photos().as_slice() {
            [column] => Ok(*column),
            _ => Err(ambiguous("path", header, several, option)),
        },
    }
}

fn ambiguous(
    what: &'static str,
    header: &[String],
    columns: &[usize],
    option: &'static str,
) -> TableError {
    let names: Vec<String> = columns.iter().map(|column| header[*column].clone()).collect();
    TableError::SeveralColumns { what, columns: quoted(&names), option }
}

fn label_columns(
    header: &[String],
    used: &[usize],
    records: &[Record],
) -> Result<LabelColumns, TableError> {
    let option = "--label-column";
    let is_free = |column: &usize| !used.contains(column);
    let named: Vec<usize> = usual(header, &LABELS).into_iter().filter(is_free).collect();
    match named.as_slice() {
        [] => {}
        [column] => return Ok(LabelColumns::One(*column)),
        several => return Err(ambiguous("label", header, several, option)),
    }
    let ids = usual(header, &IDS);
    // pandas writes the row's number into a column without a name.
    let is_index = |column: &usize| header[*column].trim().is_empty() || ids.contains(column);
    let rest: Vec<usize> =
        (0..header.len()).filter(is_free).filter(|column| !is_index(column)).collect();
    match rest.as_slice() {
        [] => return Ok(LabelColumns::None),
        [column] => return Ok(LabelColumns::One(*column)),
        _ => {}
    }
    let indicators: Vec<usize> =
        rest.iter().copied().filter(|column| holds_indicators(*column, records)).collect();
    match indicators.len() {
        0 | 1 => Err(TableError::UnknownColumn {
            what: "label",
            columns: quoted(header),
            option,
            usual: "label, class, target, category, or a column of 0 and 1 for each class",
        }),
        _ => Ok(LabelColumns::Indicators(indicators)),
    }
}

/// Whether most cells of the column are 0 or 1, and some are.
fn holds_indicators(column: usize, records: &[Record]) -> bool {
    let cells = || records.iter().filter_map(|record| record.cells.get(column));
    let flags = cells().filter(|cell| indicator(cell).is_some()).count();
    let empty = cells().filter(|cell| cell.trim().is_empty()).count();
    flags > 0 && (flags + empty) * 2 > cells().count()
}

/// The value of a 0/1 cell. `None` if it is neither.
pub(super) fn indicator(cell: &str) -> Option<bool> {
    match cell.trim() {
        "0" | "0.0" => Some(false),
        "1" | "1.0" => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        text if text.eq_ignore_ascii_case("true") => Some(true),
        _ => None,
    }
}
