//! Finds the photos in a folder and reads their classes from folder and file names.

use crate::printable::PathText;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::folder_error::MAX_CLASSES;
use super::layout::Layout;
use super::tree::Tree;
use super::walk::passed_over_in;
use super::{FolderError, Label, PassedOver, Walked};

/// The classes of a photo that may show several, or none: ascending indices into the classes.
pub type LabelSet = Vec<usize>;

/// A photo and its label: the index of its class, or a [`LabelSet`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledPhoto<L = usize> {
    /// Path of the file.
    pub path: PathBuf,
    /// Index into the classes, or several.
    pub label: L,
    /// Photos of the same group are never divided between training and validation: those of one
    /// patient, house or burst. Absent if photos have no groups.
    pub group: Option<usize>,
}

/// Photos with their classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoSet<L = usize> {
    /// Class names in byte order; labels are indices into them.
    pub classes: Vec<String>,
    /// The photos, sorted by class, then by path.
    pub photos: Vec<LabelledPhoto<L>>,
    /// Files and folders that were skipped, with the reason.
    pub passed_over: Vec<PassedOver>,
    /// The folder that holds the class folders, or the photos with a class in their names.
    pub folder: PathBuf,
}

impl<L> Default for PhotoSet<L> {
    fn default() -> Self {
        let (classes, photos, passed_over) = (Vec::new(), Vec::new(), Vec::new());
        Self { classes, photos, passed_over, folder: PathBuf::new() }
    }
}

impl PhotoSet {
    /// Reads `folder/<class>/**/photo`, or, if there are no class folders with photos, photos named
    /// `<class>.<anything>.<extension>` (as in Kaggle's Dogs vs. Cats). If `folder` holds nothing
    /// but one folder of class folders, that is read instead.
    ///
    /// # Errors
    /// If there are no photos, a class folder is empty or cannot be read, or the class of a photo
    /// cannot be determined.
    pub fn read(folder: &Path) -> Result<Self, FolderError> {
        Self::of_part(&read_tree(folder)?, &[])
    }

    /// Reads a folder whose folders are classes, whatever they are called.
    pub(super) fn of_part(tree: &Tree, known: &[String]) -> Result<Self, FolderError> {
        let layout = Layout::part(tree, known);
        Self::of(layout.train, layout.not_classes)
    }

    /// Reads the photos in `tree`, without the folders that are `not_classes`.
    pub(super) fn of(tree: &Tree, not_classes: Vec<PassedOver>) -> Result<Self, FolderError> {
        if let Some(reason) = &tree.unreadable {
            let (path, reason) = (tree.path.clone(), reason.clone());
            return Err(FolderError::Unreadable(PassedOver { path, reason }));
        }
        let is_class = |folder: &&Tree| not_classes.iter().all(|other| other.path != folder.path);
        let mut walks = Vec::new();
        for class_folder in tree.folders().filter(is_class) {
            let mut walked = Walked::of(class_folder);
            match walked.unreadable.pop() {
                Some(unreadable) => return Err(FolderError::Unreadable(unreadable)),
                None => walks.push((class_folder, walked)),
            }
        }
        let mut set = if walks.iter().any(|(_, walked)| !walked.photos.is_empty()) {
            Self::from_class_folders(tree, walks)?
        } else if tree.own_photos().next().is_some() {
            Self::from_names(tree)?
        } else {
            return Err(FolderError::no_photos(&tree.path, Walked::of(tree).unusable));
        };
        set.passed_over.extend(not_classes);
        set.folder = tree.path.clone();
        match set.classes.len() {
            0..=MAX_CLASSES => Ok(set),
            classes => Err(FolderError::TooManyClasses { folder: set.folder, classes }),
        }
    }

    fn from_class_folders(tree: &Tree, walks: Vec<(&Tree, Walked)>) -> Result<Self, FolderError> {
        let mut set = Self::default();
        for (label, (class_folder, walked)) in walks.into_iter().enumerate() {
            if walked.photos.is_empty() {
                return Err(FolderError::empty_class(&class_folder.path, walked.unusable));
            }
            set.passed_over.extend(walked.skipped().cloned());
            set.classes.push(class_name(&class_folder.path)?);
            set.photos.extend(walked.photos.into_iter().map(|path| LabelledPhoto {
                path,
                label,
                group: None,
            }));
        }
        set.passed_over.extend(passed_over_in(tree, Some("is not in a class folder")));
        Ok(set)
    }

    fn from_names(tree: &Tree) -> Result<Self, FolderError> {
        let mut by_class: BTreeMap<&str, Vec<&Path>> = BTreeMap::new();
        for path in tree.own_photos() {
            match class_in_name(path) {
                Some(class) if class.contains(['\n', '\r']) => {
                    return Err(FolderError::ClassName(path.to_owned()));
                }
                Some(class) => by_class.entry(class).or_default().push(path),
                None => {
                    let example = path.file_name().unwrap_or_default().shown().to_string();
                    return Err(FolderError::Unlabelled { folder: tree.path.clone(), example });
                }
            }
        }
        let mut set = Self { passed_over: passed_over_in(tree, None), ..Self::default() };
        for (label, (class, paths)) in by_class.into_iter().enumerate() {
            set.classes.push(class.to_owned());
            let photo = |path: &Path| LabelledPhoto { path: path.to_owned(), label, group: None };
            set.photos.extend(paths.into_iter().map(photo));
        }
        Ok(set)
    }
}

impl<L: Label> PhotoSet<L> {
    /// Checks that the set has more than one class, which training needs if each photo has one.
    ///
    /// # Errors
    /// If there is only one class.
    pub fn with_several_classes(self) -> Result<Self, FolderError> {
        match self.classes.as_slice() {
            [class] if !L::IS_SET => {
                Err(FolderError::SingleClass { class: class.clone(), folder: self.folder })
            }
            _ => Ok(self),
        }
    }

    /// The same photos with labels that are indices into `classes`, the class names of a model.
    ///
    /// # Errors
    /// If a photo has a class that is not among them.
    pub fn labelled_as(self, classes: &[String]) -> Result<Self, FolderError> {
        let Self { classes: own, mut photos, passed_over, folder } = self;
        let known: HashMap<&String, usize> = classes.iter().zip(0..).collect();
        for photo in &mut photos {
            let label = photo.label.classes().iter().map(|class| {
                known.get(&own[*class]).copied().ok_or_else(|| FolderError::UnknownClass {
                    class: own[*class].clone(),
                    folder: folder.clone(),
                    known: classes.to_vec(),
                })
            });
            let mut label = label.collect::<Result<Vec<usize>, _>>()?;
            label.sort_unstable();
            // As many classes as before.
            photo.label = L::of(&label).unwrap_or_else(|| photo.label.clone());
        }
        Ok(Self { classes: classes.to_vec(), photos, passed_over, folder })
    }
}

impl<L> PhotoSet<L> {
    /// The paths of the photos, in order.
    pub fn paths(&self) -> Vec<&Path> {
        self.photos.iter().map(|photo| photo.path.as_path()).collect()
    }
}

/// Reads the photos of `data` to evaluate a model on, with labels that are indices into `classes`,
/// the class names of the model: the validation part if `data` has one, otherwise the test part,
/// otherwise its class folders. Folders with the names of `classes` are always class folders.
///
/// # Errors
/// If the photos cannot be read or a class is not in `classes`.
pub fn labelled_as(data: &Path, classes: &[String]) -> Result<PhotoSet, FolderError> {
    let tree = read_tree(data)?;
    let layout = Layout::of(&tree, classes)?;
    let set = match layout.val.or(layout.test) {
        Some(part) => PhotoSet::of_part(part, classes)?,
        None => PhotoSet::of(layout.train, layout.not_classes)?,
    };
    set.labelled_as(classes)
}

/// The folder that holds the class folders of the training photos in `data`.
///
/// # Errors
/// If `data` cannot be read, or the roles of its folders are not clear.
pub fn training_folder(data: &Path) -> Result<PathBuf, FolderError> {
    Ok(Layout::of(&read_tree(data)?, &[])?.train.path.clone())
}

pub(super) fn read_tree(folder: &Path) -> Result<Tree, FolderError> {
    if folder.is_file() {
        return Err(FolderError::NotAFolder(folder.to_owned()));
    }
    Tree::read(folder).map_err(|error| FolderError::Open(folder.to_owned(), error))
}

/// The class in `<class>.<anything>.<extension>`; `None` if the name has a single dot.
pub(super) fn class_in_name(path: &Path) -> Option<&str> {
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
