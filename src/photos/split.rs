//! Training, validation and test photos.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::folder::read_tree;
use super::{DataSet, FolderError, Label, LabelledPhoto, Part, PassedOver, PhotoSet, SplitOptions};
use crate::printable::hexadecimal;
use crate::sha256::Sha256;

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
    /// The folder of the test photos, if they have their own.
    pub test_folder: Option<PathBuf>,
    /// Files that were skipped in the folder of the test photos, with the reason.
    pub test_passed_over: Vec<PassedOver>,
    /// Which folders have which role, in words, unless they are plain class folders or `train` and
    /// `val`.
    pub roles: Option<String>,
}

impl<L: Label> Split<L> {
    /// Identifies this split of the photos in `data`: the SHA-256, in lower-case hexadecimal, of
    /// the classes and of the part, class and path of each training and validation photo, below
    /// `data` or the folder of the validation photos.
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
                let classes = photo.label.classes().iter();
                add(&classes.flat_map(|class| (*class as u64).to_le_bytes()).collect::<Vec<u8>>());
                add(path.as_os_str().as_encoded_bytes());
            }
        }
        hexadecimal(&hasher.finalize())
    }

    /// The photos of a part.
    pub fn part(&self, part: Part) -> &[LabelledPhoto<L>] {
        match part {
            Part::Train => &self.train,
            Part::Val => &self.val,
            Part::Test => &self.test,
        }
    }

    /// The photos with their parts: training, validation, test photos.
    pub fn photos(&self) -> impl Iterator<Item = (Part, &LabelledPhoto<L>)> {
        Part::ALL.into_iter().flat_map(|part| self.part(part).iter().map(move |it| (part, it)))
    }

    /// Groups with photos in several parts, and the number of their photos outside the first.
    pub fn divided_groups(&self) -> (usize, usize) {
        let mut parts_of: BTreeMap<usize, BTreeMap<&str, usize>> = BTreeMap::new();
        for (part, photo) in self.photos() {
            if let Some(group) = photo.group {
                *parts_of.entry(group).or_default().entry(part.name()).or_default() += 1;
            }
        }
        let divided = || parts_of.values().filter(|parts| parts.len() > 1);
        let outside = |parts: &BTreeMap<&str, usize>| {
            let first = Part::ALL.iter().find_map(|part| parts.get(part.name()));
            parts.values().sum::<usize>() - first.copied().unwrap_or_default()
        };
        (divided().count(), divided().map(outside).sum())
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.photos().filter_map(|(_, photo)| photo.group).collect::<BTreeSet<_>>().len()
    }
}

/// Reads the training, validation and test photos in `data`.
///
/// If `data` is divided into a training and a validation part, they are the split. Otherwise the
/// share `val_split` (default 0.2) of each class is drawn at random with `seed` for validation: at
/// least one photo of each class that has two or more, but never all of them. A test part with the
/// same classes is taken as it is.
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
    let options = SplitOptions { val_share: val_split, seed, ..SplitOptions::default() };
    DataSet::of_folder(data)?.split(&options)
}

/// The splits of `data` that older versions of Kindling may have made: they found photos by suffix
/// alone, and took folders for classes that are refused now.
pub(crate) fn older_splits(data: &Path, val_split: Option<f64>, seed: u64) -> Vec<Split> {
    let Ok(mut tree) = read_tree(data) else { return Vec::new() };
    tree.keep_older_suffixes();
    let options = SplitOptions { val_share: val_split, seed, ..SplitOptions::default() };
    let by_layout = DataSet::of_tree(&tree, data).and_then(|set| set.split(&options));
    let plain =
        PhotoSet::of(&tree, Vec::new()).and_then(|set| DataSet::of_set(set).split(&options));
    by_layout.into_iter().chain(plain).collect()
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
    let options = SplitOptions { val_share: val_split, seed, ..SplitOptions::default() };
    let val = val.map(PhotoSet::read).transpose()?;
    DataSet::of_parts(PhotoSet::read(train)?, val)?.split(&options)
}
