//! Labelled photos with the logits that a model gives them.

use std::path::Path;

use anyhow::Result;
use kindling::features::{Extraction, Extractor};
use kindling::neighbours::StrangerCount;
use kindling::photos::{LabelledPhoto, PhotoSet};
use kindling::report::{ReportPhoto, Strangers};
use kindling::run::Model;

use super::extraction::{Skipped, any_decoded, extract};

/// Evaluated photos.
pub struct Evaluated<L = usize> {
    set: PhotoSet<L>,
    extraction: Extraction,
    /// The true class, or classes, of each photo that could be decoded.
    pub labels: Vec<L>,
    /// Their raw logits, `[photos, classes]`.
    pub logits: Vec<f32>,
    /// How far each is from the photos that the model was trained on, if it knows these.
    pub stranger_scores: Option<Vec<f64>>,
    /// Skipped files with the reasons.
    pub skipped: Skipped,
}

impl<L: Clone> Evaluated<L> {
    /// Runs the model on the photos of `set`, from the folder `data`, with a progress bar unless
    /// `quiet`. Warns of skipped files.
    pub fn of(
        model: &Model,
        set: PhotoSet<L>,
        data: &Path,
        extractor: &Extractor,
        quiet: bool,
    ) -> Result<Self> {
        let (extraction, skipped) =
            extract(&set.paths(), &set.passed_over, extractor, "evaluate", quiet)?;
        any_decoded(&extraction, data)?;
        let label = |index: &usize| set.photos[*index].label.clone();
        let labels = extraction.photos.iter().map(label).collect();
        let logits = model.logits(&extraction.rows, extractor.device())?;
        let stranger_scores = model
            .neighbours
            .as_ref()
            .map(|neighbours| neighbours.scores(&extraction.rows, extractor.device()));
        Ok(Self { set, extraction, labels, logits, stranger_scores, skipped })
    }

    /// The photos that are unlike those that the `model` was trained on, if it knows these.
    pub fn strangers(&self, model: &Model) -> Option<StrangerCount> {
        let (neighbours, scores) = (model.neighbours.as_ref()?, self.stranger_scores.as_ref()?);
        Some(neighbours.count(scores))
    }

    /// The scores of the photos, for a report.
    pub fn strangers_in_report(&self, model: &Model) -> Option<Strangers<'_>> {
        let threshold = model.neighbours.as_ref()?.threshold();
        self.stranger_scores.as_deref().map(|scores| Strangers { scores, threshold })
    }

    /// The features of the photos, `[photos, width]`.
    pub fn rows(&self) -> &[f32] {
        &self.extraction.rows
    }

    /// The photos that could be decoded.
    pub fn labelled(&self) -> impl Iterator<Item = &LabelledPhoto<L>> {
        self.extraction.photos.iter().map(|index| &self.set.photos[*index])
    }

    /// The photos, for a report.
    pub fn photos(&self) -> Vec<ReportPhoto<'_, L>> {
        self.extraction
            .photos
            .iter()
            .zip(&self.extraction.sizes)
            .map(|(index, size)| {
                let photo = &self.set.photos[*index];
                ReportPhoto { path: &photo.path, label: photo.label.clone(), size: *size }
            })
            .collect()
    }
}
