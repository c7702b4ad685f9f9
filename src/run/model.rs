//! Loads a model from a run folder, or from a weights file with an fc layer.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::files::{ClassList, RunFiles};
use super::{CLASSES_FILE, ConfigError, MODEL_FILE, NEIGHBOURS_FILE, RunConfig};
use crate::backbone::{Architecture, Backbone, UnknownBackbone};
use crate::evaluation::scaled;
use crate::features::Extractor;
use crate::head::Head;
use crate::neighbours::{Neighbours, model_digest};
use crate::photos::{Preprocessing, PreprocessingError};
use crate::printable::PathText;
use crate::weights::{
    self, Checkpoint, CheckpointError, Description, DescriptionError, ImportError, Reading, Task,
};

/// A backbone with its head, and the class names.
pub struct Model {
    /// The frozen backbone.
    pub backbone: Backbone,
    /// The last layer.
    pub head: Head,
    /// The preprocessing of the photos.
    pub preprocessing: Preprocessing,
    /// Class names, in the order of the logits.
    pub classes: Vec<String>,
    /// What the logits stand for.
    pub task: Task,
    /// The temperature by which [`calibrated`](Self::calibrated) divides logits, if it is not 1.
    pub temperature: Option<f64>,
    /// The temperature by which the head's weights were divided by an export, if they were.
    pub calibrated_with: Option<f64>,
    /// Features of the training photos, if the model comes from a run that has them.
    pub neighbours: Option<Neighbours>,
    /// The configuration of the run, if the model comes from a run.
    pub config: Option<RunConfig>,
    /// What the user should know about how the file was read, as sentences.
    pub notes: Vec<String>,
}

/// Why a model cannot be loaded or used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The path does not exist.
    #[error("there is no model at `{}`: give a run folder, a weights file or a name from `kindling weights list`", .0.shown())]
    NotThere(PathBuf),
    /// The folder is not a run.
    #[error("`{}` is not a run folder: it has no {missing}", .folder.shown())]
    NotARun {
        /// The folder.
        folder: PathBuf,
        /// The first missing file.
        missing: &'static str,
    },
    /// A file of the run cannot be read.
    #[error("`{}` cannot be read", .0.shown())]
    Read(PathBuf, #[source] io::Error),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration names an unknown backbone.
    #[error("`{}` names an unknown backbone", .0.shown())]
    Backbone(PathBuf, #[source] UnknownBackbone),
    /// The preprocessing in the configuration is invalid.
    #[error("`{}` cannot be used", .0.shown())]
    InvalidPreprocessing(PathBuf, #[source] PreprocessingError),
    /// The file's metadata are invalid or do not match its tensors.
    #[error("`{}` cannot be used", .0.shown())]
    Description(PathBuf, #[source] DescriptionError),
    /// The weights file cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The weights do not match the architecture.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The files of the run are from different runs, or one was edited.
    #[error(
        "the files of the run `{}` do not belong together: {difference}; put the changed file back, or \
         give {MODEL_FILE} alone, which has its own class names", .folder.shown()
    )]
    Mixed {
        /// The folder.
        folder: PathBuf,
        /// How two files differ.
        difference: String,
    },
    /// The head computed NaN or infinite logits.
    #[error("the model's fc layer computes NaN or infinite logits for these photos")]
    NotFinite,
    /// The number of class names differs from the number of logits.
    #[error("`{}` names {names} classes and the model has {classes}", .file.shown())]
    ClassCount {
        /// The file with the class names.
        file: PathBuf,
        /// Number of class names.
        names: usize,
        /// Number of logits.
        classes: usize,
    },
}

impl Model {
    /// Loads the model at `path` onto `device`: a run folder, or a weights file with an fc layer.
    ///
    /// # Errors
    /// If there is no model at `path`, or its parts do not match.
    pub fn open(path: &Path, device: &Device) -> Result<Self, ModelError> {
        Self::open_with(path, device, Reading::Now)
    }

    /// As [`open`](Self::open); `reading` says when the backbone's weights are read.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: &Path, device: &Device, reading: Reading) -> Result<Self, ModelError> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Self::from_run(path, device, reading),
            Ok(_) => Self::from_weights_with(&Checkpoint::open(path)?, device, reading),
            Err(_) => Err(ModelError::NotThere(path.to_owned())),
        }
    }

    /// An extractor for this model's features that computes `batch_size` photos at a time. `device`
    /// must be the device of the model.
    pub fn extractor<'a>(&'a self, device: &'a Device, batch_size: usize) -> Extractor<'a> {
        Extractor::new(&self.backbone, self.preprocessing, device, batch_size)
    }

    /// Computes the raw logits of rows of features: see [`calibrated`](Self::calibrated).
    ///
    /// # Shapes
    /// - `rows`: `[rows, features]`
    /// - output: `[rows, classes]`
    ///
    /// # Errors
    /// If a logit is NaN or infinite.
    ///
    /// # Panics
    /// See [`Head::logits`].
    pub fn logits(&self, rows: &[f32], device: &Device) -> Result<Vec<f32>, ModelError> {
        let logits = self.head.logits(rows, device);
        match logits.iter().all(|logit| logit.is_finite()) {
            true => Ok(logits),
            false => Err(ModelError::NotFinite),
        }
    }

    /// Divides `logits` by the model's temperature, so that their softmax matches the accuracy. The
    /// most probable class stays the same.
    pub fn calibrated(&self, logits: Vec<f32>) -> Vec<f32> {
        match self.temperature {
            Some(temperature) => scaled(&logits, temperature),
            None => logits,
        }
    }

    /// The model with the raw probabilities of the training. A head whose weights an export divided
    /// by a temperature is multiplied by it, which restores the weights up to rounding. Thresholds
    /// move with the probabilities, so that the same classes are present.
    #[must_use]
    pub fn without_calibration(self) -> Self {
        let head = match self.calibrated_with {
            Some(temperature) => self.head.divided_by(temperature.recip()),
            None => self.head,
        };
        let temperature = self.temperature.or(self.calibrated_with);
        let task = match (self.task, temperature) {
            (Task::MultiLabel { thresholds }, Some(temperature)) => {
                let raw = |threshold: f64| 1.0 / (1.0 + (1.0 / threshold - 1.0).powf(temperature));
                Task::MultiLabel { thresholds: thresholds.into_iter().map(raw).collect() }
            }
            (task, _) => task,
        };
        Self { head, task, temperature: None, calibrated_with: None, ..self }
    }

    /// The head and the metadata for files of other programs, whose softmax of the logits gives the
    /// calibrated probabilities: the temperature is part of the head's weights.
    pub fn folded(&self) -> (Head, Description) {
        let Some(temperature) = self.temperature else {
            return (self.head.clone(), self.description());
        };
        let head = self.head.divided_by(temperature);
        let calibrated_with = Some(temperature * self.calibrated_with.unwrap_or(1.0));
        (head, Description { temperature: None, calibrated_with, ..self.description() })
    }

    fn from_run(folder: &Path, device: &Device, reading: Reading) -> Result<Self, ModelError> {
        let files = RunFiles::read(folder)?;
        let RunFiles { config, architecture, preprocessing, checkpoint, classes, description } =
            files;
        let head = weights::head(&checkpoint, &architecture, device)?;
        let backbone = weights::backbone_with(&checkpoint, &architecture, device, reading)?;
        let classes = classes.for_logits(head.classes())?;
        let (temperature, calibrated_with) = calibration(description.as_ref());
        let file = folder.join(NEIGHBOURS_FILE);
        let (neighbours, notes) =
            match Neighbours::read(&file, &model_digest(&head), head.features()) {
                Ok(found) => (found, Vec::new()),
                // Predictions do not need them.
                Err(error) => (None, vec![format!("there are no stranger scores: {error}")]),
            };
        Ok(Self {
            backbone,
            head,
            preprocessing,
            classes,
            task: description.map(|found| found.task).unwrap_or_default(),
            temperature,
            calibrated_with,
            neighbours,
            config: Some(config),
            notes,
        })
    }

    /// Loads the model from a weights file with an fc layer.
    ///
    /// Class names and preprocessing come from the file's metadata, which files from runs and
    /// exports have. Without metadata, the preprocessing is the architecture's default. The classes
    /// are those that a training script saved beside the weights (`class_to_idx`, `classes`);
    /// otherwise ImageNet's if there are 1000 of them, and numbered if not.
    ///
    /// # Errors
    /// If the file does not hold a known network, lacks the fc layer, or has metadata that are
    /// invalid or do not match its tensors.
    pub fn from_weights(checkpoint: &Checkpoint, device: &Device) -> Result<Self, ModelError> {
        Self::from_weights_with(checkpoint, device, Reading::Now)
    }

    /// As [`from_weights`](Self::from_weights); `reading` says when the backbone's weights are read.
    ///
    /// # Errors
    /// As [`from_weights`](Self::from_weights).
    pub fn from_weights_with(
        checkpoint: &Checkpoint,
        device: &Device,
        reading: Reading,
    ) -> Result<Self, ModelError> {
        let architecture = weights::architecture(checkpoint)?;
        let head = weights::head(checkpoint, &architecture, device)?;
        let backbone = weights::backbone_with(checkpoint, &architecture, device, reading)?;
        let file = checkpoint.path();
        let notes = notes(checkpoint);
        if let Some(description) = description(checkpoint, &architecture)? {
            let (temperature, calibrated_with) = calibration(Some(&description));
            let Description { classes, preprocessing, task, .. } = description
                .with_logits(head.classes())
                .map_err(|error| ModelError::Description(file.to_owned(), error))?;
            return Ok(Self {
                backbone,
                head,
                preprocessing,
                classes,
                task,
                temperature,
                calibrated_with,
                neighbours: None,
                config: None,
                notes,
            });
        }
        let beside = file.with_file_name(CLASSES_FILE);
        let classes = match head.classes() {
            // The model file of an older run, which has no metadata.
            count if file.ends_with(MODEL_FILE) && beside.is_file() => {
                ClassList::read(&beside)?.for_logits(count)?
            }
            count => match checkpoint.class_names(count)? {
                Some(found) => found.names.clone(),
                None if count == 1000 => weights::imagenet_classes(),
                None => (0..count).map(|class| format!("class {class}")).collect(),
            },
        };
        let preprocessing = architecture.preprocessing();
        Ok(Self {
            backbone,
            head,
            preprocessing,
            classes,
            task: Task::SingleLabel,
            temperature: None,
            calibrated_with: None,
            neighbours: None,
            config: None,
            notes,
        })
    }

    /// The metadata for files that hold this model.
    pub fn description(&self) -> Description {
        Description {
            backbone: self.backbone.architecture().to_string(),
            classes: self.classes.clone(),
            preprocessing: self.preprocessing,
            task: self.task.clone(),
            temperature: self.temperature,
            calibrated_with: self.calibrated_with,
        }
    }
}

/// Reads the metadata of a weights file, if it has any.
pub(super) fn description(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
) -> Result<Option<Description>, ModelError> {
    Description::read(checkpoint.metadata())
        .and_then(|found| found.map(|description| description.of(architecture)).transpose())
        .map_err(|error| ModelError::Description(checkpoint.path().to_owned(), error))
}

/// The temperatures in a description.
fn calibration(description: Option<&Description>) -> (Option<f64>, Option<f64>) {
    description.map_or((None, None), |found| (found.temperature, found.calibrated_with))
}

/// What the user should know about how the file was read.
pub(super) fn notes(checkpoint: &Checkpoint) -> Vec<String> {
    let file = checkpoint.path().shown();
    checkpoint.choice().map(|choice| format!("`{file}`: {choice}")).into_iter().collect()
}
