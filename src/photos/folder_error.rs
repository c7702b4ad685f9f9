//! What can be wrong with a folder of photos, and what to do about it.

use std::io;
use std::path::PathBuf;

use super::PassedOver;

/// Most classes that are taken.
pub(super) const MAX_CLASSES: usize = 1000;

/// Why a folder gives no set of photos.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Nothing is there, or it cannot be looked into.
    #[error("`{}` cannot be opened", .0.display())]
    Open(PathBuf, #[source] io::Error),
    /// It is a file.
    #[error("`{}` is not a folder; give the folder that holds the photos", .0.display())]
    NotAFolder(PathBuf),
    /// No photo anywhere.
    #[error(
        "no photo in `{folder}`: looked for class folders with photos ({folder}/<class>/*.jpg), for \
         {folder}/train/<class>/*.jpg, and for photos named <class>.<anything>.jpg; JPEG, PNG, WebP, \
         BMP and GIF are read", folder = .0.display()
    )]
    NoPhotos(PathBuf),
    /// Photos whose names tell no class.
    #[error(
        "`{}` holds photos of no class, such as `{example}`: put each into a folder named after its \
         class, or name them <class>.<anything>.jpg", .folder.display()
    )]
    Unlabelled {
        /// The folder.
        folder: PathBuf,
        /// One of the photos.
        example: String,
    },
    /// A class folder without photos.
    #[error(
        "the class folder `{}` holds no photo (JPEG, PNG, WebP, BMP or GIF); add some or remove the \
         folder", .0.display()
    )]
    EmptyClass(PathBuf),
    /// Something inside cannot be looked into, so photos may be missing.
    #[error("`{}` {}", .0.path.display(), .0.reason)]
    Unreadable(PassedOver),
    /// What looks like a part of the data and not like a class.
    #[error(
        "`{}` holds folders of its own, so it is no class: photos to train on belong in train/<class>/, \
         those to validate on in val/<class>/; to evaluate, give the folder itself", .0.display()
    )]
    PartAsClass(PathBuf),
    /// A name that cannot be a class name.
    #[error(
        "the name of `{}` cannot be a class name: it must be UTF-8 text on one line", .0.display()
    )]
    ClassName(PathBuf),
    /// Only one class.
    #[error(
        "only one class, `{class}`, in `{}`: a classifier needs at least two, each in a folder of \
         its own", .folder.display()
    )]
    SingleClass {
        /// The folder.
        folder: PathBuf,
        /// The class.
        class: String,
    },
    /// More classes than are taken.
    #[error("{classes} classes in `{}`: at most {MAX_CLASSES} are taken", .folder.display())]
    TooManyClasses {
        /// The folder.
        folder: PathBuf,
        /// How many there are.
        classes: usize,
    },
    /// Too few photos to keep one back.
    #[error("no photo of `{}` can be kept back for validation: each class has only one", .0.display())]
    NoValidation(PathBuf),
    /// A class on one side only.
    #[error(
        "the class `{class}` has photos in `{}` but none in `{}`", .present.display(), .absent.display()
    )]
    OneSided {
        /// The class.
        class: String,
        /// Where it has photos.
        present: PathBuf,
        /// Where it has none.
        absent: PathBuf,
    },
    /// A class that the model does not know.
    #[error(
        "the class `{class}` in `{}` is none of the model's: {}", .folder.display(), first_of(.known)
    )]
    UnknownClass {
        /// The class.
        class: String,
        /// Where it was found.
        folder: PathBuf,
        /// What the model knows.
        known: Vec<String>,
    },
    /// A share that was asked for and does not apply.
    #[error("`{}` has its own validation photos, so --val-split does not apply; leave it out", .0.display())]
    SplitTwice(PathBuf),
}

/// The first few names of many.
fn first_of(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    names[..names.len().min(SHOWN)].join(", ") + more
}
