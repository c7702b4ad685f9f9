//! Photos whose label may be wrong, among all photos of a run.

use std::path::Path;

use burn::tensor::Device;
use kindling::head::{Examples, L2Options, out_of_fold_l2};
use kindling::photos::{Part, folds};
use kindling::report::Suspect;

/// The inverse strength of the penalty: a head that is regularised more than the most accurate one
/// does not learn wrong labels by heart. Measured with planted errors: docs/head.md.
const C: f64 = 0.002;
/// Number of folds.
const FOLDS: usize = 5;
/// Maximum of photos times features times classes without `--folds`: some two seconds.
const MAX_WORK: usize = 200_000_000;
/// Fewer photos are not looked at without being asked to: heads that have seen so few suspect
/// every other one.
const MIN_PHOTOS: usize = 20;

/// Whether so many rows of photos are looked at without being asked to.
pub fn is_quick(photos: usize, width: usize, classes: usize) -> bool {
    photos >= MIN_PHOTOS && photos.saturating_mul(width).saturating_mul(classes) <= MAX_WORK
}

/// The training and validation photos of a run, in the order of their features.
pub struct Pool<'a> {
    /// Path, part and label.
    pub photos: Vec<(&'a Path, Part, usize)>,
    pub groups: Vec<Option<usize>>,
    pub examples: Examples,
}

impl<'a> Pool<'a> {
    /// The fold of each photo.
    pub fn folds(&self, count: usize, seed: u64) -> Vec<usize> {
        folds(&self.examples.labels, &self.groups, count, seed)
    }

    /// The suspects, by heads that were not trained on them. `None` if that takes long, unless
    /// `insist`, or if all photos are in one group.
    pub fn suspects(
        &self,
        classes: usize,
        seed: u64,
        insist: bool,
        device: &Device,
    ) -> Option<Vec<Suspect<'a>>> {
        let Examples { width, labels, .. } = &self.examples;
        let folds = self.folds(FOLDS, seed);
        if !(insist || is_quick(labels.len(), *width, classes))
            || folds.iter().all(|fold| *fold == folds[0])
        {
            return None;
        }
        let logits = out_of_fold_l2(&self.examples, classes, &folds, &L2Options::of(C), device);
        Some(Suspect::all(classes, &logits, &self.photos))
    }
}
