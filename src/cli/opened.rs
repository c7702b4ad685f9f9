//! A model opened on a device, as `evaluate`, `predict`, `report` and `embed` need it.

use std::path::Path;

use anyhow::Result;
use burn::tensor::Device;
use clap::Args;
use kindling::backbone::Backbone;
use kindling::device::{Backend, DeviceInfo};
use kindling::engine::PackedCache;
use kindling::features::Extractor;
use kindling::photos::Preprocessing;
use kindling::run::{FrozenBackbone, Model, restore_replaced};
use kindling::weights::Reading;

use super::DeviceArg;
use super::calibration::CalibrationArg;
use super::extraction::{FeaturesArg, extractor};
use super::pretrained::NetworkArg;
use super::terminal::{text, warn};

/// Puts the run `path` back if a program ended while it replaced it, and says so. Call it before a
/// run folder is looked at.
pub fn put_back(path: &Path) {
    if restore_replaced(path) {
        warn(&format!(
            "`{}` was put back: a program ended before it had replaced this run",
            text(path)
        ));
    }
}

/// The options of every command that runs an existing model.
#[derive(Args, Clone)]
pub struct ComputeArgs {
    #[command(flatten)]
    device: DeviceArg,

    #[command(flatten)]
    features: FeaturesArg,

    #[command(flatten)]
    network: NetworkArg,
}

impl ComputeArgs {
    /// Opens the device, and loads the model at `path`, or with that name, onto it.
    pub fn model(
        &self,
        path: &Path,
        quiet: bool,
        calibration: CalibrationArg,
    ) -> Result<Opened<Model>> {
        self.open(|device, reading| {
            Ok(calibration.of(self.network.model(path, quiet, device, reading)?))
        })
    }

    /// The same without the user's feature cache; a folder that was named is used. Features that
    /// are written in many files need none.
    #[must_use]
    #[cfg(feature = "parquet")]
    pub fn without_default_cache(&self) -> Self {
        Self { features: self.features.without_default_cache(), ..self.clone() }
    }

    /// Opens the device, and loads the backbone of that model, which needs no fc layer, onto it.
    pub fn backbone(&self, path: &Path, quiet: bool) -> Result<Opened<FrozenBackbone>> {
        self.open(|device, reading| self.network.backbone(path, quiet, device, reading))
    }

    fn open<M>(&self, open: impl FnOnce(&Device, Reading) -> Result<M>) -> Result<Opened<M>> {
        let (info, device) = self.device.open()?;
        let packed = self.features.packed();
        let model = open(&device, reading(&info, packed.as_ref()))?;
        Ok(Opened { info, device, model, features: self.features.clone() })
    }
}

/// When the weights are read for the device that `info` describes. The CPU engine packs them one by
/// one, and needs none of them if they are in the cache packed.
pub fn reading<'a>(info: &DeviceInfo, packed: Option<&'a PackedCache>) -> Reading<'a> {
    match info.backend {
        Backend::Cpu => Reading::Later(packed),
        _ => Reading::Now,
    }
}

/// A model on a device.
pub struct Opened<M> {
    /// The device that computes features.
    pub info: DeviceInfo,
    /// The device of the weights.
    pub device: Device,
    pub model: M,
    features: FeaturesArg,
}

impl Opened<Model> {
    /// The extractor of this model's features.
    pub fn extractor(&self) -> Result<Extractor<'_>> {
        self.extractor_of(&self.model.backbone, self.model.preprocessing)
    }
}

impl Opened<FrozenBackbone> {
    /// The extractor of this backbone's features.
    pub fn extractor(&self) -> Result<Extractor<'_>> {
        self.extractor_of(&self.model.backbone, self.model.preprocessing)
    }
}

impl<M> Opened<M> {
    fn extractor_of<'a>(
        &'a self,
        backbone: &'a Backbone,
        preprocessing: Preprocessing,
    ) -> Result<Extractor<'a>> {
        extractor(backbone, preprocessing, (&self.info, &self.device), &self.features)
    }
}
