//! Errors in a table of photos, with their remedies.

use std::io;
use std::path::PathBuf;

use crate::photos::FolderError;
use crate::printable::{PathText, shortened};

/// Why a table cannot be read as a set of photos.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be read.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// The file is not a text table.
    #[error("it is {0}")]
    NotText(String),
    /// The build lacks the format.
    #[error(
        "this build cannot read Parquet files: build with `--features parquet`, or save the table \
         as CSV"
    )]
    NoParquet,
    /// The Parquet file is damaged.
    #[error("it is not a valid Parquet file: {}", shortened(.0, 120))]
    Parquet(String),
    /// There are no rows.
    #[error("it has no rows; it needs one for each photo, with a path and a label")]
    Empty,
    /// A quote is not closed.
    #[error(
        "the quote that opens in line {line} is not closed; close it, or write \"\" for a quote"
    )]
    OpenQuote {
        /// The line of the record.
        line: u64,
    },
    /// There is no column with that name.
    #[error("it has no column `{}`; its columns are {columns}", shortened(.name, 40))]
    NoColumn {
        /// The name that was asked for.
        name: String,
        /// The columns that there are.
        columns: String,
    },
    /// No column is known as the one with the paths or the labels.
    #[error(
        "which column holds the {what}? Its columns are {columns}; name one with {option} (found \
         by itself are {usual})"
    )]
    UnknownColumn {
        /// `path` or `label`.
        what: &'static str,
        /// The columns that there are.
        columns: String,
        /// The option that names one.
        option: &'static str,
        /// The usual names.
        usual: &'static str,
    },
    /// Several columns have one of the usual names.
    #[error("the columns {columns} may all hold the {what}; name one with {option}")]
    SeveralColumns {
        /// `path` or `label`.
        what: &'static str,
        /// The columns.
        columns: String,
        /// The option that names one.
        option: &'static str,
    },
    /// A cell of a 0/1 column is neither.
    #[error(
        "the column `{}` has a 0 or 1 for its class, but `{}` in {place}{}; correct it, or name \
         the label columns with --label-column",
        shortened(.column, 40), shortened(.value, 40), and_others(*.more)
    )]
    NotAnIndicator {
        /// The column.
        column: String,
        /// The cell.
        value: String,
        /// The line.
        place: String,
        /// Number of further such cells.
        more: usize,
    },
    /// A word in the split column is not known.
    #[error(
        "{} in {place} is no part of a split{}; write train, val or test, or name another column \
         with --split-column", cell(.value), and_others(*.more)
    )]
    UnknownPart {
        /// The word.
        value: String,
        /// The line.
        place: String,
        /// Number of further rows.
        more: usize,
    },
    /// The same photo has different labels.
    #[error(
        "`{photo}` is {one}, but {other}{}; keep one of the rows{}",
        and_others(*.more),
        if *.may_be_several { ", or give several labels in one with --label-separator" } else { "" }
    )]
    Contradiction {
        /// The photo.
        photo: String,
        /// What the earlier row says, with its line.
        one: String,
        /// What the later row says, with its line.
        other: String,
        /// Number of further photos.
        more: usize,
        /// Whether several labels may have been meant.
        may_be_several: bool,
    },
    /// A class name has several lines.
    #[error("the label in {place} has a line break; a class name is one line of text")]
    ClassName {
        /// The line.
        place: String,
    },
    /// A row has several labels, where one is needed.
    #[error("{place} has {labels} labels, and this needs exactly one a photo")]
    NotOneLabel {
        /// The line.
        place: String,
        /// Number of labels.
        labels: usize,
    },
    /// No row can be used.
    #[error("none of its {rows} rows can be used: {why}")]
    Nothing {
        /// Number of rows.
        rows: String,
        /// Why not, with an example and the remedy.
        why: String,
    },
    /// There are no labels.
    #[error("it has no label column, only {columns}; name one with --label-column")]
    NoLabels {
        /// The columns that there are.
        columns: String,
    },
    /// There are too many classes.
    #[error(
        "its label column `{}` has {classes} different values, such as {examples}; at most 1000 \
         classes are supported: is it the right column (--label-column)?", shortened(.column, 40)
    )]
    TooManyClasses {
        /// The column.
        column: String,
        /// Number of values.
        classes: usize,
        /// The first ones.
        examples: String,
    },
    /// The photos may be in several folders.
    #[error("its photos are in {folders}: name one with --photo-folder")]
    SeveralFolders {
        /// The folders.
        folders: String,
    },
}

/// A cell in a sentence.
fn cell(value: &str) -> String {
    match value.is_empty() {
        true => "the empty cell".into(),
        false => format!("`{}`", shortened(value, 40)),
    }
}

fn and_others(more: usize) -> String {
    match more {
        0 => String::new(),
        more => format!(" (and {more} more like it)"),
    }
}

impl TableError {
    /// The error with the table's name.
    pub(super) fn of(self, table: PathBuf) -> FolderError {
        FolderError::Table { table, error: Box::new(self) }
    }
}

/// A path for a message, cut to a length that leaves room for the rest.
pub(in crate::photos) fn short(path: impl AsRef<std::path::Path>) -> String {
    let text = path.shown().to_string();
    let count = text.chars().count();
    const WIDEST: usize = 60;
    match count > WIDEST {
        // The end tells more than the beginning.
        true => format!("...{}", text.chars().skip(count - WIDEST).collect::<String>()),
        false => text,
    }
}
