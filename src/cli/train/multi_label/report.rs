//! The report that goes into the run folder.

use std::path::Path;

use kindling::features::Extractor;
use kindling::photos::{LabelSet, Split};
use kindling::report::{MultiLabelContent, Report, ReportPhoto, Strangers};
use kindling::run::{RunConfig, Summary};

use super::fit::Fitted;
use crate::cli::extraction::Skipped;
use crate::cli::report::{
    LabelTexts, in_two_classes, leaked, making, name, source, warn_in_two_classes, warn_leaked,
    with_near_duplicates,
};
use crate::cli::train::TrainArgs;
use crate::cli::train::report::drawn;

/// The validation photos that could be decoded, with their predictions.
pub struct Validated<'a> {
    pub split: &'a Split<LabelSet>,
    pub photos: Vec<ReportPhoto<'a, LabelSet>>,
    pub fitted: &'a Fitted,
    pub strangers: Option<Strangers<'a>>,
    pub skipped: &'a Skipped,
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
        let Self { split, photos, fitted, strangers, skipped } = self;
        let mut texts = LabelTexts::new(&split.classes);
        let (trained, evaluated) = (texts.labelled(&split.train), texts.evaluated(&photos));
        let contradictions = in_two_classes(&trained, &evaluated);
        warn_in_two_classes(&contradictions, texts.texts());
        let leaked = leaked(&trained, &evaluated, &contradictions);
        warn_leaked(&leaked, "validation", photos.len());
        let content = MultiLabelContent {
            name: &name(folder),
            classes: &split.classes,
            thresholds: &fitted.thresholds,
            epochs: Some((&fitted.fitted.epochs, summary.best_epoch.epoch)),
            source: source(photos.len(), Some(config)),
            chose_thresholds: true,
            photos: &photos,
            logits: &fitted.logits,
            calibration: &fitted.calibration,
            strangers,
            trained_on: config.data.trained_on.clone(),
            skipped,
            leaked: Ok(with_near_duplicates(leaked, summary)),
            contradictions,
            label_texts: texts.into_texts(),
            making: making(config, summary),
            gallery: args.gallery.photos(),
        };
        let head = &fitted.fitted.head;
        drawn(|| Report::draw_multi_label(&content, extractor, head))
    }
}
