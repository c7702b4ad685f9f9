//! The report that goes into the run folder.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use kindling::FeatureRows;
use kindling::evaluation::CalibrationSummary;
use kindling::features::{Extraction, Extractor};
use kindling::head;
use kindling::photos::Split;
use kindling::report::{Content, Report, ReportPhoto, Strangers, Suspect};
use kindling::run::{RunConfig, Summary};

use super::TrainArgs;
use super::fit::Fitted;
use crate::cli::report::{
    in_two_classes, leaked, making, name, source, warn_in_two_classes, warn_leaked,
    warn_of_problem, with_near_duplicates,
};
use crate::cli::terminal::warn;

/// The validation photos that could be decoded, with their predictions.
pub struct Validated<'a> {
    pub split: &'a Split,
    /// Of all photos: the training photos come first.
    pub extraction: &'a Extraction<FeatureRows>,
    /// The number of validation photos.
    pub count: usize,
    /// `[photos, classes]`.
    pub logits: &'a [f32],
    pub skipped: &'a [(String, String)],
    pub fitted: &'a Fitted,
    /// Training and validation photos whose label may be wrong, if that was looked at.
    pub suspects: Option<&'a [Suspect<'a>]>,
    /// How far they are from the training photos.
    pub strangers: Option<Strangers<'a>>,
}

impl Validated<'_> {
    /// Draws the report of the run that will be written to `folder`, and warns of what it finds. If
    /// the device or a file fails now, there is no report, but the model is kept.
    pub fn draw(
        self,
        folder: &Path,
        config: &RunConfig,
        summary: &Summary,
        args: &TrainArgs,
        extractor: &Extractor,
    ) -> Option<Report> {
        let photos = validation_photos(self.split, self.extraction, self.count);
        let in_two_classes = in_two_classes(&self.split.train, &photos);
        warn_in_two_classes(&in_two_classes, &self.split.classes);
        let leaked = leaked(&self.split.train, &photos, &in_two_classes);
        warn_leaked(&leaked, "validation", photos.len());
        let before_refit = match summary.head.refit_photos {
            Some(_) => ", by the head before it was trained on these photos too",
            None => "",
        };
        // The head that made the predictions, which the finished one of `--refit` did not.
        let head::Fitted { head, epochs, .. } = &self.fitted.fitted;
        let content = Content {
            name: &name(folder),
            classes: &self.split.classes,
            epochs: match summary.head.selection {
                Some(_) => None,
                None => Some((epochs, summary.best_epoch.epoch)),
            },
            monitor: args.head.monitor(),
            source: source(photos.len(), Some(config)) + before_refit,
            photos: &photos,
            logits: self.logits,
            temperature: summary
                .calibration
                .as_ref()
                .and_then(CalibrationSummary::applied_temperature),
            calibration: summary.calibration.as_ref(),
            learning_curve: summary.learning_curve.as_ref(),
            chose_the_epoch: summary.chose_an_epoch(),
            strangers: self.strangers,
            trained_on: config.data.trained_on.clone(),
            skipped: self.skipped,
            leaked: Ok(with_near_duplicates(leaked, summary)),
            in_two_classes,
            suspects: self.suspects,
            making: making(config, summary),
            gallery: args.gallery.photos(),
        };
        drawn(|| Report::draw(&content, extractor, head))
    }
}

/// The last `count` photos of the extraction: the validation photos that could be decoded. The
/// training photos come first.
pub fn validation_photos<'a, L: Clone>(
    split: &'a Split<L>,
    extraction: &Extraction<FeatureRows>,
    count: usize,
) -> Vec<ReportPhoto<'a, L>> {
    let Extraction { photos, sizes, .. } = extraction;
    let first = photos.len() - count;
    photos[first..]
        .iter()
        .zip(sizes.get(first..).unwrap_or_default())
        .map(|(index, size)| {
            let photo = &split.val[index - split.train.len()];
            ReportPhoto { path: &photo.path, label: photo.label.clone(), size: *size }
        })
        .collect()
}

/// Draws a report, and warns if that fails or the page lacks something.
pub fn drawn(draw: impl FnOnce() -> Report) -> Option<Report> {
    let Ok(report) = catch_unwind(AssertUnwindSafe(draw)) else {
        warn("the report could not be drawn; run `kindling report` to try again");
        return None;
    };
    warn_of_problem(&report);
    Some(report)
}
