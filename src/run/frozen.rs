//! Loads the part of a model that computes features.

use std::path::Path;

use burn::tensor::Device;

use super::model::{description, notes};
use super::{Model, ModelError};
use crate::backbone::Backbone;
use crate::photos::Preprocessing;
use crate::weights::{self, Checkpoint, Reading};

/// The part of a model that computes features.
pub struct FrozenBackbone {
    /// The frozen backbone.
    pub backbone: Backbone,
    /// The preprocessing of the photos.
    pub preprocessing: Preprocessing,
    /// What the user should know about how the file was read, as sentences.
    pub notes: Vec<String>,
}

impl FrozenBackbone {
    /// Loads the backbone of the model at `path`, like [`Model::open`], but a weights file needs no
    /// fc layer.
    ///
    /// # Errors
    /// If there is no model at `path`, or its parts do not match.
    pub fn open(path: &Path, device: &Device) -> Result<Self, ModelError> {
        Self::open_with(path, device, Reading::Now)
    }

    /// As [`open`](Self::open); `reading` says when the weights are read.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: &Path, device: &Device, reading: Reading) -> Result<Self, ModelError> {
        if path.is_dir() {
            let Model { backbone, preprocessing, notes, .. } =
                Model::open_with(path, device, reading)?;
            return Ok(Self { backbone, preprocessing, notes });
        }
        match path.exists() {
            true => Self::from_weights_with(&Checkpoint::open(path)?, device, reading),
            false => Err(ModelError::NotThere(path.to_owned())),
        }
    }

    /// Loads the backbone from a weights file.
    ///
    /// # Errors
    /// If the file does not hold a known network, or has metadata that are invalid or do not match
    /// its tensors.
    pub fn from_weights(checkpoint: &Checkpoint, device: &Device) -> Result<Self, ModelError> {
        Self::from_weights_with(checkpoint, device, Reading::Now)
    }

    /// As [`from_weights`](Self::from_weights); `reading` says when the weights are read.
    ///
    /// # Errors
    /// As [`from_weights`](Self::from_weights).
    pub fn from_weights_with(
        checkpoint: &Checkpoint,
        device: &Device,
        reading: Reading,
    ) -> Result<Self, ModelError> {
        let architecture = weights::architecture(checkpoint)?;
        let preprocessing = description(checkpoint, &architecture)?
            .map_or(architecture.preprocessing(), |description| description.preprocessing);
        let backbone = weights::backbone_with(checkpoint, &architecture, device, reading)?;
        Ok(Self { backbone, preprocessing, notes: notes(checkpoint) })
    }
}
