//! The photos of a data set, in the parts that it comes in, and how they become a split.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;

use super::folder::read_tree;
use super::folds::draw;
use super::layout::Layout;
use super::tree::Tree;
use super::{FolderError, Label, LabelledPhoto, Part, PassedOver, PhotoSet, Split, Table};
use crate::seed::{Purpose, generator};

/// Default share of each class that is held out for validation.
const DEFAULT_SHARE: f64 = 0.2;

/// How photos are divided that come without parts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SplitOptions {
    /// Share of each class to validate on. The default is 0.2.
    pub val_share: Option<f64>,
    /// Share of each class to test on. The default is none.
    pub test_share: Option<f64>,
    /// Random seed.
    pub seed: u64,
}

/// The photos of a data set, in the parts that it comes in.
#[derive(Clone, Debug)]
pub struct DataSet<L = usize> {
    /// The training photos, or all photos.
    train: PhotoSet<L>,
    /// The validation photos, if the data set has some. Labels are indices into the classes of
    /// `train`, as for `test`.
    val: Option<PhotoSet<L>>,
    test: Option<PhotoSet<L>>,
    /// Which folders have which role, in words.
    roles: Option<String>,
}

impl DataSet {
    /// Reads a folder with train, val and test folders, or with class folders.
    ///
    /// # Errors
    /// If the photos cannot be read, or the roles of the folders are not clear.
    pub fn of_folder(data: &Path) -> Result<Self, FolderError> {
        Self::of_tree(&read_tree(data)?, data)
    }

    pub(super) fn of_tree(tree: &Tree, data: &Path) -> Result<Self, FolderError> {
        let layout = Layout::of(tree, &[])?;
        let val = layout.val.map(|val| PhotoSet::of_part(val, &[])).transpose()?;
        let mut train = PhotoSet::of(layout.train, layout.not_classes.clone())?;
        // A test part that does not fit is no reason not to train.
        let test = layout.test.map(|test| {
            let read = PhotoSet::of_part(test, &[]).and_then(|set| set.labelled_as(&train.classes));
            read.map_err(|error| (test.path.clone(), error))
        });
        let test = match test.transpose() {
            Ok(test) => test,
            Err((path, error)) => {
                let reason = format!("is not tested on: {error}");
                train.passed_over.retain(|known| known.path != path);
                train.passed_over.push(PassedOver { path, reason });
                None
            }
        };
        let roles = layout.in_words(data, test.is_some());
        let val = val.map(|val| as_given(&train, val)).transpose()?;
        Ok(Self { train, val, test, roles })
    }

    /// Training and validation photos in two folders whose folders are classes, whatever they are
    /// called.
    ///
    /// # Errors
    /// If the photos cannot be read, or the folders have different classes.
    pub fn of_parts(train: PhotoSet, val: Option<PhotoSet>) -> Result<Self, FolderError> {
        let val = val.map(|val| as_given(&train, val)).transpose()?;
        Ok(Self { train, val, test: None, roles: None })
    }

    /// All photos of a folder, as one part.
    pub(super) fn of_set(train: PhotoSet) -> Self {
        Self { train, val: None, test: None, roles: None }
    }
}

impl<L: Label> DataSet<L> {
    /// The rows of a table, in its parts if it has a column for them.
    ///
    /// # Errors
    /// If a photo has more labels, or fewer, than `L` holds, or there is no row to train on.
    pub fn of_table(table: &Table) -> Result<Self, FolderError> {
        let has_parts = table.rows.iter().any(|row| row.part.is_some());
        let part = |part: Part| -> Result<Option<PhotoSet<L>>, FolderError> {
            let set = table.photos(Some(part))?;
            let is_empty = set.photos.is_empty();
            Ok(if is_empty { None } else { Some(PhotoSet { passed_over: Vec::new(), ..set }) })
        };
        if !has_parts {
            return Ok(Self { train: table.photos(None)?, val: None, test: None, roles: None });
        }
        let train =
            PhotoSet { passed_over: table.passed_over.clone(), ..table.photos(Some(Part::Train))? };
        if train.photos.is_empty() {
            return Err(FolderError::NothingToTrainOn(table.path.clone()));
        }
        Ok(Self { train, val: part(Part::Val)?, test: part(Part::Test)?, roles: None })
    }

    /// Training, validation and test photos, those that there are.
    pub(super) fn parts_mut(&mut self) -> [Option<&mut PhotoSet<L>>; 3] {
        [Some(&mut self.train), self.val.as_mut(), self.test.as_mut()]
    }

    /// The class names. Labels are indices into them.
    pub fn classes(&self) -> &[String] {
        &self.train.classes
    }

    /// The photos to test on, if there are some.
    pub fn test(&self) -> Option<&PhotoSet<L>> {
        self.test.as_ref()
    }

    /// The same with these photos to validate on, whose labels are indices into the same classes.
    #[must_use]
    pub fn with_val(self, val: PhotoSet<L>) -> Self {
        Self { val: Some(val), ..self }
    }

    /// The same with these photos to test on, whose labels are indices into the same classes.
    #[must_use]
    pub fn with_test(self, test: PhotoSet<L>) -> Self {
        Self { test: Some(test), ..self }
    }

    /// The same with a group for the photos of each folder: below a class folder, the folder's path
    /// from there; in a table, the folder of the file.
    ///
    /// # Errors
    /// If there are no such folders.
    pub fn grouped_by_folder(mut self) -> Result<Self, FolderError> {
        let mut known: HashMap<PathBuf, usize> = HashMap::new();
        let mut is_grouped = false;
        for set in self.parts_mut().into_iter().flatten() {
            let is_table = Table::is_one(&set.folder);
            for photo in &mut set.photos {
                let parent = photo.path.parent().unwrap_or(Path::new(""));
                let class = photo.label.classes().first().map(|class| &set.classes[*class]);
                let class_folder = class.map(|class| set.folder.join(class));
                let group = match (is_table, class_folder) {
                    (false, Some(folder)) => parent.strip_prefix(folder).unwrap_or(Path::new("")),
                    _ => parent,
                };
                let next = known.len();
                let has_group = is_table || !group.as_os_str().is_empty();
                photo.group = has_group.then(|| *known.entry(group.to_owned()).or_insert(next));
                is_grouped |= has_group;
            }
        }
        match is_grouped && known.len() > 1 {
            true => Ok(self),
            false => Err(FolderError::NoGroups(self.train.folder)),
        }
    }

    /// The training, validation and test photos: the parts as they are, and a share of the training
    /// photos for those that are missing. At least one photo, or group, of each class that has two
    /// or more is held out, but never all of them.
    ///
    /// # Errors
    /// If there are fewer than two classes, no photo can be held out, or a share is given for a
    /// part that exists.
    pub fn split(self, options: &SplitOptions) -> Result<Split<L>, FolderError> {
        let Self { train, val, test, roles } = self;
        let mut train = train.with_several_classes()?;
        if let (Some(val), Some(_)) = (&val, options.val_share) {
            return Err(FolderError::SplitTwice(val.folder.clone()));
        }
        if let (Some(test), Some(_)) = (&test, options.test_share) {
            return Err(FolderError::TestTwice(test.folder.clone()));
        }
        for set in [&val, &test].into_iter().flatten() {
            every_class_is_trained(&train, set)?;
        }
        let test = match (test, options.test_share) {
            (test, None) => test,
            (_, Some(share)) => Some(train.hold_out(share, options.seed, Purpose::TestPart)?),
        };
        let (val, val_folder) = match val {
            Some(val) => {
                train.passed_over.extend(val.passed_over.iter().cloned());
                let folder = val.folder.clone();
                (val, Some(folder))
            }
            None => {
                // The share is one of all photos.
                let rest = 1.0 - options.test_share.unwrap_or(0.0);
                let share = options.val_share.unwrap_or(DEFAULT_SHARE);
                if share >= rest {
                    return Err(FolderError::NothingToTrainOn(train.folder));
                }
                (train.hold_out(share / rest, options.seed, Purpose::Holdout)?, None)
            }
        };
        let test = test.unwrap_or_default();
        Ok(Split {
            classes: train.classes,
            train: train.photos,
            val: val.photos,
            test: test.photos,
            passed_over: train.passed_over,
            val_folder: val_folder.filter(|folder| *folder != train.folder),
            test_folder: Some(test.folder).filter(|folder| !folder.as_os_str().is_empty()),
            test_passed_over: test.passed_over,
            roles,
        })
    }
}

impl<L: Label> PhotoSet<L> {
    /// Draws a share of each class, and removes it from these photos.
    ///
    /// # Errors
    /// If nothing can be drawn.
    fn hold_out(&mut self, share: f64, seed: u64, purpose: Purpose) -> Result<Self, FolderError> {
        let is_plain = self
            .photos
            .iter()
            .all(|photo| photo.group.is_none() && photo.label.classes().len() == 1);
        let drawn = match (is_plain, purpose) {
            (true, Purpose::Holdout) => class_by_class(&self.photos, share, seed),
            _ => {
                let labels: Vec<L> = self.photos.iter().map(|photo| photo.label.clone()).collect();
                let groups: Vec<_> = self.photos.iter().map(|photo| photo.group).collect();
                draw(&labels, &groups, share, seed, purpose)
            }
        };
        let mut rest = Vec::new();
        let mut held_out = Vec::new();
        for (photo, is_drawn) in std::mem::take(&mut self.photos).into_iter().zip(drawn) {
            if is_drawn { &mut held_out } else { &mut rest }.push(photo);
        }
        match held_out.is_empty() {
            true => Err(FolderError::NoValidation(self.folder.clone())),
            false => {
                self.photos = rest;
                let classes = self.classes.clone();
                Ok(Self { classes, photos: held_out, ..Self::default() })
            }
        }
    }
}

/// Draws from each class by itself, as all versions have done.
fn class_by_class<L: Label>(photos: &[LabelledPhoto<L>], share: f64, seed: u64) -> Vec<bool> {
    let mut drawn = Vec::with_capacity(photos.len());
    for class in photos.chunk_by(|one, next| one.label == next.label) {
        let wanted = (class.len() as f64 * share).round() as usize;
        let for_val = match class.len() {
            1 => 0,
            count => wanted.clamp(1, count - 1),
        };
        let mut order: Vec<usize> = (0..class.len()).collect();
        order.shuffle(&mut generator(seed, Purpose::Split(class[0].label.classes()[0])));
        let mut is_val = vec![false; class.len()];
        order[..for_val].iter().for_each(|index| is_val[*index] = true);
        drawn.extend(is_val);
    }
    drawn
}

/// The validation photos with labels that are indices into the classes of `train`.
///
/// # Errors
/// If their classes are not the same.
fn as_given(train: &PhotoSet, val: PhotoSet) -> Result<PhotoSet, FolderError> {
    for (one, other) in [(train, &val), (&val, train)] {
        // Tables may leave a class out: its photos are few, perhaps.
        if Table::is_one(&val.folder) && std::ptr::eq(one, train) {
            continue;
        }
        if let Some(class) = one.classes.iter().find(|class| !other.classes.contains(class)) {
            return Err(FolderError::OneSided {
                class: class.clone(),
                present: one.folder.clone(),
                absent: other.folder.clone(),
            });
        }
    }
    val.labelled_as(&train.classes)
}

/// # Errors
/// If `set` has a class of which there is no training photo.
fn every_class_is_trained<L: Label>(
    train: &PhotoSet<L>,
    set: &PhotoSet<L>,
) -> Result<(), FolderError> {
    let mut is_trained = vec![false; train.classes.len()];
    let classes = train.photos.iter().flat_map(|photo| photo.label.classes());
    classes.for_each(|class| is_trained[*class] = true);
    let untrained = set.photos.iter().flat_map(|photo| photo.label.classes());
    match untrained.copied().find(|class| !is_trained[*class]) {
        None => Ok(()),
        Some(class) => Err(FolderError::Untrained {
            class: train.classes[class].clone(),
            folder: set.folder.clone(),
        }),
    }
}
