//! What is written down about a run besides its model.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::device::DeviceInfo;
use crate::features::SelfCheck;
use crate::head::EpochMetrics;
use crate::photos::{FolderError, Recipe, Split, training_split};

/// The version of Burn that this crate is built on.
pub const BURN_VERSION: &str = "0.22.1";

/// `config.toml`: enough to make the run again, and to use its model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunConfig {
    /// The command that made it, as it was typed. Runs of before it was written down have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// When it was made: RFC 3339, in local time. Likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The backbone's name.
    pub backbone: String,
    /// Every option of the command, with the values that were in force.
    pub options: toml::Table,
    /// How photos are made ready.
    pub preprocessing: Recipe,
    /// The photos.
    pub data: DataRecord,
    /// The pretrained weights.
    pub weights: WeightsRecord,
    /// What it was computed on.
    pub device: DeviceInfo,
    /// How far that agreed with the processor, where it is a GPU and was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_check: Option<SelfCheck>,
    /// What it was computed with.
    pub versions: Versions,
}

/// The photos of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DataRecord {
    /// The folder, as an absolute path.
    pub folder: PathBuf,
    /// Photos trained on.
    pub train_photos: usize,
    /// Photos validated on.
    pub val_photos: usize,
    /// Files left out.
    pub skipped: usize,
    /// What tells how the photos were divided from any other way ([`Split::digest`]). Runs of before it was
    /// written down have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_sha256: Option<String>,
    /// Photos of each class that were trained on, in the order of the logits. Likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_on: Option<Vec<usize>>,
}

/// The weights file of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WeightsRecord {
    /// The file.
    pub file: PathBuf,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

/// Versions of what computed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Versions {
    /// This crate.
    pub kindling: String,
    /// Burn.
    pub burn: String,
}

impl Versions {
    /// Those of this build.
    pub fn current() -> Self {
        Self { kindling: env!("CARGO_PKG_VERSION").into(), burn: BURN_VERSION.into() }
    }
}

/// `summary.json`: what came of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// The epoch whose head is in the model.
    pub best_epoch: EpochMetrics,
    /// Epochs that were run.
    pub epochs: usize,
    /// Class names, in the order of the logits.
    pub classes: Vec<String>,
    /// Photos trained on.
    pub train_photos: usize,
    /// Photos validated on.
    pub val_photos: usize,
    /// Files left out.
    pub skipped: usize,
    /// Wall-clock seconds from reading the weights to the last feature.
    pub feature_seconds: f64,
    /// Wall-clock seconds of the epochs.
    pub training_seconds: f64,
}

/// Why it cannot be told which photos a run was trained and validated on.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// The photos cannot be read any more.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// They are not what they were.
    #[error(
        "the photos in `{}` are no longer those of the run: some were added, removed, renamed or moved", .0.display()
    )]
    Changed(PathBuf),
    /// An old run.
    #[error("the run does not say how the photos in `{}` were divided", .0.display())]
    NotRecorded(PathBuf),
}

/// Why a `config.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is no TOML, or lacks what is needed.
    #[error("`{}` is no configuration of a run: {reason}", .file.display())]
    Parse {
        /// The file.
        file: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
}

impl RunConfig {
    /// Reads a configuration from the text of `file`.
    ///
    /// # Errors
    /// Where it is not one.
    pub fn parse(file: &std::path::Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error: toml::de::Error| ConfigError::Parse {
            file: file.to_owned(),
            reason: error.message().to_owned(),
        })
    }

    /// The photos that were trained on and validated on, read once more and divided as they were then.
    ///
    /// # Errors
    /// Where the folder is no longer there, or no longer what it was: another division would take photos
    /// for new that were trained on.
    pub fn split(&self) -> Result<Split, SplitError> {
        let folder = &self.data.folder;
        let Some(recorded) = &self.data.split_sha256 else {
            return Err(SplitError::NotRecorded(folder.clone()));
        };
        let val_split = self.options.get("val_split").and_then(toml::Value::as_float);
        let seed = self.options.get("seed").and_then(toml::Value::as_integer).unwrap_or_default();
        let split = training_split(folder, val_split, seed.unsigned_abs())?;
        match split.digest(folder) == *recorded {
            true => Ok(split),
            false => Err(SplitError::Changed(folder.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
