//! Labelled photos with the logits that a model gives them.

use std::path::Path;

use anyhow::Result;
use kindling::features::{Extraction, Extractor};
use kindling::photos::PhotoSet;
use kindling::report::ReportPhoto;
use kindling::run::Model;

use super::extraction::{Skipped, any_decoded, extract};

/// Evaluated photos.
pub struct Evaluated {
    set: PhotoSet,
    extraction: Extraction,
    /// The true class of each photo that could be decoded.
    pub labels: Vec<usize>,
    /// Their logits, `[photos, classes]`.
    pub logits: Vec<f32>,
    /// Skipped files with the reasons.
    pub skipped: Skipped,
}

impl Evaluated {
    /// Runs the model on the photos of `set`, from the folder `data`, with a progress bar unless
    /// `quiet`. Warns of skipped files.
    pub fn of(
        model: &Model,
        set: PhotoSet,
        data: &Path,
        extractor: &Extractor,
        quiet: bool,
    ) -> Result<Self> {
        let (extraction, skipped) =
            extract(&set.paths(), &set.passed_over, extractor, "evaluate", quiet)?;
        any_decoded(&extraction, data)?;
        let labels = extraction.photos.iter().map(|index| set.photos[*index].label).collect();
        let logits = model.logits(&extraction.rows, extractor.device())?;
        Ok(Self { set, extraction, labels, logits, skipped })
    }

    /// The photos, for a report.
    pub fn photos(&self) -> Vec<ReportPhoto<'_>> {
        self.extraction
            .photos
            .iter()
            .zip(&self.extraction.sizes)
            .map(|(index, size)| {
                let photo = &self.set.photos[*index];
                ReportPhoto { path: &photo.path, label: photo.label, size: *size }
            })
            .collect()
    }
}
