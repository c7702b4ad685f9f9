//! Splits photos into a training set and a validation set.

use std::path::Path;

use rand::seq::SliceRandom;

use super::folder::{training_part, validation_part};
use super::{FolderError, LabelledPhoto, PassedOver, PhotoSet};
use crate::printable::hexadecimal;
use crate::seed::{Purpose, generator};
use crate::sha256::Sha256;

/// Default share of each class that is held out for validation.
const DEFAULT_SHARE: f64 = 0.2;

/// Training and validation photos of the same classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Class names in byte order.
    pub classes: Vec<String>,
    /// Training photos, sorted by class, then by path.
    pub train: Vec<LabelledPhoto>,
    /// Validation photos, sorted by class, then by path.
    pub val: Vec<LabelledPhoto>,
    /// Files that were skipped, with the reason.
    pub passed_over: Vec<PassedOver>,
}

impl Split {
    /// Identifies this split of the photos in `data`: the SHA-256, in lower-case hexadecimal, of
    /// the classes and of the part, class and path below `data` of each photo.
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
                let path = photo.path.strip_prefix(data).unwrap_or(&photo.path);
                add(&(photo.label as u64).to_le_bytes());
                add(path.as_os_str().as_encoded_bytes());
            }
        }
        hexadecimal(&hasher.finalize())
    }
}

/// Reads the training and validation photos in `data`.
///
/// If `data` has the folders `train` and `val` (or `valid`, `validation`), they are the split.
/// Otherwise the share `val_split` (default 0.2) of each class is drawn at random with `seed` for
/// validation: at least one photo of each class that has two or more, but never all of them.
///
/// # Errors
/// If the photos cannot be read, there are fewer than two classes, `train` and `val` have different
/// classes, no photo can be held out, or `val_split` is given although there is a `val` folder.
pub fn training_split(
    data: &Path,
    val_split: Option<f64>,
    seed: u64,
) -> Result<Split, FolderError> {
    let train_folder = training_part(data);
    match (&train_folder, train_folder.as_ref().and_then(|_| validation_part(data))) {
        (Some(train_folder), Some(val_folder)) if val_split.is_none() => {
            as_given(train_folder, &val_folder)
        }
        (_, Some(val_folder)) => Err(FolderError::SplitTwice(val_folder)),
        (train_folder, None) => {
            let folder = train_folder.as_deref().unwrap_or(data);
            let set = PhotoSet::read(folder)?.with_several_classes(folder)?;
            let split = stratified(set, val_split.unwrap_or(DEFAULT_SHARE), seed);
            match split.val.is_empty() {
                true => Err(FolderError::NoValidation(folder.to_owned())),
                false => Ok(split),
            }
        }
    }
}

fn as_given(train_folder: &Path, val_folder: &Path) -> Result<Split, FolderError> {
    let train = PhotoSet::read(train_folder)?.with_several_classes(train_folder)?;
    let val = PhotoSet::read(val_folder)?;
    for (one, other, present, absent) in
        [(&train, &val, train_folder, val_folder), (&val, &train, val_folder, train_folder)]
    {
        if let Some(class) = one.classes.iter().find(|class| !other.classes.contains(class)) {
            return Err(FolderError::OneSided {
                class: class.clone(),
                present: present.to_owned(),
                absent: absent.to_owned(),
            });
        }
    }
    Ok(Split {
        classes: train.classes,
        train: train.photos,
        val: val.photos,
        passed_over: [train.passed_over, val.passed_over].concat(),
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
    Split { classes: set.classes, train, val, passed_over: set.passed_over }
}
