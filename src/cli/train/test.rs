//! The test part of `train`: the finished model, scored once on photos that chose nothing.

use anyhow::Result;
use kindling::FeatureRows;
use kindling::evaluation::{CalibrationSummary, Prediction, ScoreIntervals, Scores, scaled};
use kindling::features::Extraction;
use kindling::photos::{Label, LabelledPhoto, PhotoSet, Split};
use kindling::run::{PhotoPrediction, TestScores};

use super::calibrate::Calibrated;
use super::extract::{Extracted, Sources};
use super::fit::{Fitted, head_device};
use super::load::Loaded;
use crate::cli::extraction::{any_decoded, extract_into};
use crate::cli::terminal::SEED;

/// The test photos, with their features.
pub struct TestPhotos<L = usize> {
    /// Indices of its photos are those of the split's test photos.
    pub extraction: Extraction<FeatureRows>,
    pub labels: Vec<L>,
    skipped: usize,
}

/// What the finished model makes of the test photos.
pub struct Tested {
    pub scores: TestScores,
    /// The rows for `predictions.csv`.
    pub rows: Vec<PhotoPrediction>,
}

/// Computes the features, unless they are `known`, before the training: if that fails, no training
/// is lost.
pub fn features<L: Label>(
    split: &Split<L>,
    extracted: &Extracted<L>,
    sources: Sources,
    quiet: bool,
) -> Result<Option<TestPhotos<L>>> {
    if split.test.is_empty() {
        return Ok(None);
    }
    let set = PhotoSet {
        classes: Vec::new(),
        photos: split.test.clone(),
        passed_over: split.test_passed_over.clone(),
        folder: split.test_folder.clone().unwrap_or_else(|| "the test part".into()),
    };
    let (paths, rows) = (set.paths(), sources.storage.writer());
    let (extraction, skipped) = match sources.known {
        Some(known) => (known.rows(&paths, rows)?, Vec::new()),
        None => extract_into(rows, &paths, &set.passed_over, &extracted.extractor, "test", quiet)?,
    };
    any_decoded(&extraction, &set.folder)?;
    Ok(Some(TestPhotos::new(extraction, &set.photos, skipped.len())))
}

impl<L: Label> TestPhotos<L> {
    /// The features of `photos`, of whose files some were skipped.
    pub fn new(
        extraction: Extraction<FeatureRows>,
        photos: &[LabelledPhoto<L>],
        skipped: usize,
    ) -> Self {
        let labels = extraction.photos.iter().map(|index| photos[*index].label.clone()).collect();
        Self { extraction, labels, skipped }
    }

    /// Number of skipped files.
    pub fn skipped(&self) -> usize {
        self.skipped
    }
}

impl TestPhotos {
    /// Scores the calibrated model on the photos of `split`.
    pub fn tested(
        &self,
        split: &Split,
        fitted: &Fitted,
        calibrated: &Calibrated,
        loaded: &Loaded,
    ) -> Result<Tested> {
        let raw = fitted.finished().logits_of(&self.extraction.rows, &head_device(loaded))?;
        let (classes, count) = (&split.classes, split.classes.len());
        let temperature = calibrated.summary.applied_temperature();
        let logits = scaled(&raw, temperature.unwrap_or(1.0));
        let predictions = Prediction::all(count, &logits, &self.labels);
        let Scores { accuracy, loss, images, balanced_accuracy, macro_f1, .. } =
            Scores::of(count, &logits, &self.labels);
        let paths = self.extraction.photos.iter().map(|index| &split.test[*index].path);
        let rows = paths.zip(&predictions);
        Ok(Tested {
            rows: rows
                .map(|(path, prediction)| PhotoPrediction::of(path, "test", prediction, classes))
                .collect(),
            scores: TestScores {
                photos: images,
                accuracy,
                loss,
                skipped: self.skipped,
                balanced_accuracy: Some(balanced_accuracy),
                macro_f1: Some(macro_f1),
                intervals: Some(ScoreIntervals::of(count, &predictions, SEED)),
                calibration: Some(CalibrationSummary::measured(
                    count,
                    &raw,
                    &self.labels,
                    temperature,
                    SEED,
                )),
            },
        })
    }
}
