//! `train --test`: the finished model, scored once on photos that chose nothing.

use std::path::{Path, PathBuf};

use anyhow::Result;
use kindling::evaluation::{CalibrationSummary, Prediction, ScoreIntervals, Scores, scaled};
use kindling::photos::{PhotoSet, labelled_as};
use kindling::run::{PhotoPrediction, TestScores};

use super::calibrate::Calibrated;
use super::extract::Extracted;
use super::fit::{Fitted, head_device};
use super::load::Loaded;
use crate::cli::extraction::{any_decoded, extract};
use crate::cli::terminal::SEED;

/// The test photos, with their features.
pub struct TestPhotos {
    paths: Vec<PathBuf>,
    rows: Vec<f32>,
    labels: Vec<usize>,
    skipped: usize,
}

/// What the finished model makes of the test photos.
pub struct Tested {
    pub scores: TestScores,
    /// The rows for `predictions.csv`.
    pub rows: Vec<PhotoPrediction>,
}

/// Reads the folder of test photos, before any work is done.
pub fn read(folder: Option<&Path>, classes: &[String]) -> Result<Option<PhotoSet>> {
    Ok(folder.map(|folder| labelled_as(folder, classes)).transpose()?)
}

/// Computes the features, before the training: if that fails, no training is lost.
pub fn features(
    set: Option<&PhotoSet>,
    extracted: &Extracted,
    quiet: bool,
) -> Result<Option<TestPhotos>> {
    let Some(set) = set else { return Ok(None) };
    let (extraction, skipped) =
        extract(&set.paths(), &set.passed_over, &extracted.extractor, "test", quiet)?;
    any_decoded(&extraction, &set.folder)?;
    let photos = extraction.photos.iter().map(|index| &set.photos[*index]);
    let (paths, labels) = photos.map(|photo| (photo.path.clone(), photo.label)).unzip();
    Ok(Some(TestPhotos { paths, rows: extraction.rows, labels, skipped: skipped.len() }))
}

impl TestPhotos {
    /// Scores the calibrated model on the photos.
    pub fn tested(
        &self,
        fitted: &Fitted,
        calibrated: &Calibrated,
        loaded: &Loaded,
        classes: &[String],
    ) -> Tested {
        let raw = fitted.fitted.head.logits(&self.rows, &head_device(loaded));
        let (count, temperature) = (classes.len(), calibrated.summary.applied_temperature());
        let logits = scaled(&raw, temperature.unwrap_or(1.0));
        let predictions = Prediction::all(count, &logits, &self.labels);
        let Scores { accuracy, loss, images, .. } = Scores::of(count, &logits, &self.labels);
        let rows = self.paths.iter().zip(&predictions);
        Tested {
            rows: rows
                .map(|(path, prediction)| PhotoPrediction::of(path, "test", prediction, classes))
                .collect(),
            scores: TestScores {
                photos: images,
                accuracy,
                loss,
                skipped: self.skipped,
                intervals: Some(ScoreIntervals::of(count, &predictions, SEED)),
                calibration: Some(CalibrationSummary::measured(
                    count,
                    &raw,
                    &self.labels,
                    temperature,
                    SEED,
                )),
            },
        }
    }
}
