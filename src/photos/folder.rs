//! Which photos there are and what each one shows: read off folder and file names.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// Names of the parts that people divide their photos into.
const PARTS: [&str; 7] = ["train", "training", "val", "valid", "validation", "test", "testing"];
/// Those that are read as validation photos.
const VALIDATION: [&str; 3] = ["val", "valid", "validation"];
/// File name endings of the formats that are decoded, in lower case.
const ENDINGS: [&str; 8] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif"];
/// Files that systems put beside photos, besides those whose name starts with a dot.
const CLUTTER: [&str; 2] = ["thumbs.db", "desktop.ini"];
/// Most classes that are taken.
const MAX_CLASSES: usize = 1000;

/// A photo and the index of its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledPhoto {
    /// Where it is.
    pub path: PathBuf,
    /// Index into the classes.
    pub label: usize,
}

/// A file that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Where it is.
    pub path: PathBuf,
    /// Why, as the end of a sentence that starts with the path.
    pub reason: String,
}

/// Photos with their classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhotoSet {
    /// Class names in byte order; a label is an index into them.
    pub classes: Vec<String>,
    /// The photos, by class and then by path.
    pub photos: Vec<LabelledPhoto>,
    /// What was there and is no photo.
    pub passed_over: Vec<PassedOver>,
}

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

impl PhotoSet {
    /// Reads `folder/<class>/**/photo`, or, where there are no class folders, photos named
    /// `<class>.<anything>.<ending>` (the way Kaggle ships Dogs vs. Cats).
    ///
    /// # Errors
    /// Where there is no photo, a class folder is empty, or a photo's class cannot be told.
    pub fn read(folder: &Path) -> Result<Self, FolderError> {
        let (folders, files) = entries(folder)?;
        let mut walks = Vec::new();
        for class_folder in folders {
            let mut walked = walk(&class_folder);
            match walked.unreadable.pop() {
                Some(unreadable) => return Err(FolderError::Unreadable(unreadable)),
                None => walks.push((class_folder, walked)),
            }
        }
        if walks.iter().any(|(_, walked)| !walked.photos.is_empty()) {
            Self::from_class_folders(folder, walks, files)
        } else if files.iter().any(|file| is_photo_name(file)) {
            Self::from_names(folder, files)
        } else {
            Err(FolderError::NoPhotos(folder.to_owned()))
        }
    }

    fn from_class_folders(
        folder: &Path,
        walks: Vec<(PathBuf, Walked)>,
        loose: Vec<PathBuf>,
    ) -> Result<Self, FolderError> {
        let mut set = Self::default();
        for (label, (class_folder, walked)) in walks.into_iter().enumerate() {
            if walked.photos.is_empty() {
                return Err(FolderError::EmptyClass(class_folder));
            }
            let class = class_name(&class_folder)?;
            if PARTS.iter().any(|part| class.eq_ignore_ascii_case(part)) && is_part(&class_folder) {
                return Err(FolderError::PartAsClass(class_folder));
            }
            set.classes.push(class);
            set.photos.extend(walked.photos.into_iter().map(|path| LabelledPhoto { path, label }));
            set.passed_over.extend(walked.passed_over);
        }
        set.passed_over.extend(
            loose
                .into_iter()
                .map(|path| PassedOver { path, reason: "lies in no class folder".into() }),
        );
        set.check_count(folder)
    }

    fn from_names(folder: &Path, files: Vec<PathBuf>) -> Result<Self, FolderError> {
        let mut by_class: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        let mut passed_over = Vec::new();
        for path in files {
            if !is_photo_name(&path) {
                passed_over.push(not_a_photo(path));
                continue;
            }
            match class_in_name(&path) {
                Some(class) if class.contains(['\n', '\r']) => {
                    return Err(FolderError::ClassName(path));
                }
                Some(class) => {
                    let class = class.to_owned();
                    by_class.entry(class).or_default().push(path);
                }
                None => {
                    let example = path.file_name().unwrap_or_default().to_string_lossy().into();
                    return Err(FolderError::Unlabelled { folder: folder.to_owned(), example });
                }
            }
        }
        let mut set = Self { passed_over, ..Self::default() };
        for (label, (class, paths)) in by_class.into_iter().enumerate() {
            set.classes.push(class);
            set.photos.extend(paths.into_iter().map(|path| LabelledPhoto { path, label }));
        }
        set.check_count(folder)
    }

    fn check_count(self, folder: &Path) -> Result<Self, FolderError> {
        match self.classes.len() {
            0..=MAX_CLASSES => Ok(self),
            classes => Err(FolderError::TooManyClasses { folder: folder.to_owned(), classes }),
        }
    }

    /// The same set, where it has the two classes that training needs.
    ///
    /// # Errors
    /// Where there is only one.
    pub fn with_several_classes(self, folder: &Path) -> Result<Self, FolderError> {
        match self.classes.as_slice() {
            [class] => {
                Err(FolderError::SingleClass { folder: folder.to_owned(), class: class.clone() })
            }
            _ => Ok(self),
        }
    }

    /// The paths of the photos, in order.
    pub fn paths(&self) -> Vec<&Path> {
        self.photos.iter().map(|photo| photo.path.as_path()).collect()
    }
}

/// The photos under `folder` with labels into `classes`, those of a model. Photos under
/// `folder/val` are taken where there is such a folder, else those of `folder` itself.
///
/// # Errors
/// Where there is none, or one of a class that is not in `classes`.
pub fn labelled_as(folder: &Path, classes: &[String]) -> Result<PhotoSet, FolderError> {
    let folder = &validation_part(folder).unwrap_or_else(|| folder.to_owned());
    let mut set = PhotoSet::read(folder)?;
    let labels = set
        .classes
        .iter()
        .map(|class| {
            classes.iter().position(|known| known == class).ok_or_else(|| {
                FolderError::UnknownClass {
                    class: class.clone(),
                    folder: folder.clone(),
                    known: classes.to_vec(),
                }
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    for photo in &mut set.photos {
        photo.label = labels[photo.label];
    }
    set.classes = classes.to_vec();
    Ok(set)
}

/// The folder of training photos in `data`, where it is divided into parts.
pub(super) fn training_part(data: &Path) -> Option<PathBuf> {
    subfolder(data, &["train"]).filter(|folder| is_part(folder))
}

/// The folder of validation photos in `data`, where it is divided into parts.
pub fn validation_part(data: &Path) -> Option<PathBuf> {
    let folder = subfolder(data, &VALIDATION)?;
    (training_part(data).is_some() || is_part(&folder)).then_some(folder)
}

/// The first of `names` that is a folder in `data`, in whatever case.
fn subfolder(data: &Path, names: &[&str]) -> Option<PathBuf> {
    let (folders, _) = entries(data).ok()?;
    names.iter().find_map(|name| {
        let called = |folder: &&PathBuf| {
            folder.file_name().is_some_and(|found| found.eq_ignore_ascii_case(name))
        };
        folders.iter().find(called).cloned()
    })
}

/// Whether a folder is divided into classes itself: by folders, or by the names of its photos. One
/// that is called `train` and is not may be a class of trains.
fn is_part(folder: &Path) -> bool {
    entries(folder).is_ok_and(|(folders, files)| {
        !folders.is_empty()
            || files.iter().any(|file| is_photo_name(file) && class_in_name(file).is_some())
    })
}

/// The class in `<class>.<anything>.<ending>`; with a single dot there is none.
fn class_in_name(path: &Path) -> Option<&str> {
    let (class, rest) = path.file_name()?.to_str()?.split_once('.')?;
    (rest.contains('.') && !class.is_empty()).then_some(class)
}

/// The first few names of many.
fn first_of(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    names[..names.len().min(SHOWN)].join(", ") + more
}

/// What a walk through a folder found.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// Files whose name says that they are photos, in byte order.
    pub photos: Vec<PathBuf>,
    /// The others, and links that lead back up.
    pub passed_over: Vec<PassedOver>,
    /// What could not be looked into.
    pub unreadable: Vec<PassedOver>,
}

/// Everything under `folder`, following links, without hidden files and folders. A link to a folder
/// above it is not followed: what is there belongs to other classes.
pub fn walk(folder: &Path) -> Walked {
    let mut walked = Walked::default();
    let top = folder.canonicalize().ok();
    let leads_back = |path: &Path| {
        path.is_symlink()
            && path.canonicalize().is_ok_and(|target| {
                target.is_dir() && top.as_ref().is_some_and(|top| top.starts_with(&target))
            })
    };
    let back = |path: &Path| PassedOver {
        path: path.to_owned(),
        reason: "is a link that leads back to a folder above it".into(),
    };
    let mut links_back = Vec::new();
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(|entry| {
        if entry.depth() == 0 {
            return true;
        }
        let follow = !is_clutter(entry.path());
        if follow && leads_back(entry.path()) {
            links_back.push(back(entry.path()));
            return false;
        }
        follow
    }) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) if !entry.file_type().is_file() => walked
                .passed_over
                .push(PassedOver { path: entry.into_path(), reason: "is no regular file".into() }),
            Ok(entry) if is_photo_name(entry.path()) => walked.photos.push(entry.into_path()),
            Ok(entry) => walked.passed_over.push(not_a_photo(entry.into_path())),
            Err(error) => {
                let path = error.path().unwrap_or(folder);
                match error.io_error() {
                    Some(error) => walked.unreadable.push(PassedOver {
                        path: path.to_owned(),
                        reason: format!("cannot be looked into: {error}"),
                    }),
                    None => walked.passed_over.push(back(path)),
                }
            }
        }
    }
    walked.passed_over.extend(links_back);
    walked
}

fn not_a_photo(path: PathBuf) -> PassedOver {
    PassedOver {
        path,
        reason: format!("is no photo: its name ends in none of {}", ENDINGS.join(", ")),
    }
}

/// Subfolders and files of `folder`, each in byte order.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), FolderError> {
    let cannot_open = |error| FolderError::Open(folder.to_owned(), error);
    if !std::fs::metadata(folder).map_err(cannot_open)?.is_dir() {
        return Err(FolderError::NotAFolder(folder.to_owned()));
    }
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(cannot_open)? {
        let path = entry.map_err(cannot_open)?.path();
        if is_clutter(&path) {
            continue;
        }
        match path.is_dir() {
            true => folders.push(path),
            false => files.push(path),
        }
    }
    folders.sort();
    files.sort();
    Ok((folders, files))
}

fn class_name(folder: &Path) -> Result<String, FolderError> {
    folder
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|name| !name.contains(['\n', '\r']))
        .map(str::to_owned)
        .ok_or_else(|| FolderError::ClassName(folder.to_owned()))
}

fn is_photo_name(path: &Path) -> bool {
    path.extension().is_some_and(|ending| {
        ENDINGS.iter().any(|known| ending.to_string_lossy().eq_ignore_ascii_case(known))
    })
}

fn is_clutter(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.starts_with('.') || name == "__macosx" || CLUTTER.contains(&name.as_str())
}
