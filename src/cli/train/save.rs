//! The fourth step of `train`: the run folder, with the model, its report and its model card.

use std::path::PathBuf;

use anyhow::Result;
use kindling::evaluation::{Scores, scaled};
use kindling::export::{self, Parts, Precision};
use kindling::head::LearningCurve;
use kindling::photos::Label;
use kindling::run::{
    Card, FolderContent, HeadSummary, ModelFile, NearDuplicates, PREDICTIONS_FILE, RunConfig,
    Summary, Versions, WeightsRecord, predictions_csv,
};
use kindling::weights::{Description, Task};

use super::TrainArgs;
use super::calibrate::Calibrated;
use super::examine::Examined;
use super::extract::Extracted;
use super::fit::Fitted;
use super::load::Loaded;
use super::neighbours::Measured;
use super::new_run_dir::NewRunDir;
use super::photos::Photos;
use super::report::Validated;
use super::test::Tested;
use crate::cli::extraction::Skipped;

/// What was trained, and how the command was given.
pub struct Trained<'a> {
    pub loaded: &'a Loaded,
    pub extracted: Extracted<'a>,
    pub photos: &'a Photos,
    pub near_duplicates: Option<NearDuplicates>,
    pub fitted: Fitted,
    pub calibrated: Calibrated,
    /// The training photos' features, and the validation photos that are unlike them.
    pub strangers: Option<Measured>,
    /// The result on the test photos, if there are any.
    pub tested: Option<Tested>,
    /// What cross-validation says of the photos.
    pub examined: Examined<'a>,
    /// How the accuracy grows with the number of training photos.
    pub curve: Option<LearningCurve>,
    /// The options, for the run's configuration.
    pub options: toml::Table,
    /// The command as the user typed it.
    pub typed: &'a str,
}

/// A run folder that was written.
pub struct Saved {
    pub folder: PathBuf,
    pub summary: Summary,
    pub skipped: Skipped,
    pub has_report: bool,
    /// Whether the classes of the validation photos differ much in size.
    pub is_unbalanced: bool,
}

impl Trained<'_> {
    /// Draws the report, and writes the run folder.
    pub fn save(self, args: &TrainArgs, run_dir: NewRunDir) -> Result<Saved> {
        let summary = self.summary();
        let Self { loaded, extracted, photos, options, typed, .. } = &self;
        let config = run_config(args, loaded, extracted, photos, options, typed)?;
        let predictions = self.predictions();
        let Self { loaded, extracted, photos, fitted, strangers, examined, .. } = self;
        let split = &photos.split;
        let logits = &fitted.logits;
        let temperature = self.calibrated.summary.applied_temperature();
        let Extracted { extractor, extraction, skipped, val, .. } = extracted;
        let mut further = vec![(PREDICTIONS_FILE, predictions)];
        further.extend(photos.split_file());
        let validated = Validated {
            split,
            extraction: &extraction,
            count: val.labels.len(),
            logits,
            skipped: &skipped,
            fitted: &fitted,
            suspects: examined.suspects.as_deref(),
            strangers: strangers.as_ref().map(Measured::strangers),
        };
        let description = Description {
            backbone: loaded.backbone.architecture().to_string(),
            classes: split.classes.clone(),
            preprocessing: config.preprocessing,
            task: Task::SingleLabel,
            temperature,
            calibrated_with: None,
        };
        let parts = Parts::new(&loaded.backbone, fitted.finished(), &description);
        let pieces = export::safetensors_pieces(parts, Precision::Full);
        let (drawn, model) = run_dir.stage_model(pieces, || {
            // There may be no photos to show where features were given.
            let has_photos = args.known_features.is_empty();
            let draw = || validated.draw(run_dir.folder(), &config, &summary, args, &extractor);
            has_photos.then(draw).flatten()
        });
        let model = model?;
        let logits = scaled(logits, temperature.unwrap_or(1.0));
        let scores = Scores::of(split.classes.len(), &logits, &val.labels);
        further.extend(strangers.iter().map(|measured| measured.file(fitted.finished())));
        let card = Card { config: &config, summary: &summary, scores: &scores }.markdown();
        further.extend(examined.tables);
        let folder = run_dir.write(&FolderContent {
            model: ModelFile::Staged(&model),
            classes: &split.classes,
            config: &config,
            epochs: &fitted.fitted.epochs,
            summary: &summary,
            report: drawn.as_ref().map(|report| report.html.as_str()),
            curves: drawn.as_ref().and_then(|report| report.curves.as_deref()),
            card: &card,
            further: &further,
        })?;
        let is_unbalanced = scores.is_unbalanced();
        Ok(Saved { folder, summary, skipped, has_report: drawn.is_some(), is_unbalanced })
    }

    /// The predictions of the calibrated model for the validation and test photos.
    fn predictions(&self) -> Vec<u8> {
        let mut rows = self.calibrated.rows(&self.extracted, &self.photos.split);
        rows.extend(self.tested.iter().flat_map(|tested| &tested.rows).cloned());
        predictions_csv(&rows)
    }

    fn summary(&self) -> Summary {
        let Self { extracted, photos, near_duplicates, fitted, calibrated, tested, curve, .. } =
            self;
        let (split, examined) = (&photos.split, &self.examined);
        let val = &extracted.val.labels;
        let scores = Scores::of(split.classes.len(), &fitted.logits, val);
        let refit_photos = extracted.train.labels.len() + val.len();
        let head = HeadSummary {
            balanced_accuracy: Some(scores.balanced_accuracy),
            macro_f1: Some(scores.macro_f1),
            selection: fitted.selection.clone(),
            refit_photos: fitted.refit.as_ref().map(|_| refit_photos),
            folds: examined.folds,
            suspects: examined.suspects.as_ref().map(Vec::len),
        };
        Summary {
            best_epoch: fitted.fitted.best,
            epochs: fitted.fitted.epochs.len(),
            classes: photos.split.classes.clone(),
            train_photos: extracted.train.labels.len(),
            val_photos: extracted.val.labels.len(),
            skipped: extracted.skipped.len(),
            feature_seconds: extracted.seconds,
            training_seconds: fitted.seconds,
            val_intervals: Some(calibrated.intervals),
            calibration: Some(calibrated.summary.clone()),
            learning_curve: curve.clone(),
            test: tested.as_ref().map(|tested| tested.scores.clone()),
            near_duplicates: near_duplicates.clone(),
            multi_label: None,
            head,
            strangers: self.strangers.as_ref().map(Measured::count),
        }
    }
}

/// The configuration of a run with any kind of labels. `typed` is the command as the user gave it.
pub fn run_config<L: Label>(
    args: &TrainArgs,
    loaded: &Loaded,
    extracted: &Extracted<L>,
    photos: &Photos<L>,
    options: &toml::Table,
    typed: &str,
) -> Result<RunConfig> {
    let Loaded { info, pretrained, backbone, .. } = loaded;
    let now = chrono::Local::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, false);
    Ok(RunConfig {
        command: Some(typed.to_owned()),
        created: Some(now),
        backbone: backbone.architecture().to_string(),
        options: options.clone(),
        preprocessing: extracted.extractor.preprocessing(),
        data: photos.record(args, extracted)?,
        weights: WeightsRecord {
            file: pretrained.to_string().into(),
            sha256: pretrained.sha256().to_owned(),
        },
        device: info.clone(),
        self_check: extracted.self_check.clone(),
        versions: Versions::current(),
        folder: None,
    })
}
