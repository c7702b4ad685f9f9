//! `train --test`: the finished model, scored once on photos that chose nothing.

use std::path::Path;

use anyhow::Result;
use kindling::evaluation::Scores;
use kindling::photos::{PhotoSet, labelled_as};
use kindling::run::TestScores;

use super::extract::Extracted;
use super::fit::{Fitted, head_device};
use super::load::Loaded;
use crate::cli::extraction::{any_decoded, extract};

/// The test photos, with their features.
pub struct TestPhotos {
    rows: Vec<f32>,
    labels: Vec<usize>,
    skipped: usize,
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
    let labels = extraction.photos.iter().map(|index| set.photos[*index].label).collect();
    Ok(Some(TestPhotos { rows: extraction.rows, labels, skipped: skipped.len() }))
}

impl TestPhotos {
    /// Scores the model on the photos.
    pub fn scores(&self, fitted: &Fitted, loaded: &Loaded, classes: usize) -> TestScores {
        let device = head_device(loaded);
        let logits = fitted.fitted.head.logits(&self.rows, &device);
        let Scores { accuracy, loss, images, .. } = Scores::of(classes, &logits, &self.labels);
        TestScores { photos: images, accuracy, loss, skipped: self.skipped }
    }
}
