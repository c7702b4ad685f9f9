//! Collects the content of a report from a model, its run and the evaluated photos.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use kindling::device::DeviceInfo;
use kindling::features::Extractor;
use kindling::head::Monitor;
use kindling::output::OutputFile;
use kindling::photos::Split;
use kindling::printable::PathText;
use kindling::report::{Content, Report, Suspect};
use kindling::run::{
    CURVES_FILE, History, Model, REPORT_FILE, RunConfig, Summary, TestScores, Versions,
};

use super::copies::{
    are_among, in_two_classes, leaked, warn_in_two_classes, warn_leaked, with_near_duplicates,
};
use crate::cli::evaluated::Evaluated;
use crate::cli::terminal::{counted, error_text, interval, text, warn};

/// The inputs of a report about an existing model and the photos just evaluated.
pub struct NewReport<'a> {
    pub model: &'a Model,
    /// The path or name of the model, as the user gave it.
    pub name: &'a Path,
    pub evaluated: &'a Evaluated,
    /// The folder of the photos. `None` for the run's own validation photos.
    pub data: Option<&'a Path>,
    pub gallery: usize,
    pub extractor: &'a Extractor<'a>,
    /// The device that evaluated the photos.
    pub device: &'a DeviceInfo,
    /// Whether the user was already warned that the model was trained on these photos.
    pub overlap_reported: bool,
    /// Photos of the run whose label may be wrong, if that was looked at.
    pub suspects: Option<&'a [Suspect<'a>]>,
}

impl NewReport<'_> {
    /// Draws the report, and warns of anything that it could not show.
    pub fn draw(&self) -> Result<Report> {
        let Self { model, evaluated, .. } = self;
        let photos = evaluated.photos();
        let history = match &model.config {
            Some(_) => Some(History::read(self.name)?),
            None => None,
        };
        let split = match &model.config {
            Some(config) => config.split().map_err(|error| error_text(&error)),
            None => Err("the model has no record of its training photos".into()),
        };
        let split = split.map(|split| match &history {
            // The finished head was trained on the validation photos too.
            Some(history) if history.summary.head.refit_photos.is_some() => {
                let train = [split.train, split.val].concat();
                Split { train, val: Vec::new(), ..split }
            }
            _ => split,
        });
        let trained_on = match &split {
            Ok(split) if split.classes == model.classes => split.train.as_slice(),
            _ => &[],
        };
        let are_validation = split.as_ref().is_ok_and(|split| are_among(&photos, &split.val));
        let summary = history.as_ref().map(|history| &history.summary);
        let in_two_classes = in_two_classes(trained_on, &photos);
        warn_in_two_classes(&in_two_classes, &model.classes);
        let leaked = split.map(|split| leaked(&split.train, &photos, &in_two_classes));
        if let (Ok(leaked), false) = (&leaked, self.overlap_reported) {
            warn_leaked(leaked, "evaluated", photos.len());
        }
        // The run's own photos are those that the training compared.
        let own = history.as_ref().filter(|_| self.data.is_none());
        let leaked = leaked.map(|leaked| match own {
            Some(history) => with_near_duplicates(leaked, &history.summary),
            None => leaked,
        });
        let report = Report::draw(
            &Content {
                name: &name(self.name),
                classes: &model.classes,
                epochs: history
                    .as_ref()
                    .filter(|history| history.summary.head.selection.is_none())
                    .map(|history| (history.epochs.as_slice(), history.summary.best_epoch.epoch)),
                monitor: model.config.as_ref().map(monitor).unwrap_or_default(),
                source: match (self.data, &model.config) {
                    (Some(data), _) => format!("{} photos in {}", photos.len(), data.shown()),
                    (None, config) => source(photos.len(), config.as_ref()),
                },
                photos: &photos,
                logits: &evaluated.logits,
                temperature: model.temperature,
                calibration: summary
                    .filter(|_| are_validation)
                    .and_then(|summary| summary.calibration.as_ref()),
                learning_curve: summary.and_then(|summary| summary.learning_curve.as_ref()),
                chose_the_epoch: are_validation && summary.is_some_and(Summary::chose_an_epoch),
                strangers: evaluated.strangers_in_report(model),
                trained_on: model
                    .config
                    .as_ref()
                    .and_then(|config| config.data.trained_on.clone())
                    .filter(|counts| counts.len() == model.classes.len()),
                skipped: &evaluated.skipped,
                leaked,
                in_two_classes,
                suspects: self.suspects,
                making: made_of(model, self.name, history.as_ref(), self.extractor, self.device),
                gallery: self.gallery,
            },
            self.extractor,
            &model.head,
        );
        warn_of_problem(&report);
        Ok(report)
    }
}

/// Warns of what the page lacks.
pub fn warn_of_problem(report: &Report) {
    if let Some(problem) = &report.problem {
        warn(&format!("in the report {problem}"));
    }
}

/// The files that a report is written to.
pub struct ReportFile {
    file: PathBuf,
    page: OutputFile,
    /// The training curves, written only into a run folder.
    curves: Option<OutputFile>,
}

impl ReportFile {
    /// Reserves the file `explicit`, or the report of the run folder `run`. Returns `None` if `run`
    /// is not a folder and no file was given.
    ///
    /// # Errors
    /// If the file exists and is not a report, because it must not be replaced, or if it cannot be
    /// created.
    pub fn of(run: &Path, explicit: Option<&Path>) -> Result<Option<Self>> {
        let (file, curves) = match explicit {
            Some(file) => (file.to_owned(), None),
            None if run.is_dir() => (run.join(REPORT_FILE), Some(run.join(CURVES_FILE))),
            None => return Ok(None),
        };
        if file.symlink_metadata().is_ok() && !Report::is_one(&file) {
            bail!("`{}` exists and is not a Kindling report: choose another file", file.shown());
        }
        let page = OutputFile::reserve(&file, true)?;
        // Leave a curves.svg alone that Kindling did not draw.
        let curves = curves
            .filter(|curves| curves.symlink_metadata().is_err() || Report::is_one(curves))
            .map(|curves| OutputFile::reserve(&curves, true))
            .transpose()?;
        Ok(Some(Self { file, page, curves }))
    }

    /// Writes the page and the curves, and returns the page's path and its size in bytes.
    pub fn write(self, report: &Report) -> Result<(PathBuf, u64)> {
        if let (Some(file), Some(curves)) = (self.curves, &report.curves) {
            file.write(curves.as_bytes())?;
        }
        Ok((self.file, self.page.write(report.html.as_bytes())?))
    }
}

/// Describes the validation photos of a run.
pub fn source(photos: usize, config: Option<&RunConfig>) -> String {
    match config {
        Some(config) => {
            let data = &config.data;
            let folder = data.val_folder.as_ref().unwrap_or(&data.folder);
            format!("{photos} validation photos in {}", folder.shown())
        }
        None => format!("{photos} photos"),
    }
}

/// A model's display name: the last component of its path.
pub fn name(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.file_name().unwrap_or(path.as_os_str()).shown().to_string()
}

/// The score that chose the epoch of a run.
fn monitor(config: &RunConfig) -> Monitor {
    match config.options.get("monitor").and_then(toml::Value::as_str) {
        Some("macro-f1") => Monitor::MacroF1,
        Some("loss") => Monitor::Loss,
        _ => Monitor::Accuracy,
    }
}

/// The number of photos in each class.
pub fn counts(labels: impl IntoIterator<Item = usize>, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    labels.into_iter().for_each(|label| counts[label] += 1);
    counts
}

/// How a run was made, as pairs of name and value.
pub fn making(config: &RunConfig, summary: &Summary) -> Vec<(&'static str, String)> {
    let option = |name: &str| config.options.get(name).map(ToString::to_string);
    // Options with another value than the default.
    let chosen = |name: &str, default: &str| {
        let value = config.options.get(name)?;
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (value != default).then_some(value)
    };
    let head = &summary.head;
    let selection = head.selection.as_ref().map(|selection| {
        format!("C = {} by cross-validation on {} photos", selection.c, selection.photos)
    });
    let refit = head
        .refit_photos
        .map(|photos| format!("on {photos} training and validation photos (--refit)"));
    let folds = head.folds.map(|scores| {
        format!(
            "{} folds: accuracy {:.4} ± {:.4}, macro F1 {:.4} ± {:.4}",
            scores.folds,
            scores.accuracy.mean,
            scores.accuracy.deviation,
            scores.macro_f1.mean,
            scores.macro_f1.deviation
        )
    });
    let epochs = Some(format!("{} (epoch {} kept)", summary.epochs, summary.best_epoch.epoch));
    // --head auto has no epochs and no learning rate.
    let is_adam = selection.is_none();
    let preprocessing = &config.preprocessing;
    let rows = [
        ("command", config.command.clone()),
        ("made", config.created.clone()),
        ("backbone", Some(config.backbone.clone())),
        ("weights", Some(text(&config.weights.file))),
        ("weights' SHA-256", Some(config.weights.sha256.clone())),
        (
            "preprocessing",
            Some(format!(
                "{}, mean {:?}, deviation {:?}",
                preprocessing.geometry(),
                preprocessing.mean,
                preprocessing.std
            )),
        ),
        ("views of a training photo", option("views").filter(|views| views != "1")),
        ("trained on", Some(config.device.to_string())),
        ("epochs", epochs.filter(|_| is_adam)),
        ("tested on", summary.test.as_ref().map(tested)),
        ("batch size", option("batch_size").filter(|_| is_adam)),
        ("learning rate", option("lr").filter(|_| is_adam)),
        ("weight decay", option("weight_decay").filter(|_| is_adam)),
        ("head", selection.map(|text| format!("auto: {text}"))),
        ("class weights", chosen("class_weights", "none")),
        ("label smoothing", chosen("label_smoothing", "0.0")),
        ("epoch chosen by", chosen("monitor", "")),
        ("trained again", refit),
        ("cross-validation", folds),
        ("seed", option("seed")),
        ("versions", Some(versions(&config.versions))),
        ("features", Some(format!("{:.2} s", summary.feature_seconds))),
        ("training", Some(format!("{:.2} s", summary.training_seconds))),
    ];
    rows.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// How a model was made, and where it was evaluated, as pairs of name and value.
pub fn made_of(
    model: &Model,
    name: &Path,
    history: Option<&History>,
    extractor: &Extractor,
    device: &DeviceInfo,
) -> Vec<(&'static str, String)> {
    let mut making = match (&model.config, history) {
        (Some(config), Some(history)) => making(config, &history.summary),
        _ => vec![
            ("backbone", model.backbone.architecture().to_string()),
            ("weights", text(name)),
            ("versions", versions(&Versions::current())),
        ],
    };
    making.push(("evaluated on", device.to_string()));
    if let views @ 2.. = extractor.averaged_views() {
        making.push(("evaluated with", format!("{views} views of each photo, averaged")));
    }
    making
}

/// The result on photos that nothing was chosen by.
fn tested(test: &TestScores) -> String {
    format!(
        "{}, which chose nothing: accuracy {:.4} ({}), loss {:.4}",
        counted(test.photos, "photo"),
        test.accuracy,
        interval(test.accuracy, test.photos),
        test.loss
    )
}

fn versions(versions: &Versions) -> String {
    format!("kindling {}, Burn {}", versions.kindling, versions.burn)
}
