//! The result of a comparison, as `compare --json` writes it.

use serde::{Serialize, Serializer};

use crate::photos::Part;

/// Runs with their scores, the best first, and how each differs from the best.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The part whose photos were compared.
    #[serde(serialize_with = "as_name")]
    pub part: Part,
    /// Number of photos that were compared, if they are the same in all runs.
    pub photos: Option<usize>,
    /// Number of photos left out because the runs label them differently.
    pub relabelled: usize,
    /// Number of photos that were matched by file name and label, as their paths differ.
    pub matched_by_name: usize,
    /// The runs, the most accurate first.
    pub runs: Vec<RunScores>,
    /// How each of the other runs differs from the first.
    pub differences: Vec<Difference>,
}

/// The scores of a run.
#[derive(Clone, Debug, Serialize)]
pub struct RunScores {
    /// The run's folder, as it was given.
    pub run: String,
    /// Whether it is the most accurate.
    pub best: bool,
    /// Number of photos of the part in this run.
    pub photos: usize,
    /// Share of photos that are classified correctly; of photos with several labels, exactly.
    pub accuracy: f64,
    /// Its 95 % confidence interval.
    pub accuracy_interval: (f64, f64),
    /// The other scores, if the photos are paired.
    #[serde(flatten)]
    pub further: Option<FurtherScores>,
}

/// Scores that need the predictions of a run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FurtherScores {
    /// Mean F1 of the classes that have photos. Absent if a photo may have several labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macro_f1: Option<f64>,
    /// Its 95 % confidence interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macro_f1_interval: Option<(f64, f64)>,
    /// Mean cross-entropy, in nats, of the calibrated probabilities.
    pub loss: f64,
    /// Its 95 % confidence interval.
    pub loss_interval: (f64, f64),
}

/// How a run differs from the best one.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The run.
    pub run: String,
    /// The best run.
    pub best: String,
    /// The run's accuracy minus the best one's.
    pub accuracy_difference: f64,
    /// Its 95 % confidence interval.
    pub accuracy_difference_interval: (f64, f64),
    /// McNemar's exact test on the same photos, otherwise Fisher's exact test.
    pub p: f64,
    /// Adjusted to the number of differences by Holm's method.
    pub p_adjusted: f64,
    /// Whether the difference of the accuracies may well be chance: `p_adjusted` is above 0.05.
    pub within_noise: bool,
    /// The paired differences, if the photos are the same.
    #[serde(flatten)]
    pub paired: Option<PairedDifference>,
}

/// The difference of two runs on the same photos.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PairedDifference {
    /// Number of photos that only this run gets right.
    pub only_run_right: usize,
    /// Number of photos that only the best run gets right.
    pub only_best_right: usize,
    /// Number of photos that would show a difference of this size in four of five tries (power
    /// 0.8, level 0.05). Absent if the accuracies are equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photos_needed: Option<usize>,
    /// The run's macro F1 minus the best one's, and its 95 % confidence interval. Absent if a photo
    /// may have several labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macro_f1_difference: Option<f64>,
    /// See [`macro_f1_difference`](Self::macro_f1_difference).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macro_f1_difference_interval: Option<(f64, f64)>,
    /// The run's loss minus the best one's, and its 95 % confidence interval.
    pub loss_difference: f64,
    /// See [`loss_difference`](Self::loss_difference).
    pub loss_difference_interval: (f64, f64),
}

fn as_name<S: Serializer>(part: &Part, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(part.name())
}
