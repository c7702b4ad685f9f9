//! A model to predict with: from a run folder, or from a weights file that has its own fc layer.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::{CLASSES_FILE, CONFIG_FILE, ConfigError, MODEL_FILE, RunConfig};
use crate::backbone::{Architecture, Backbone, UnknownBackbone};
use crate::features::Extractor;
use crate::head::Head;
use crate::photos::{Recipe, RecipeError};
use crate::weights::{
    self, Checkpoint, CheckpointError, Description, DescriptionError, ImportError,
};

/// A backbone with its head, and what the logits stand for.
pub struct Model {
    /// The frozen network.
    pub backbone: Backbone,
    /// The layer that predicts.
    pub head: Head,
    /// How photos are made ready for it.
    pub recipe: Recipe,
    /// Class names, in the order of the logits.
    pub classes: Vec<String>,
    /// How it was trained, where it comes from a run.
    pub config: Option<RunConfig>,
}

/// The part of a model that features need.
pub struct FrozenBackbone {
    /// The frozen network.
    pub backbone: Backbone,
    /// How photos are made ready for it.
    pub recipe: Recipe,
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Nothing is there.
    #[error("there is no model at `{}`: give a run folder, a weights file or a name from `kindling weights list`", .0.display())]
    NotThere(PathBuf),
    /// A folder that is no run.
    #[error("`{}` is no run folder: it has no {missing}", .folder.display())]
    NotARun {
        /// The folder.
        folder: PathBuf,
        /// The first file that it lacks.
        missing: &'static str,
    },
    /// A file of the run cannot be read.
    #[error("`{}` cannot be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The configuration is at fault.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration names no backbone that is known here.
    #[error("`{}` names an unknown backbone", .0.display())]
    Backbone(PathBuf, #[source] UnknownBackbone),
    /// The configuration's preprocessing cannot be followed.
    #[error("`{}` cannot be used", .0.display())]
    Recipe(PathBuf, #[source] RecipeError),
    /// The file describes itself, and not as it is.
    #[error("`{}` cannot be used", .0.display())]
    Description(PathBuf, #[source] DescriptionError),
    /// The weights are at fault.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The weights do not fit.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The head overflows.
    #[error("the model's fc layer gives no finite numbers for these photos")]
    NotFinite,
    /// Names and logits do not agree.
    #[error("`{}` names {names} classes and the model has {classes}", .file.display())]
    ClassCount {
        /// The file of names.
        file: PathBuf,
        /// How many it names.
        names: usize,
        /// How many logits there are.
        classes: usize,
    },
}

impl Model {
    /// Opens the model at `path` on `device`: a run folder, or a weights file with its own fc layer.
    ///
    /// # Errors
    /// Where there is none, or what is there does not fit together.
    pub fn open(path: &Path, device: &Device) -> Result<Self, ModelError> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Self::from_run(path, device),
            Ok(_) => Self::from_weights(&Checkpoint::open(path)?, device),
            Err(_) => Err(ModelError::NotThere(path.to_owned())),
        }
    }

    /// What turns photos into this model's features, `batch_size` at a time on the model's `device`.
    pub fn extractor<'a>(&'a self, device: &'a Device, batch_size: usize) -> Extractor<'a> {
        Extractor::new(&self.backbone, self.recipe, device, batch_size)
    }

    /// Logits of rows of features, `[rows, features]` in and `[rows, classes]` out.
    ///
    /// # Errors
    /// Where they are no finite numbers.
    ///
    /// # Panics
    /// As [`Head::logits`].
    pub fn logits(&self, rows: &[f32], device: &Device) -> Result<Vec<f32>, ModelError> {
        let logits = self.head.logits(rows, device);
        match logits.iter().all(|logit| logit.is_finite()) {
            true => Ok(logits),
            false => Err(ModelError::NotFinite),
        }
    }

    fn from_run(folder: &Path, device: &Device) -> Result<Self, ModelError> {
        for missing in [CONFIG_FILE, CLASSES_FILE, MODEL_FILE] {
            if !folder.join(missing).is_file() {
                return Err(ModelError::NotARun { folder: folder.to_owned(), missing });
            }
        }
        let config_file = folder.join(CONFIG_FILE);
        let config = RunConfig::parse(&config_file, &read_text(&config_file)?)?;
        let architecture: Architecture = config
            .backbone
            .parse()
            .map_err(|error| ModelError::Backbone(config_file.clone(), error))?;
        let recipe = config
            .preprocessing
            .check()
            .map_err(|error| ModelError::Recipe(config_file.clone(), error))?;
        let checkpoint = Checkpoint::open(&folder.join(MODEL_FILE))?;
        let head = weights::head(&checkpoint, &architecture, device)?;
        let classes = read_classes(&folder.join(CLASSES_FILE), head.classes())?;
        let backbone = weights::backbone(&checkpoint, &architecture, device)?;
        Ok(Self { backbone, head, recipe, classes, config: Some(config) })
    }

    /// The model in a weights file that has its own fc layer. A file that describes itself, as a run's and
    /// exported ones do, knows its classes wherever it is.
    ///
    /// # Errors
    /// Where it holds no network that is known here, one without that layer, or one that it does not
    /// describe as it is.
    pub fn from_weights(checkpoint: &Checkpoint, device: &Device) -> Result<Self, ModelError> {
        let architecture = weights::architecture(checkpoint)?;
        let head = weights::head(checkpoint, &architecture, device)?;
        let backbone = weights::backbone(checkpoint, &architecture, device)?;
        let file = checkpoint.path();
        if let Some(description) = description(checkpoint, &architecture)? {
            let Description { classes, recipe, .. } = description
                .with_logits(head.classes())
                .map_err(|error| ModelError::Description(file.to_owned(), error))?;
            return Ok(Self { backbone, head, recipe, classes, config: None });
        }
        let beside = file.with_file_name(CLASSES_FILE);
        let classes = match head.classes() {
            // A run's own model file, named by itself, of before they described themselves.
            count if file.ends_with(MODEL_FILE) && beside.is_file() => {
                read_classes(&beside, count)?
            }
            1000 => weights::imagenet_classes(),
            count => (0..count).map(|class| format!("class {class}")).collect(),
        };
        let recipe = architecture.recipe();
        Ok(Self { backbone, head, recipe, classes, config: None })
    }

    /// What a file of this model says about itself.
    pub fn description(&self) -> Description {
        Description {
            backbone: self.backbone.architecture().to_string(),
            classes: self.classes.clone(),
            recipe: self.recipe,
        }
    }
}

impl FrozenBackbone {
    /// Opens the backbone of the model at `path`, as [`Model::open`], but no fc layer is needed.
    ///
    /// # Errors
    /// Where there is none, or what is there does not fit together.
    pub fn open(path: &Path, device: &Device) -> Result<Self, ModelError> {
        if path.is_dir() {
            let Model { backbone, recipe, .. } = Model::open(path, device)?;
            return Ok(Self { backbone, recipe });
        }
        match path.exists() {
            true => Self::from_weights(&Checkpoint::open(path)?, device),
            false => Err(ModelError::NotThere(path.to_owned())),
        }
    }

    /// The backbone in a weights file.
    ///
    /// # Errors
    /// Where it holds no network that is known here, or one that it does not describe as it is.
    pub fn from_weights(checkpoint: &Checkpoint, device: &Device) -> Result<Self, ModelError> {
        let architecture = weights::architecture(checkpoint)?;
        let recipe = description(checkpoint, &architecture)?
            .map_or(architecture.recipe(), |description| description.recipe);
        let backbone = weights::backbone(checkpoint, &architecture, device)?;
        Ok(Self { backbone, recipe })
    }
}

/// What the file says about itself, where it does.
fn description(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
) -> Result<Option<Description>, ModelError> {
    Description::read(checkpoint.metadata())
        .and_then(|found| found.map(|description| description.of(architecture)).transpose())
        .map_err(|error| ModelError::Description(checkpoint.path().to_owned(), error))
}

fn read_text(file: &Path) -> Result<String, ModelError> {
    fs::read_to_string(file).map_err(|error| ModelError::Read(file.to_owned(), error))
}

fn read_classes(file: &Path, classes: usize) -> Result<Vec<String>, ModelError> {
    let names: Vec<String> = read_text(file)?.lines().map(str::to_owned).collect();
    match names.len() == classes {
        true => Ok(names),
        false => Err(ModelError::ClassCount { file: file.to_owned(), names: names.len(), classes }),
    }
}
