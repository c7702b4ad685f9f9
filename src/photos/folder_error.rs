//! Errors in the layout of a folder of photos, with their remedies.

use crate::printable::{PathText, shortened};

use std::io;
use std::path::{Path, PathBuf};

use super::table::short;
use super::{Format, PassedOver, ShardError, Table, TableError};

/// Largest supported number of classes.
pub(crate) const MAX_CLASSES: usize = 1000;

/// Why a folder cannot be read as a set of photos.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder does not exist or cannot be read.
    #[error("`{}` cannot be opened", .0.shown())]
    Open(PathBuf, #[source] io::Error),
    /// The path is a file.
    #[error(
        "`{}` is neither a folder nor a table; give the folder that holds the photos, or a .csv, \
         .tsv or .parquet file", .0.shown()
    )]
    NotAFolder(PathBuf),
    /// There are no photos.
    #[error(
        "no photo in `{folder}`: looked for {folder}/<class>/*.jpg, {folder}/train/<class>/*.jpg, \
         and photos named <class>.<anything>.jpg; the formats are {formats}",
        folder = .0.shown(), formats = Format::READ
    )]
    NoPhotos(PathBuf),
    /// Neither class folders nor file names give the photos a class.
    #[error(
        "`{}` has photos without a class, such as `{example}`: put each into a folder named after \
         its class, or name it <class>.<anything>.jpg", .folder.shown()
    )]
    Unlabelled {
        /// The folder.
        folder: PathBuf,
        /// One of the photos.
        example: String,
    },
    /// A class folder has no photos.
    #[error(
        "the class folder `{}` holds no photo ({}); add some or remove the folder",
        .0.shown(), Format::READ
    )]
    EmptyClass(PathBuf),
    /// A file or folder inside cannot be read, so photos may be missing.
    #[error("`{}` {}", .0.path.shown(), .0.reason)]
    Unreadable(PassedOver),
    /// There are pictures, none of which can be used.
    #[error(
        "no photo in `{}` can be used: `{}` {}{}", .folder.shown(),
        .example.path.file_name().unwrap_or_default().shown(), .example.reason, and_more(.more)
    )]
    NothingUsable {
        /// The folder.
        folder: PathBuf,
        /// The first of the pictures.
        example: PassedOver,
        /// Number of further ones.
        more: usize,
    },
    /// It is not clear which folders are classes and which are parts of a data set.
    #[error(
        "`{}`: {seen}; classes or parts of a data set? Train with `--train DIR` (its folders are \
         the classes), or `--train DIR --val DIR [--test DIR]`; give other commands one part",
        .folder.shown()
    )]
    Unclear {
        /// The folder.
        folder: PathBuf,
        /// What was found in it, as a sentence.
        seen: String,
    },
    /// A name cannot be a class name.
    #[error(
        "the name of `{}` cannot be a class name: it must be UTF-8 text on one line", .0.shown()
    )]
    ClassName(PathBuf),
    /// There is only one class.
    #[error(
        "only one class, `{class}`, in `{}`: a classifier needs at least two{}", .folder.shown(),
        if Table::is_one(.folder) { "" } else { ", each in its own folder" }
    )]
    SingleClass {
        /// The folder.
        folder: PathBuf,
        /// The class.
        class: String,
    },
    /// There are too many classes.
    #[error("{classes} classes in `{}`: at most {MAX_CLASSES} are supported", .folder.shown())]
    TooManyClasses {
        /// The folder.
        folder: PathBuf,
        /// Number of classes.
        classes: usize,
    },
    /// There are too few photos to hold one out.
    #[error(
        "no photo in `{}` can be held out for validation: each class has only one left, or one \
         group; add more photos, or test on fewer", short(.0)
    )]
    NoValidation(PathBuf),
    /// A class has photos in only one of the train and val folders.
    #[error(
        "the class `{class}` has photos in `{}` but none in `{}`",
        .present.shown(), .absent.shown()
    )]
    OneSided {
        /// The class.
        class: String,
        /// The folder that has photos of it.
        present: PathBuf,
        /// The folder that has none.
        absent: PathBuf,
    },
    /// The model does not know a class.
    #[error(
        "the class `{class}` in `{}` is not one of the model's classes: {}",
        .folder.shown(), first_of(.known)
    )]
    UnknownClass {
        /// The class.
        class: String,
        /// The folder that has photos of it.
        folder: PathBuf,
        /// The model's classes.
        known: Vec<String>,
    },
    /// A validation share was given, but the data has its own validation photos.
    #[error(
        "`{}` has its own validation photos, so --val-split does not apply; leave it out", .0.shown()
    )]
    SplitTwice(PathBuf),
    /// A share of test photos was given, but the data has its own.
    #[error("`{}` has its own test photos, so --test-split does not apply; leave it out", short(.0))]
    TestTwice(PathBuf),
    /// All photos would be held out.
    #[error(
        "no photo in `{}` is left to train on; mark some as train, or lower --val-split and \
         --test-split", short(.0)
    )]
    NothingToTrainOn(PathBuf),
    /// The photos of shards have no labels.
    #[error(
        "no photo in `{}` has a label: put it beside 000123.jpg into 000123.cls, .json or .txt",
        short(.0)
    )]
    ShardsWithoutLabels(PathBuf),
    /// Shards have no photos, or none that can be used.
    #[error("no photo in `{}` can be used ({})", short(.0), Format::READ)]
    NoPhotosInShards(PathBuf),
    /// A shard cannot be read.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// A class has validation or test photos and none to train on.
    #[error(
        "the class `{}` in `{}` has no photo to train on; add some, or leave its photos out",
        shortened(.class, 60), short(.folder)
    )]
    Untrained {
        /// The class.
        class: String,
        /// The folder or table with the validation or test photos.
        folder: PathBuf,
    },
    /// There are no folders for `--group-by-folder`.
    #[error(
        "--group-by-folder finds no groups in `{}`: it needs several folders with photos, below \
         the class folders (<class>/<group>/1.jpg) or in the paths of a table", short(.0)
    )]
    NoGroups(PathBuf),
    /// A table cannot be read.
    #[error("`{}`: {error}", short(.table))]
    Table {
        /// The file.
        table: PathBuf,
        /// What is wrong with it.
        #[source]
        error: Box<TableError>,
    },
}

impl FolderError {
    /// The error for a folder without a usable photo, of which `unusable` are the others.
    pub(super) fn no_photos(folder: &Path, unusable: Vec<PassedOver>) -> Self {
        Self::nothing_usable(folder, unusable).unwrap_or_else(|| Self::NoPhotos(folder.to_owned()))
    }

    /// The error for a class folder without a usable photo, of which `unusable` are the others.
    pub(super) fn empty_class(folder: &Path, unusable: Vec<PassedOver>) -> Self {
        Self::nothing_usable(folder, unusable)
            .unwrap_or_else(|| Self::EmptyClass(folder.to_owned()))
    }

    fn nothing_usable(folder: &Path, unusable: Vec<PassedOver>) -> Option<Self> {
        let more = unusable.len().saturating_sub(1);
        let example = unusable.into_iter().next()?;
        Some(Self::NothingUsable { folder: folder.to_owned(), example, more })
    }
}

fn and_more(count: &usize) -> String {
    if *count == 0 { String::new() } else { format!(" ({count} more like it)") }
}

/// The first few of the names.
fn first_of(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    names[..names.len().min(SHOWN)].join(", ") + more
}
