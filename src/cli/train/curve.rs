//! The learning curve of `train`: whether more photos would help.

use kindling::head::{L2Options, LearningCurve};
use kindling::photos::Split;

use super::extract::Extracted;
use super::fit::head_device;
use super::load::Loaded;
use crate::cli::terminal::SEED;

/// Measures the curve on the validation photos. `None` with very few or very many photos.
pub fn measure(extracted: &Extracted, split: &Split, loaded: &Loaded) -> Option<LearningCurve> {
    let Extracted { train, val, extraction, .. } = extracted;
    // The training photos come first.
    let photos = extraction.photos.iter().take(train.labels.len());
    let groups: Vec<Option<usize>> = photos.map(|index| split.train[*index].group).collect();
    let (classes, device) = (split.classes.len(), head_device(loaded));
    LearningCurve::measure(train, &groups, val, classes, &L2Options::of(1.0), SEED, &device)
}
