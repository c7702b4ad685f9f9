//! What `summary.json` says of the head beyond its best epoch.

use serde::{Deserialize, Serialize};

use crate::evaluation::FoldScores;
use crate::head::Selection;

/// How the head was found, and what cross-validation says. Older runs have none of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeadSummary {
    /// Mean recall of the classes on the validation photos.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balanced_accuracy: Option<f64>,
    /// Mean F1 of the classes on the validation photos.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macro_f1: Option<f64>,
    /// How the strength of the L2 penalty was chosen, with `--head auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// With `--refit`: the number of training and validation photos that the finished head was
    /// trained on. All scores on validation photos are those of the head before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refit_photos: Option<usize>,
    /// The scores of the cross-validation of `--folds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<FoldScores>,
    /// Number of training and validation photos whose label may be wrong: those of `suspects.csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspects: Option<usize>,
}
