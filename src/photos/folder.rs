//! Finds the photos in a folder and reads their classes from folder and file names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::folder_error::MAX_CLASSES;
use super::walk::{entries, is_photo_name, not_a_photo, walk};
use super::{FolderError, PassedOver, Walked};

/// Usual folder names of the parts of a data set.
const PARTS: [&str; 7] = ["train", "training", "val", "valid", "validation", "test", "testing"];
/// Folder names of the validation part.
const VALIDATION: [&str; 3] = ["val", "valid", "validation"];

/// A photo and the index of its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledPhoto {
    /// Path of the file.
    pub path: PathBuf,
    /// Index into the classes.
    pub label: usize,
}

/// Photos with their classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhotoSet {
    /// Class names in byte order; labels are indices into them.
    pub classes: Vec<String>,
    /// The photos, sorted by class, then by path.
    pub photos: Vec<LabelledPhoto>,
    /// Files that were skipped, with the reason.
    pub passed_over: Vec<PassedOver>,
}

impl PhotoSet {
    /// Reads `folder/<class>/**/photo`, or, if there are no class folders with photos, photos named
    /// `<class>.<anything>.<extension>` (as in Kaggle's Dogs vs. Cats).
    ///
    /// # Errors
    /// If there are no photos, a class folder is empty or cannot be read, or the class of a photo
    /// cannot be determined.
    pub fn read(folder: &Path) -> Result<Self, FolderError> {
        if folder.is_file() {
            return Err(FolderError::NotAFolder(folder.to_owned()));
        }
        let (folders, files) =
            entries(folder).map_err(|error| FolderError::Open(folder.to_owned(), error))?;
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
                .map(|path| PassedOver { path, reason: "is not in a class folder".into() }),
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

    /// Checks that the set has more than one class, which training needs.
    ///
    /// # Errors
    /// If there is only one class.
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

/// Reads the photos in `folder/val`, or in `folder` itself if there is no validation folder, with
/// labels that are indices into `classes`, the class names of a model.
///
/// # Errors
/// If [`PhotoSet::read`] fails or a class is not in `classes`.
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

/// The folder of training photos in `data`, if `data` is divided into parts.
pub(super) fn training_part(data: &Path) -> Option<PathBuf> {
    subfolder(data, &["train"]).filter(|folder| is_part(folder))
}

/// The folder of validation photos in `data`, if `data` is divided into parts.
pub fn validation_part(data: &Path) -> Option<PathBuf> {
    let folder = subfolder(data, &VALIDATION)?;
    (training_part(data).is_some() || is_part(&folder)).then_some(folder)
}

/// The first of `names` that is a folder in `data`, ignoring case.
fn subfolder(data: &Path, names: &[&str]) -> Option<PathBuf> {
    let (folders, _) = entries(data).ok()?;
    names.iter().find_map(|name| {
        let has_name = |folder: &&PathBuf| {
            folder.file_name().is_some_and(|found| found.eq_ignore_ascii_case(name))
        };
        folders.iter().find(has_name).cloned()
    })
}

/// Whether a folder is itself divided into classes, by subfolders or by the names of its photos. If
/// not, a folder called `train` may be a class: photos of trains.
fn is_part(folder: &Path) -> bool {
    entries(folder).is_ok_and(|(folders, files)| {
        !folders.is_empty()
            || files.iter().any(|file| is_photo_name(file) && class_in_name(file).is_some())
    })
}

/// The class in `<class>.<anything>.<extension>`; `None` if the name has a single dot.
fn class_in_name(path: &Path) -> Option<&str> {
    let (class, rest) = path.file_name()?.to_str()?.split_once('.')?;
    (rest.contains('.') && !class.is_empty()).then_some(class)
}

fn class_name(folder: &Path) -> Result<String, FolderError> {
    folder
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|name| !name.contains(['\n', '\r']))
        .map(str::to_owned)
        .ok_or_else(|| FolderError::ClassName(folder.to_owned()))
}
