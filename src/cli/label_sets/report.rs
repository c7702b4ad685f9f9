//! The report on an existing model and the photos just evaluated.

use std::path::Path;

use anyhow::Result;
use kindling::device::DeviceInfo;
use kindling::evaluation::CalibrationSummary;
use kindling::features::Extractor;
use kindling::photos::{LabelSet, PhotoSet, Split};
use kindling::printable::PathText;
use kindling::report::{MultiLabelContent, Report};
use kindling::run::{History, Model};

use crate::cli::evaluated::Evaluated;
use crate::cli::report::{
    LabelTexts, in_two_classes, leaked, made_of, name, source, warn_in_two_classes, warn_leaked,
    warn_of_problem, with_near_duplicates,
};
use crate::cli::terminal::{Hinted, SEED, error_text};

/// The inputs of a report.
pub struct NewLabelReport<'a> {
    pub model: &'a Model,
    /// The path or name of the model, as the user gave it.
    pub name: &'a Path,
    pub evaluated: &'a Evaluated<LabelSet>,
    /// The folder or table of the photos. `None` for the run's own validation photos.
    pub data: Option<&'a Path>,
    pub gallery: usize,
    pub extractor: &'a Extractor<'a>,
    /// The device that evaluated the photos.
    pub device: &'a DeviceInfo,
    /// Whether the user was already warned that the model was trained on these photos.
    pub overlap_reported: bool,
}

impl NewLabelReport<'_> {
    /// Draws the report, and warns of anything that it could not show.
    pub fn draw(&self) -> Result<Report> {
        let Self { model, evaluated, .. } = self;
        let photos = evaluated.photos();
        let history = model.config.as_ref().map(|_| History::read(self.name)).transpose()?;
        let split = recorded(model);
        let trained_on = match &split {
            Ok(split) if split.classes == model.classes => split.train.as_slice(),
            _ => &[],
        };
        let mut texts = LabelTexts::new(&model.classes);
        let (trained, known) = (texts.labelled(trained_on), texts.evaluated(&photos));
        let contradictions = in_two_classes(&trained, &known);
        warn_in_two_classes(&contradictions, texts.texts());
        let leaked = split.as_ref().map(|_| leaked(&trained, &known, &contradictions));
        let leaked = leaked.map_err(String::clone);
        if let (Ok(leaked), false) = (&leaked, self.overlap_reported) {
            warn_leaked(leaked, "evaluated", photos.len());
        }
        // The run's own photos are those that the training compared.
        let own = history.as_ref().filter(|_| self.data.is_none());
        let leaked = leaked.map(|leaked| match own {
            Some(history) => with_near_duplicates(leaked, &history.summary),
            None => leaked,
        });
        let classes = model.classes.len();
        let labels = &evaluated.labels;
        let logits = model.calibrated(evaluated.logits.clone());
        let calibration = CalibrationSummary::measured_on_label_sets(
            classes,
            &evaluated.logits,
            labels,
            model.temperature,
            SEED,
        );
        let content = MultiLabelContent {
            name: &name(self.name),
            classes: &model.classes,
            thresholds: model.task.thresholds().unwrap_or_default(),
            epochs: history
                .as_ref()
                .map(|history| (history.epochs.as_slice(), history.summary.best_epoch.epoch)),
            source: match (self.data, &model.config) {
                (Some(data), _) => format!("{} photos in {}", photos.len(), data.shown()),
                (None, config) => source(photos.len(), config.as_ref()),
            },
            chose_thresholds: self.data.is_none(),
            photos: &photos,
            logits: &logits,
            calibration: &calibration,
            strangers: evaluated.strangers_in_report(model),
            trained_on: model
                .config
                .as_ref()
                .and_then(|config| config.data.trained_on.clone())
                .filter(|counts| counts.len() == classes),
            skipped: &evaluated.skipped,
            leaked,
            contradictions,
            label_texts: texts.into_texts(),
            making: made_of(model, self.name, history.as_ref(), self.extractor, self.device),
            gallery: self.gallery,
        };
        let report = Report::draw_multi_label(&content, self.extractor, &model.head);
        warn_of_problem(&report);
        Ok(report)
    }
}

/// The split of the model's run, or why it is not known.
fn recorded(model: &Model) -> Result<Split<LabelSet>, String> {
    match &model.config {
        Some(config) => config.recorded_split().map_err(|error| error_text(&error)),
        None => Err("the model has no record of its training photos".into()),
    }
}

/// The validation photos of a run.
pub fn validated_on(model: &Model) -> Result<PhotoSet<LabelSet>> {
    let split = recorded(model).map_err(|message| {
        Hinted::new(message, vec!["give a table of photos after the run".into()])
    })?;
    let folder = model.config.as_ref().map(|config| config.data.folder.clone());
    Ok(PhotoSet {
        classes: split.classes,
        photos: split.val,
        passed_over: split.passed_over,
        folder: folder.unwrap_or_default(),
    })
}
