//! Errors in the layout of a folder of photos, with their remedies.

use std::io;
use std::path::PathBuf;

use super::PassedOver;

/// Largest supported number of classes.
pub(super) const MAX_CLASSES: usize = 1000;

/// Why a folder cannot be read as a set of photos.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder does not exist or cannot be read.
    #[error("`{}` cannot be opened", .0.display())]
    Open(PathBuf, #[source] io::Error),
    /// The path is a file.
    #[error("`{}` is not a folder; give the folder that holds the photos", .0.display())]
    NotAFolder(PathBuf),
    /// There are no photos.
    #[error(
        "no photo in `{folder}`: looked for {folder}/<class>/*.jpg, {folder}/train/<class>/*.jpg, \
         and photos named <class>.<anything>.jpg; the formats are JPEG, PNG, WebP, BMP and GIF",
        folder = .0.display()
    )]
    NoPhotos(PathBuf),
    /// Neither class folders nor file names give the photos a class.
    #[error(
        "`{}` has photos without a class, such as `{example}`: put each into a folder named after \
         its class, or name it <class>.<anything>.jpg", .folder.display()
    )]
    Unlabelled {
        /// The folder.
        folder: PathBuf,
        /// One of the photos.
        example: String,
    },
    /// A class folder has no photos.
    #[error(
        "the class folder `{}` holds no photo (JPEG, PNG, WebP, BMP or GIF); add some or remove \
         the folder", .0.display()
    )]
    EmptyClass(PathBuf),
    /// A file or folder inside cannot be read, so photos may be missing.
    #[error("`{}` {}", .0.path.display(), .0.reason)]
    Unreadable(PassedOver),
    /// A folder looks like a part of the data set, not like a class.
    #[error(
        "`{}` is itself divided into classes, so it cannot be a class: put training photos \
         into train/<class>/ and validation photos into val/<class>/; to evaluate, pass that folder",
        .0.display()
    )]
    PartAsClass(PathBuf),
    /// A name cannot be a class name.
    #[error(
        "the name of `{}` cannot be a class name: it must be UTF-8 text on one line", .0.display()
    )]
    ClassName(PathBuf),
    /// There is only one class.
    #[error(
        "only one class, `{class}`, in `{}`: a classifier needs at least two, each in its own \
         folder", .folder.display()
    )]
    SingleClass {
        /// The folder.
        folder: PathBuf,
        /// The class.
        class: String,
    },
    /// There are too many classes.
    #[error("{classes} classes in `{}`: at most {MAX_CLASSES} are supported", .folder.display())]
    TooManyClasses {
        /// The folder.
        folder: PathBuf,
        /// Number of classes.
        classes: usize,
    },
    /// There are too few photos to hold one out.
    #[error(
        "no photo in `{}` can be held out for validation: each class has only one; add more photos",
        .0.display()
    )]
    NoValidation(PathBuf),
    /// A class has photos in only one of the train and val folders.
    #[error(
        "the class `{class}` has photos in `{}` but none in `{}`",
        .present.display(), .absent.display()
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
        .folder.display(), first_of(.known)
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
        "`{}` has its own validation photos, so --val-split does not apply; leave it out", .0.display()
    )]
    SplitTwice(PathBuf),
}

/// The first few of the names.
fn first_of(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    names[..names.len().min(SHOWN)].join(", ") + more
}
