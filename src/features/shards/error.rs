//! Why a folder with the features of shards cannot be used.

use std::io;
use std::path::PathBuf;

use crate::output::OutputError;
use crate::printable::PathText;

/// Why a folder with the features of shards cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ShardFolderError {
    /// The features of two shards would have the same file.
    #[error("two shards are called `{0}`, and so would be their features: rename one of them")]
    SameName(String),
    /// The features would lie among the shards, where other files may have their names.
    #[error(
        "`{}` has shards in it, and their features would lie among them: choose another folder for \
         --out",
        .0.shown()
    )]
    FolderOfShards(PathBuf),
    /// The folder has features of other shards.
    #[error(
        "`{}` is for {known} shards, of which the first is `{first}`, and not for these: choose \
         another --out, or give all shards to each task", .folder.shown()
    )]
    OtherShards {
        /// The folder.
        folder: PathBuf,
        /// The number of shards that it is for.
        known: usize,
        /// The first of them.
        first: String,
    },
    /// The folder has no list of shards.
    #[error(
        "`{}` has no shards.json: it is not a folder that `kindling embed` has written shards into",
        .0.shown()
    )]
    NoManifest(PathBuf),
    /// The list of shards is damaged.
    #[error("`{}` is damaged: {reason}", .0.shown(), reason = .1)]
    Manifest(PathBuf, String),
    /// The features of a shard are not whole.
    #[error(
        "`{}` is not whole, or not a file of features of a shard ({reason}): delete it, and embed \
         the shard again", .0.shown(), reason = .1
    )]
    Damaged(PathBuf, String),
    /// A file cannot be read or removed.
    #[error("`{}` cannot be read", .0.shown())]
    Read(PathBuf, #[source] io::Error),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] OutputError),
}
