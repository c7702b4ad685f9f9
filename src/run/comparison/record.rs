//! What a run recorded about its figures and its options.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::photos::Part;
use crate::printable::PathText;
use crate::regular_file;
use crate::run::{
    CONFIG_FILE, ModelError, PhotoPrediction, PredictionsError, RunConfig, SUMMARY_FILE, Summary,
};

/// A run to compare.
#[derive(Clone, Debug)]
pub struct ComparedRun {
    /// The folder, as it was given.
    pub name: String,
    /// The configuration.
    pub config: RunConfig,
    /// The results.
    pub summary: Summary,
    /// The predictions. Absent in older runs.
    pub predictions: Option<Vec<PhotoPrediction>>,
}

/// An option or a circumstance in which runs differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OptionDifference {
    /// The option, as in `config.toml`, or `kindling`, `weights` and so on.
    pub option: String,
    /// Its value in each run; `None` if the run does not have it.
    pub values: Vec<Option<String>>,
}

/// Why the records of a run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The path does not exist.
    #[error("there is no run at `{}`", .0.shown())]
    NotThere(PathBuf),
    /// The folder is not a run, or its configuration cannot be read.
    #[error(transparent)]
    Run(#[from] ModelError),
    /// The summary is not valid JSON.
    #[error("`{}` is not a valid run summary", .0.shown())]
    Summary(PathBuf, #[source] serde_json::Error),
    /// The predictions cannot be read.
    #[error(transparent)]
    Predictions(#[from] PredictionsError),
}

/// Options that do not change the model.
const IRRELEVANT: [&str; 14] = [
    "out",
    "force",
    "quiet",
    "tui",
    "gallery",
    "offline",
    "cache",
    "no_cache",
    "decode_memory",
    "no_self_check",
    "device",
    "backbone",
    "weights",
    "data",
];

impl ComparedRun {
    /// Reads the records of the run in `folder`. Its model is not opened.
    ///
    /// # Errors
    /// If the folder is not a run, or one of its files cannot be read.
    pub fn read(folder: &Path) -> Result<Self, RecordError> {
        if !folder.exists() {
            return Err(RecordError::NotThere(folder.to_owned()));
        }
        for missing in [CONFIG_FILE, SUMMARY_FILE] {
            if !folder.join(missing).is_file() {
                return Err(ModelError::NotARun { folder: folder.to_owned(), missing }.into());
            }
        }
        let read = |file: &Path| {
            regular_file::read_text(file).map_err(|error| ModelError::Read(file.to_owned(), error))
        };
        let (config, summary) = (folder.join(CONFIG_FILE), folder.join(SUMMARY_FILE));
        Ok(Self {
            name: folder.shown().to_string(),
            config: RunConfig::parse(&config, &read(&config)?).map_err(ModelError::from)?,
            summary: serde_json::from_str(&read(&summary)?)
                .map_err(|error| RecordError::Summary(summary, error))?,
            predictions: PhotoPrediction::read(folder)?,
        })
    }

    /// Whether its photos have any number of labels each.
    pub(super) fn is_multi_label(&self) -> bool {
        self.summary.multi_label.is_some()
    }

    /// The predictions for the photos of a part.
    pub(super) fn of_part(&self, part: Part) -> impl Iterator<Item = &PhotoPrediction> {
        self.predictions.iter().flatten().filter(move |row| row.part == part.name())
    }

    /// Whether the run has a figure about the photos of a part.
    pub(super) fn has(&self, part: Part) -> bool {
        match (&self.predictions, part) {
            (Some(_), _) => self.of_part(part).next().is_some(),
            (None, Part::Test) => self.summary.test.is_some(),
            (None, _) => self.summary.val_photos > 0,
        }
    }

    /// The number of right photos and of all, from the summary.
    pub(super) fn right(&self, part: Part) -> (usize, usize) {
        let (accuracy, photos) = match (&self.summary.test, part) {
            (Some(test), Part::Test) => (test.accuracy, test.photos),
            _ => (self.summary.best_epoch.val_accuracy, self.summary.val_photos),
        };
        let right = (accuracy.clamp(0.0, 1.0) * photos as f64).round() as usize;
        (right.min(photos), photos)
    }

    /// The path of a photo, made absolute if it is below a folder that the run recorded.
    pub(super) fn absolute(&self, path: &str) -> PathBuf {
        let path = Path::new(path);
        if path.is_absolute() {
            return path.to_owned();
        }
        let data = &self.config.data;
        let given = |name: &str| self.config.options.get(name).and_then(toml::Value::as_str);
        let recorded = [
            (given("data"), Some(&data.folder)),
            (given("train"), Some(&data.folder)),
            (given("val"), data.val_folder.as_ref()),
            (given("test"), data.test_folder.as_ref()),
        ];
        let absolute = |(given, folder): (Option<&str>, Option<&PathBuf>)| {
            let (given, folder) = (Path::new(given?), folder?);
            // The folder itself, or the one of a table.
            [(given, folder.as_path()), (given.parent()?, folder.parent()?)]
                .into_iter()
                .find_map(|(given, folder)| Some(folder.join(path.strip_prefix(given).ok()?)))
        };
        recorded.into_iter().find_map(absolute).unwrap_or_else(|| path.to_owned())
    }
}

/// What runs did that were made before there was the option.
const BEFORE_THE_OPTION: [(&str, &str); 8] = [
    ("class_weights", "none"),
    ("fit", "crop"),
    ("group_by_folder", "false"),
    ("head", "adam"),
    ("label_smoothing", "0.0"),
    ("refit", "false"),
    ("split_duplicates", "report"),
    ("views", "1"),
];

/// The options and circumstances in which `runs` differ, of those that may change the model.
pub fn option_differences(runs: &[&ComparedRun]) -> Vec<OptionDifference> {
    let mut rows: Vec<(String, Vec<Option<String>>)> = Vec::new();
    let mut add = |option: &str, of: &dyn Fn(&ComparedRun) -> Option<String>| {
        rows.push((option.to_owned(), runs.iter().map(|run| of(run)).collect()));
    };
    add("backbone", &|run| Some(run.config.backbone.clone()));
    // The same weights may have other names.
    add("weights", &|run| {
        let sha256: String = run.config.weights.sha256.chars().take(12).collect();
        let name = run.config.weights.file.file_name().unwrap_or_default();
        Some(format!("{} ({sha256})", name.shown()))
    });
    add("photos", &|run| {
        let folder = &run.config.data.folder;
        // Without `..` and links, if it still exists.
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        Some(folder.shown().to_string())
    });
    add("train_photos", &|run| Some(run.summary.train_photos.to_string()));
    add("classes", &|run| Some(run.summary.classes.len().to_string()));
    let preprocessing = |run: &ComparedRun| serde_json::to_value(run.config.preprocessing).ok();
    let fields: BTreeSet<String> = runs
        .iter()
        .filter_map(|run| preprocessing(run)?.as_object().cloned())
        .flat_map(|fields| fields.into_iter().map(|(field, _)| field))
        // It is among the options.
        .filter(|field| field != "fit")
        .collect();
    for field in fields {
        add(&field, &|run| preprocessing(run)?.get(&field).map(ToString::to_string));
    }
    let mut names: Vec<&String> = runs.iter().flat_map(|run| run.config.options.keys()).collect();
    names.sort();
    names.dedup();
    for name in names.into_iter().filter(|name| !IRRELEVANT.contains(&name.as_str())) {
        let before = || BEFORE_THE_OPTION.iter().find(|(option, _)| option == name);
        add(name, &|run| match run.config.options.get(name) {
            Some(value) => Some(plain(value)),
            None => before().map(|(_, value)| (*value).to_owned()),
        });
    }
    add("device", &|run| Some(run.config.device.device.clone()));
    add("kindling", &|run| Some(run.config.versions.kindling.clone()));
    let differ = |values: &[Option<String>]| values.iter().any(|value| *value != values[0]);
    rows.into_iter()
        .filter(|(_, values)| differ(values))
        .map(|(option, values)| OptionDifference { option, values })
        .collect()
}

/// A value of the configuration, without quotes.
fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
