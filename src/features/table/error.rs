//! Why a table of features cannot be used.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::RowsError;
use crate::printable::{PathText, printable, shortened};

/// Longest name of a photo in a message, in characters.
const LONGEST_NAME: usize = 80;
/// Longest reason why a file cannot be used, in characters.
const LONGEST_REASON: usize = 150;

/// Why a table of features cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FeatureTableError {
    /// The file cannot be read.
    #[error("`{}` cannot be read", .0.shown())]
    Read(PathBuf, #[source] io::Error),
    /// The file has no known ending, or the folder has no table of features.
    #[error(
        "`{}` is no table of features: give a .npy, .safetensors or .parquet file, or a folder of \
         them, as `kindling embed` writes them", .0.shown()
    )]
    Unknown(PathBuf),
    /// The file is of a format that this build does not read.
    #[error("this build cannot read `{}`: build with `--features parquet`", .0.shown())]
    NoParquet(PathBuf),
    /// The content is damaged, or none that is understood.
    #[error("`{}` is damaged, or no table of features: {}", .0.shown(), reason(.1))]
    Damaged(PathBuf, String),
    /// The features of a shard are not there yet.
    #[error(
        "`{}` has no features of the shard `{shard}`: run its `kindling embed` again, or give the \
         files that are there", .folder.shown()
    )]
    MissingShard {
        /// The folder.
        folder: PathBuf,
        /// The shard.
        shard: String,
    },
    /// A folder of shards cannot be used.
    #[cfg(feature = "parquet")]
    #[error(transparent)]
    Shards(#[from] crate::features::shards::ShardFolderError),
    /// There are many features, and they cannot be kept in a temporary file.
    #[error(transparent)]
    Keep(#[from] RowsError),
    /// A feature is NaN or infinite.
    #[error("the features of `{}` in `{}` are not all finite", short(.1), .0.shown())]
    NotFinite(PathBuf, String),
    /// Two files do not belong together.
    #[error(
        "`{}` and `{}` differ in {what}, {one} and {other}, so no layer can be trained on both",
        .first.shown(), .second.shown()
    )]
    Mixed {
        /// In what they differ.
        what: &'static str,
        /// A file.
        first: PathBuf,
        /// What it has.
        one: String,
        /// Another file.
        second: PathBuf,
        /// What that one has.
        other: String,
    },
    /// A photo has several rows that contradict each other.
    #[error("`{}` is in two rows, with different labels or parts", short(.0))]
    Twice(String),
    /// No photo has a label.
    #[error(
        "`{}` has no labels to train on: embed photos in class folders, or a table with labels; \
         beside a .npy file, a .csv file of its name has the columns path and label", .0.shown()
    )]
    NoLabels(PathBuf),
    /// There are more classes than are supported.
    #[error(
        "{classes} labels in `{}`: at most {} classes are supported", .path.shown(),
        crate::photos::MAX_CLASSES
    )]
    TooManyClasses {
        /// The file.
        path: PathBuf,
        /// Number of labels.
        classes: usize,
    },
}

impl FeatureTableError {
    /// The error for what a reader of `path` returned.
    pub(super) fn of(path: &Path, error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidData => Self::Damaged(path.to_owned(), error.to_string()),
            ErrorKind::UnexpectedEof => Self::Damaged(path.to_owned(), "it ends early".into()),
            _ => match error.downcast::<RowsError>() {
                Ok(error) => Self::Keep(error),
                Err(error) => Self::Read(path.to_owned(), error),
            },
        }
    }
}

fn short(name: &str) -> String {
    shortened(name, LONGEST_NAME)
}

/// What a file says of itself may be long and have any characters.
fn reason(text: &str) -> String {
    shortened(&printable(text), LONGEST_REASON)
}

/// The error of a reader that does not understand the content.
pub(super) fn damaged(reason: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason.into())
}
