//! The report that goes into the run folder.

use std::panic::{AssertUnwindSafe, catch_unwind};
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
    /// `[photos, classes]`.
    pub logits: &'a [f32],
    pub skipped: &'a [(String, String)],
    pub epochs: &'a [EpochMetrics],
}

impl Validated<'_> {
    /// Draws the report of the run that will lie in `folder`, and warns of what it finds. The model is there
    /// already: should a device or a file break off now, there is no report, and the model is kept.
    pub fn draw(
        self,
        folder: &Path,
        config: &RunConfig,
        summary: &Summary,
        args: &TrainArgs,
        extractor: &Extractor,
        head: &Head,
    ) -> Option<Report> {
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
            trained_on: config.data.trained_on.clone(),
            skipped: self.skipped,
            leaked: Ok(leaked),
            making: making(config, summary),
            gallery: args.gallery.photos(),
        };
        let drawn = catch_unwind(AssertUnwindSafe(|| Report::draw(&content, extractor, head)));
        let Ok(report) = drawn else {
            warn("the report could not be drawn; `kindling report` tries once more");
            return None;
        };
        if let Some(problem) = &report.problem {
            warn(&format!("in the report {problem}"));
        }
        Some(report)
    }
}
