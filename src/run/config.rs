//! The configuration and the summary of a run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{HeadSummary, NearDuplicates};
use crate::device::DeviceInfo;
use crate::evaluation::{CalibrationSummary, MultiLabelFigures, ScoreIntervals};
use crate::features::SelfCheck;
use crate::head::{EpochMetrics, LearningCurve};
use crate::neighbours::StrangerCount;
use crate::photos::{
    FolderError, Preprocessing, Split, older_splits, split_of_parts, training_split,
};
use crate::printable::PathText;

/// The version of Burn that this crate uses.
pub const BURN_VERSION: &str = "0.22.1";

/// `config.toml`: everything needed to reproduce the run and to use its model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunConfig {
    /// The command line of the run. Absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// When the run was made: local time in RFC 3339 format. Absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Name of the backbone.
    pub backbone: String,
    /// All options of the command, with the values that were used.
    pub options: toml::Table,
    /// The preprocessing of the photos.
    pub preprocessing: Preprocessing,
    /// The training and validation photos.
    pub data: DataRecord,
    /// The pretrained weights.
    pub weights: WeightsRecord,
    /// The device that the run used.
    pub device: DeviceInfo,
    /// The result of the GPU self-check, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_check: Option<SelfCheck>,
    /// The software versions.
    pub versions: Versions,
    /// The run's folder, if the configuration was read from one.
    #[serde(skip)]
    pub folder: Option<PathBuf>,
}

/// The photos of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DataRecord {
    /// The folder, or the table, as an absolute path.
    pub folder: PathBuf,
    /// The folder of `--val`, as an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_folder: Option<PathBuf>,
    /// The folder of the test photos, as an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_folder: Option<PathBuf>,
    /// Number of training photos.
    pub train_photos: usize,
    /// Number of validation photos.
    pub val_photos: usize,
    /// Number of skipped files.
    pub skipped: usize,
    /// SHA-256 of the split into training and validation photos ([`Split::digest`]). Absent in
    /// older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_sha256: Option<String>,
    /// Number of training photos of each class, in the order of the logits. Absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_on: Option<Vec<usize>>,
    /// The file of the run that lists its photos: `split.csv`. Absent if the split can be made again
    /// from the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_file: Option<String>,
}

/// The weights file of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WeightsRecord {
    /// The file.
    pub file: PathBuf,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// The software versions of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Versions {
    /// Version of this crate.
    pub kindling: String,
    /// Version of Burn.
    pub burn: String,
}

impl Versions {
    /// The versions of this build.
    pub fn current() -> Self {
        Self { kindling: env!("CARGO_PKG_VERSION").into(), burn: BURN_VERSION.into() }
    }
}

/// `summary.json`: the results of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// The best epoch, whose head the model has.
    pub best_epoch: EpochMetrics,
    /// Number of epochs that were run.
    pub epochs: usize,
    /// Class names, in the order of the logits.
    pub classes: Vec<String>,
    /// Number of training photos.
    pub train_photos: usize,
    /// Number of validation photos.
    pub val_photos: usize,
    /// Number of skipped files.
    pub skipped: usize,
    /// Wall-clock seconds from reading the weights to the last feature.
    pub feature_seconds: f64,
    /// Wall-clock seconds of the epochs.
    pub training_seconds: f64,
    /// The 95 % confidence intervals of the scores on the validation photos. Absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_intervals: Option<ScoreIntervals>,
    /// The temperature, fitted on the validation photos. Absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationSummary>,
    /// How the accuracy grows with the number of training photos. Absent in older runs, and with
    /// very few or very many photos.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_curve: Option<LearningCurve>,
    /// The scores on the test photos, if there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestScores>,
    /// The validation photos that are unlike the training photos. Absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strangers: Option<StrangerCount>,
    /// Photos that are nearly the same in several parts. Absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_duplicates: Option<NearDuplicates>,
    /// The scores of a model that gives a photo any number of classes. Absent if it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_label: Option<MultiLabelSummary>,
    /// How the head was found, and what cross-validation says.
    #[serde(flatten)]
    pub head: HeadSummary,
}

impl Summary {
    /// Whether the head is that of the epoch with the best score on the validation photos, of
    /// several: such a score is a little too good.
    pub fn chose_an_epoch(&self) -> bool {
        self.epochs > 1 && self.head.selection.is_none()
    }
}

/// The scores of a model that gives a photo any number of classes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MultiLabelSummary {
    /// On the validation photos, on which the thresholds were chosen.
    pub validation: MultiLabelFigures,
    /// On the test photos, if there are some, which chose nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<MultiLabelFigures>,
}

/// The scores of the finished model on photos that neither trained it nor chose its epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TestScores {
    /// Number of photos.
    pub photos: usize,
    /// Share of photos whose most probable class is the true one.
    pub accuracy: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Number of skipped files.
    pub skipped: usize,
    /// Mean recall of the classes. Absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balanced_accuracy: Option<f64>,
    /// Mean F1 of the classes. Absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macro_f1: Option<f64>,
    /// The 95 % confidence intervals of the scores. Absent in older runs.
    #[serde(flatten)]
    pub intervals: Option<ScoreIntervals>,
    /// The calibration error on these photos. Absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationSummary>,
}

/// Why the training and validation photos of a run cannot be determined.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// The photo folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The photos have changed since the run.
    #[error(
        "the photos in `{}` have changed since the run: some were added, removed, renamed or moved", .0.shown()
    )]
    Changed(PathBuf),
    /// An older run that did not record the split.
    #[error("the run did not record how the photos in `{}` were split into training and validation photos", .0.shown())]
    NotRecorded(PathBuf),
    /// The list of photos of the run cannot be used.
    #[error("`{}` is not the list of photos that the run wrote: {reason}", .file.shown())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Why a `config.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is not valid TOML, or a required entry is missing.
    #[error("`{}` is not a valid run configuration: {reason}", .file.shown())]
    Parse {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl RunConfig {
    /// Parses the configuration in `text`, the contents of `file`.
    ///
    /// # Errors
    /// If `text` is not a valid configuration.
    pub fn parse(file: &std::path::Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error: toml::de::Error| ConfigError::Parse {
            file: file.to_owned(),
            reason: error.message().to_owned(),
        })
    }

    /// Reads the photo folder again and splits it into the training and validation photos of the
    /// run.
    ///
    /// # Errors
    /// If the folder cannot be read, or its photos have changed since the run: a different split
    /// could put training photos into the validation set.
    pub fn split(&self) -> Result<Split, SplitError> {
        if self.data.split_file.is_some() {
            return self.recorded_split();
        }
        let folder = &self.data.folder;
        let Some(recorded) = &self.data.split_sha256 else {
            return Err(SplitError::NotRecorded(folder.clone()));
        };
        let val_split = self.options.get("val_split").and_then(toml::Value::as_float);
        let seed = self.options.get("seed").and_then(toml::Value::as_integer).unwrap_or_default();
        let seed = seed.unsigned_abs();
        let is_recorded = |split: &Split| split.digest(folder) == *recorded;
        let split = match self.options.contains_key("train") {
            true => split_of_parts(folder, self.data.val_folder.as_deref(), val_split, seed),
            false => training_split(folder, val_split, seed),
        };
        if let Ok(split) = &split
            && is_recorded(split)
        {
            return Ok(split.clone());
        }
        let mut older = older_splits(folder, val_split, seed).into_iter();
        match older.find(is_recorded) {
            Some(split) => Ok(split),
            None => split.map_err(SplitError::from).and(Err(SplitError::Changed(folder.clone()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_an_older_version_finds_its_photos_beside_those_that_are_photos_now() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path();
        let write = |name: &str| {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"\xff\xd8\xff").unwrap();
        };
        let config = |digest: String| {
            let text = format!(
                "backbone = 'resnet18'\n[options]\nseed = 7\n[preprocessing]\nresize = 256\n\
                 filter = 'bilinear'\ncrop = 224\nmean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]\n\
                 [data]\nfolder = {folder:?}\ntrain_photos = 1\nval_photos = 1\nskipped = 0\n\
                 split_sha256 = '{digest}'\n[weights]\nfile = 'w'\nsha256 = ''\n[device]\n\
                 device = 'cpu'\nbackend = 'cpu'\nname = ''\nkind = 'cpu'\nf16 = false\n[versions]\nkindling = ''\nburn = ''\n"
            );
            RunConfig::parse("config.toml".as_ref(), &text).unwrap()
        };
        for class in ["cat", "dog"] {
            (0..9).for_each(|index| write(&format!("{class}/{index}.jpg")));
        }
        let older = training_split(folder, None, 7).unwrap();
        write("cat/no-suffix");
        write("dog/1.tiff");
        assert_eq!(training_split(folder, None, 7).unwrap().train.len(), 16);
        assert_eq!(config(older.digest(folder)).split().unwrap().val, older.val);
        write("cat/9.jpg");
        let changed = config(older.digest(folder)).split().unwrap_err();
        assert!(matches!(changed, SplitError::Changed(_)), "{changed}");
        assert!(matches!(config(String::new()).split(), Err(SplitError::Changed(_))));
    }

    #[test]
    fn a_summary_of_an_older_version_has_no_intervals() {
        let epoch = r#"{"epoch":1,"train_loss":0.1,"train_accuracy":1.0,"val_loss":0.1,"val_accuracy":1.0,"seconds":0.1}"#;
        let test = r#"{"photos":4,"accuracy":0.5,"loss":0.7,"skipped":0}"#;
        let text = format!(
            r#"{{"best_epoch":{epoch},"epochs":1,"classes":["a","b"],"train_photos":4,"val_photos":4,
                "skipped":0,"feature_seconds":1.0,"training_seconds":1.0,"test":{test}}}"#
        );
        let mut summary: Summary = serde_json::from_str(&text).unwrap();
        assert!(summary.val_intervals.is_none() && summary.calibration.is_none());
        let tested = summary.test.as_mut().unwrap();
        assert!(tested.intervals.is_none() && tested.calibration.is_none());
        tested.intervals = Some(ScoreIntervals {
            accuracy_interval: (0.25, 0.75),
            balanced_accuracy_interval: (0.0, 1.0),
            macro_f1_interval: (0.0, 1.0),
            loss_interval: (0.5, 1.0),
        });
        let text = serde_json::to_string(&summary).unwrap();
        assert!(text.contains(r#""skipped":0,"accuracy_interval":[0.25,0.75]"#), "{text}");
        let read: Summary = serde_json::from_str(&text).unwrap();
        assert_eq!(read.test.unwrap().intervals, summary.test.unwrap().intervals);
    }

    #[test]
    fn the_recorded_version_of_burn_is_the_one_that_is_built_on() {
        let lock: toml::Table = toml::from_str(include_str!("../../Cargo.lock")).unwrap();
        let burn = lock["package"]
            .as_array()
            .unwrap()
            .iter()
            .find(|package| package["name"].as_str() == Some("burn"))
            .unwrap();
        assert_eq!(burn["version"].as_str(), Some(BURN_VERSION));
    }
}
