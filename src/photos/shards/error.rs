//! Why shards cannot be read.

use std::io;
use std::path::PathBuf;

use crate::printable::PathText;

/// Why a shard cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// A pattern of names is malformed.
    #[error("`{}` names no files: {reason}", .pattern.shown())]
    Pattern {
        /// The pattern.
        pattern: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No file has such a name.
    #[error("no file matches `{}`", .0.shown())]
    NoMatch(PathBuf),
    /// The file system returned an error.
    #[error("`{}` cannot be read", .0.shown())]
    Read(PathBuf, #[source] io::Error),
    /// The file is no archive, or damaged.
    #[error("`{}` is damaged: {reason}", .0.shown(), reason = .1)]
    Damaged(PathBuf, String),
    /// The file is of a kind that is not read.
    #[error("`{}` {reason}", .0.shown(), reason = .1)]
    NotRead(PathBuf, String),
    /// The archive ends early.
    #[error(
        "`{}` is cut off after {photos} photos: copy it again", .path.shown()
    )]
    CutOff {
        /// The archive.
        path: PathBuf,
        /// The photos before its end.
        photos: usize,
    },
    /// The file is no archive that is read.
    #[error("`{}` is not a .tar, .zip or .parquet file", .0.shown())]
    Unknown(PathBuf),
}
