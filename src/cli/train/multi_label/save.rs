//! The run folder, with the model, its thresholds, its report and its model card.

use std::path::PathBuf;

use anyhow::Result;
use kindling::export::{self, Parts, Precision};
use kindling::photos::{LabelSet, Part, Split};
use kindling::run::{
    FolderContent, HeadSummary, LabelledLogits, ModelFile, MultiLabelCard, MultiLabelSummary,
    NearDuplicates, PREDICTIONS_FILE, Summary, multi_label_predictions,
};
use kindling::weights::{Description, Task};

use super::fit::{Fitted, Scored};
use super::report::Validated;
use crate::cli::train::TrainArgs;
use crate::cli::train::extract::Extracted;
use crate::cli::train::load::Loaded;
use crate::cli::train::neighbours::Measured;
use crate::cli::train::new_run_dir::NewRunDir;
use crate::cli::train::photos::Photos;
use crate::cli::train::report::validation_photos;
use crate::cli::train::save::run_config;

/// What was trained, and how the command was given.
pub struct Trained<'a> {
    pub loaded: &'a Loaded,
    pub extracted: Extracted<'a, LabelSet>,
    pub photos: &'a Photos<LabelSet>,
    pub split: &'a Split<LabelSet>,
    pub near_duplicates: Option<NearDuplicates>,
    pub fitted: Fitted,
    /// The result on the test photos, if there are any.
    pub test: Option<Scored>,
    /// The training photos' features, and the validation photos that are unlike them.
    pub strangers: Option<Measured>,
    /// The options, for the run's configuration.
    pub options: toml::Table,
    /// The command as the user typed it.
    pub typed: &'a str,
}

/// A run folder that was written.
pub struct Saved {
    pub folder: PathBuf,
    pub summary: Summary,
    pub scores: MultiLabelSummary,
    /// Number of skipped files.
    pub skipped: usize,
    pub has_report: bool,
}

impl Trained<'_> {
    /// Draws the report, and writes the run folder.
    pub fn save(self, args: &TrainArgs, run_dir: NewRunDir) -> Result<Saved> {
        let scores = MultiLabelSummary {
            validation: self.fitted.figures.clone(),
            test: self.test.as_ref().map(|test| test.figures.clone()),
        };
        let summary = self.summary(&scores);
        let Self { loaded, extracted, photos, options, typed, .. } = &self;
        let config = run_config(args, loaded, extracted, photos, options, typed)?;
        let predictions = self.predictions()?;
        let validated = Validated {
            split: self.split,
            photos: validation_photos(
                self.split,
                &self.extracted.extraction,
                self.extracted.val.labels.len(),
            ),
            fitted: &self.fitted,
            strangers: self.strangers.as_ref().map(Measured::strangers),
            skipped: &self.extracted.skipped,
        };
        let extractor = &self.extracted.extractor;
        let description = Description {
            backbone: self.loaded.backbone.architecture().to_string(),
            classes: self.split.classes.clone(),
            preprocessing: config.preprocessing,
            task: Task::MultiLabel { thresholds: self.fitted.thresholds.clone() },
            temperature: self.fitted.calibration.applied_temperature(),
            calibrated_with: None,
        };
        let head = &self.fitted.fitted.head;
        let parts = Parts::new(&self.loaded.backbone, head, &description);
        let pieces = export::safetensors_pieces(parts, Precision::Full);
        let (drawn, model) = run_dir.stage_model(pieces, || {
            validated.draw(run_dir.folder(), &config, &summary, args, extractor)
        });
        let model = model?;
        let Self { photos, split, fitted, strangers, .. } = self;
        let mut further = vec![(PREDICTIONS_FILE, predictions)];
        further.extend(photos.split_file());
        let head = &fitted.fitted.head;
        further.extend(strangers.iter().map(|measured| measured.file(head)));
        let card = MultiLabelCard { config: &config, summary: &summary, scores: &scores };
        let folder = run_dir.write(&FolderContent {
            model: ModelFile::Staged(&model),
            classes: &split.classes,
            config: &config,
            epochs: &fitted.fitted.epochs,
            summary: &summary,
            report: drawn.as_ref().map(|report| report.html.as_str()),
            curves: drawn.as_ref().and_then(|report| report.curves.as_deref()),
            card: &card.markdown(),
            further: &further,
        })?;
        let (skipped, has_report) = (summary.skipped, drawn.is_some());
        Ok(Saved { folder, summary, scores, skipped, has_report })
    }

    /// The validation photos that could be decoded, as indices into the split's. The training
    /// photos come first in the extraction.
    fn validated(&self) -> impl Iterator<Item = usize> {
        let Extracted { extraction, val, .. } = &self.extracted;
        let first = extraction.photos.len() - val.labels.len();
        let train = self.split.train.len();
        extraction.photos[first..].iter().map(move |index| index - train)
    }

    /// The predictions for the validation and the test photos.
    fn predictions(&self) -> Result<Vec<u8>> {
        let Self { split, fitted, test, .. } = self;
        let classes = split.classes.len();
        let val = self.validated().zip(fitted.logits.chunks(classes));
        let val = val.map(|(index, logits)| (Part::Val, &split.val[index], logits));
        let test = test.iter().flat_map(|test| {
            let rows = test.photos.iter().zip(test.logits.chunks(classes));
            rows.map(|(index, logits)| (Part::Test, &split.test[*index], logits))
        });
        let photos = val.chain(test).map(|(part, photo, logits)| LabelledLogits {
            path: &photo.path,
            part,
            labels: &photo.label,
            logits,
        });
        Ok(multi_label_predictions(&split.classes, &fitted.thresholds, photos)?)
    }

    fn summary(&self, scores: &MultiLabelSummary) -> Summary {
        let Self { extracted, split, near_duplicates, fitted, strangers, .. } = self;
        Summary {
            best_epoch: fitted.fitted.best,
            epochs: fitted.fitted.epochs.len(),
            classes: split.classes.clone(),
            train_photos: extracted.train.labels.len(),
            val_photos: extracted.val.labels.len(),
            skipped: extracted.skipped.len(),
            feature_seconds: extracted.seconds,
            training_seconds: fitted.seconds,
            val_intervals: None,
            calibration: Some(fitted.calibration.clone()),
            learning_curve: None,
            test: None,
            multi_label: Some(scores.clone()),
            near_duplicates: near_duplicates.clone(),
            head: HeadSummary::default(),
            strangers: strangers.as_ref().map(Measured::count),
        }
    }
}
