//! The fourth step of `train`: the temperature, and the predictions of the finished model.

use kindling::evaluation::{CalibrationSummary, Prediction, ScoreIntervals, scaled};
use kindling::photos::Split;
use kindling::run::PhotoPrediction;

use super::extract::Extracted;
use super::fit::Fitted;
use crate::cli::terminal::SEED;

/// The calibration of a trained head.
pub struct Calibrated {
    pub summary: CalibrationSummary,
    /// The predictions for the validation photos, with calibrated probabilities.
    pub predictions: Vec<Prediction>,
    /// Of the scores on the validation photos.
    pub intervals: ScoreIntervals,
}

/// Fits a temperature on the validation photos, and predicts them with it.
pub fn calibrate(fitted: &Fitted, extracted: &Extracted, classes: usize) -> Calibrated {
    let labels = &extracted.val.labels;
    let summary = CalibrationSummary::fitted(classes, &fitted.logits, labels, SEED);
    let logits = scaled(&fitted.logits, summary.applied_temperature().unwrap_or(1.0));
    let predictions = Prediction::all(classes, &logits, labels);
    // Those of the raw scores, which `metrics.csv` has too.
    let raw = Prediction::all(classes, &fitted.logits, labels);
    let intervals = ScoreIntervals::of(classes, &raw, SEED);
    Calibrated { summary, predictions, intervals }
}

impl Calibrated {
    /// The rows of the validation photos for `predictions.csv`.
    pub fn rows(&self, extracted: &Extracted, split: &Split) -> Vec<PhotoPrediction> {
        // The validation photos come last.
        let first = extracted.extraction.photos.len() - self.predictions.len();
        let photos = extracted.extraction.photos[first..].iter();
        let paths = photos.map(|index| &split.val[index - split.train.len()].path);
        paths
            .zip(&self.predictions)
            .map(|(path, prediction)| PhotoPrediction::of(path, "val", prediction, &split.classes))
            .collect()
    }
}

/// What the temperature changed, on one line. `None` if none is applied.
pub fn in_words(calibration: &CalibrationSummary) -> Option<String> {
    let CalibrationSummary { temperature, interval, error_before, error_after, .. } = calibration;
    let (temperature, (low, high)) =
        (*temperature).filter(|_| calibration.applied).zip(*interval)?;
    Some(format!(
        "temperature {temperature:.3} (95 % interval {low:.3} to {high:.3}): calibration error \
         {error_after:.4}, without it {error_before:.4}"
    ))
}
