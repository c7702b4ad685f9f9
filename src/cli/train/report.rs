//! The report that goes into the run folder.

use std::path::Path;

use kindling::features::Extractor;
use kindling::head::{EpochMetrics, Head};
use kindling::photos::{LabelledPhoto, Split};
use kindling::report::{Content, Report, ReportPhoto};
use kindling::run::{RunConfig, Summary};

use super::TrainArgs;
use crate::cli::report::{leaked, making, name, source, warn_leaked};
use crate::cli::terminal::warn;

/// The validation photos that could be decoded, and what became of them.
pub struct Validated<'a> {
    pub split: &'a Split,
    pub photos: Vec<&'a LabelledPhoto>,
    /// Width and height of each, in pixels.
    pub sizes: &'a [(u32, u32)],
    /// Photos of each class that were trained on.
    pub trained_on: Vec<usize>,
    /// `[photos, classes]`.
    pub logits: &'a [f32],
    pub skipped: &'a [(String, String)],
    pub epochs: &'a [EpochMetrics],
}

impl Validated<'_> {
    /// Draws the report of the run that will lie in `folder`, and warns of what it finds.
    pub fn draw(
        self,
        folder: &Path,
        config: &RunConfig,
        summary: &Summary,
        args: &TrainArgs,
        extractor: &Extractor,
        head: &Head,
    ) -> Report {
        let photos: Vec<ReportPhoto> = self
            .photos
            .iter()
            .zip(self.sizes)
            .map(|(photo, size)| ReportPhoto { path: &photo.path, label: photo.label, size: *size })
            .collect();
        let leaked = leaked(&self.split.train, &photos);
        warn_leaked(&leaked, "validation");
        let content = Content {
            name: &name(folder),
            classes: &self.split.classes,
            epochs: Some((self.epochs, summary.best_epoch.epoch)),
            source: source(photos.len(), Some(config)),
            photos: &photos,
            logits: self.logits,
            trained_on: Some(self.trained_on),
            skipped: self.skipped,
            leaked: Ok(leaked),
            making: making(config, summary),
            gallery: args.gallery.photos(),
        };
        let report = Report::draw(&content, extractor, head);
        if let Some(problem) = &report.problem {
            warn(&format!("in the report {problem}"));
        }
        report
    }
}
