//! Splits photos into a training set and a validation set.

use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;

use super::folder::read_tree;
use super::layout::Layout;
use super::tree::Tree;
use super::{FolderError, LabelledPhoto, PassedOver, PhotoSet};
use crate::printable::hexadecimal;
use crate::seed::{Purpose, generator};
use crate::sha256::Sha256;

/// Default share of each class that is held out for validation.
const DEFAULT_SHARE: f64 = 0.2;

/// Training, validation and test photos of the same classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split<L = usize> {
    /// Class names in byte order.
    pub classes: Vec<String>,
    /// Training photos, sorted by class, then by path.
    pub train: Vec<LabelledPhoto<L>>,
    /// Validation photos, sorted by class, then by path.
    pub val: Vec<LabelledPhoto<L>>,
    /// Photos on which the finished model is tested once. Empty if there are none.
    pub test: Vec<LabelledPhoto<L>>,
    /// Files and folders that were skipped, with the reason.
    pub passed_over: Vec<PassedOver>,
    /// The folder of the validation photos, if they have their own.
    pub val_folder: Option<PathBuf>,
    /// Which folders have which role, in words, unless they are plain class folders or `train` and
    /// `val`.
    pub roles: Option<String>,
}

impl Split {
    /// Identifies this split of the photos in `data`: the SHA-256, in lower-case hexadecimal, of
    /// the classes and of the part, class and path of each photo, below `data` or the folder of the
    /// validation photos.
    pub fn digest(&self, data: &Path) -> String {
        let mut hasher = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        self.classes.iter().for_each(|class| add(class.as_bytes()));
        for (part, photos) in [(b"train", &self.train), (b"val..", &self.val)] {
            add(part);
            for photo in photos {
                let in_val = || photo.path.strip_prefix(self.val_folder.as_ref()?).ok();
                let path = photo.path.strip_prefix(data).ok().or_else(in_val);
                let path = path.unwrap_or(&photo.path);
                add(&(photo.label as u64).to_le_bytes());
                add(path.as_os_str().as_encoded_bytes());
            }
        }
        hexadecimal(&hasher.finalize())
    }
}

/// Reads the training and validation photos in `data`.
///
/// If `data` is divided into a training and a validation part, they are the split. Otherwise the
/// share `val_split` (default 0.2) of each class is drawn at random with `seed` for validation: at
/// least one photo of each class that has two or more, but never all of them.
///
/// # Errors
/// If the photos cannot be read, the roles of the folders are not clear, there are fewer than two
/// classes, the parts have different classes, no photo can be held out, or `val_split` is given
/// although there is a validation part.
pub fn training_split(
    data: &Path,
    val_split: Option<f64>,
    seed: u64,
) -> Result<Split, FolderError> {
    split_by_layout(&read_tree(data)?, data, val_split, seed)
}

/// The splits of `data` that older versions of Kindling may have made: they found photos by suffix
/// alone, and took folders for classes that are refused now.
pub(crate) fn older_splits(data: &Path, val_split: Option<f64>, seed: u64) -> Vec<Split> {
    let Ok(mut tree) = read_tree(data) else { return Vec::new() };
    tree.keep_older_suffixes();
    let by_layout = split_by_layout(&tree, data, val_split, seed);
    let plain = PhotoSet::of(&tree, Vec::new()).and_then(|set| split(set, None, val_split, seed));
    by_layout.into_iter().chain(plain).collect()
}

fn split_by_layout(
    tree: &Tree,
    data: &Path,
    val_split: Option<f64>,
    seed: u64,
) -> Result<Split, FolderError> {
    let layout = Layout::of(tree, &[])?;
    let roles = layout.in_words(data);
    let val = layout.val.map(|val| PhotoSet::of_part(val, &[]));
    if let (Some(val), Some(_)) = (layout.val, val_split) {
        return Err(FolderError::SplitTwice(val.path.clone()));
    }
    let train = PhotoSet::of(layout.train, layout.not_classes)?;
    Ok(Split { roles, ..split(train, val.transpose()?, val_split, seed)? })
}

/// Reads the training photos in `train` and the validation photos in `val`, whose folders are
/// classes whatever they are called. Without `val`, validation photos are drawn from `train` as
/// [`training_split`] does.
///
/// # Errors
/// As [`training_split`].
pub fn split_of_parts(
    train: &Path,
    val: Option<&Path>,
    val_split: Option<f64>,
    seed: u64,
) -> Result<Split, FolderError> {
    if let (Some(val), Some(_)) = (val, val_split) {
        return Err(FolderError::SplitTwice(val.to_owned()));
    }
    split(PhotoSet::read(train)?, val.map(PhotoSet::read).transpose()?, val_split, seed)
}

fn split(
    train: PhotoSet,
    val: Option<PhotoSet>,
    val_split: Option<f64>,
    seed: u64,
) -> Result<Split, FolderError> {
    let train = train.with_several_classes()?;
    if let Some(val) = val {
        return as_given(train, val);
    }
    let folder = train.folder.clone();
    let split = stratified(train, val_split.unwrap_or(DEFAULT_SHARE), seed);
    match split.val.is_empty() {
        true => Err(FolderError::NoValidation(folder)),
        false => Ok(split),
    }
}

fn as_given(train: PhotoSet, val: PhotoSet) -> Result<Split, FolderError> {
    for (one, other) in [(&train, &val), (&val, &train)] {
        if let Some(class) = one.classes.iter().find(|class| !other.classes.contains(class)) {
            return Err(FolderError::OneSided {
                class: class.clone(),
                present: one.folder.clone(),
                absent: other.folder.clone(),
            });
        }
    }
    Ok(Split {
        classes: train.classes,
        train: train.photos,
        val: val.photos,
        test: Vec::new(),
        passed_over: [train.passed_over, val.passed_over].concat(),
        val_folder: Some(val.folder),
        roles: None,
    })
}

fn stratified(set: PhotoSet, share: f64, seed: u64) -> Split {
    let (mut train, mut val) = (Vec::new(), Vec::new());
    for class in set.photos.chunk_by(|one, next| one.label == next.label) {
        let wanted = (class.len() as f64 * share).round() as usize;
        let for_val = match class.len() {
            1 => 0,
            count => wanted.clamp(1, count - 1),
        };
        let mut order: Vec<usize> = (0..class.len()).collect();
        order.shuffle(&mut generator(seed, Purpose::Split(class[0].label)));
        let mut is_val = vec![false; class.len()];
        order[..for_val].iter().for_each(|index| is_val[*index] = true);
        for (photo, is_val) in class.iter().zip(is_val) {
            if is_val { &mut val } else { &mut train }.push(photo.clone());
        }
    }
    let PhotoSet { classes, passed_over, .. } = set;
    Split { classes, train, val, test: Vec::new(), passed_over, val_folder: None, roles: None }
}
