//! Burn's operations as an engine: they run every network on every device.

use burn::tensor::{Device, Tensor, TensorData};

use super::{Engine, EngineError, FeatureMap, Pending, Workload, batch_size_on, finite};
use crate::backbone::Backbone;
use crate::device::{DeviceInfo, Kind};
use crate::photos::Preprocessing;

/// Runs a network with Burn's operations on its own device.
pub struct BurnEngine<'a> {
    backbone: &'a Backbone,
    preprocessing: Preprocessing,
    /// The backbone's device.
    device: &'a Device,
    /// Describes `device`. `None` if `device` is not the one that the user chose.
    info: Option<DeviceInfo>,
}

impl<'a> BurnEngine<'a> {
    /// Runs `backbone` on its device `device`, which must not be an autodiff device.
    pub fn new(
        backbone: &'a Backbone,
        preprocessing: Preprocessing,
        device: &'a Device,
        info: Option<&DeviceInfo>,
    ) -> Self {
        Self { backbone, preprocessing, device, info: info.cloned() }
    }

    /// Preprocessed photos on the device, `[photos, 3, crop, crop]`, normalised.
    fn upload(&self, pixels: &[u8]) -> Tensor<4> {
        normalised(pixels, &self.preprocessing, self.device)
    }
}

/// Preprocessed photos, `[photos, crop, crop, 3]`, on `device`: `[photos, 3, crop, crop]`,
/// normalised.
pub(crate) fn normalised(
    pixels: &[u8],
    preprocessing: &Preprocessing,
    device: &Device,
) -> Tensor<4> {
    let (side, values) = (preprocessing.crop as usize, preprocessing.values());
    let photos = pixels.len() / values;
    let normalised: Vec<f32> =
        pixels.chunks_exact(values).flat_map(|photo| preprocessing.normalise(photo)).collect();
    Tensor::from_data(TensorData::new(normalised, [photos, 3, side, side]), device)
}

impl Engine for BurnEngine<'_> {
    fn launch(&self, pixels: Vec<u8>, _: Workload) -> Result<Pending<'_>, EngineError> {
        let network = self.backbone.loaded().map_err(EngineError::Weights)?;
        let features = network.forward(self.upload(&pixels));
        Ok(Pending::new(move || read(features)))
    }

    fn feature_map(&self, pixels: Vec<u8>) -> Result<FeatureMap, EngineError> {
        let network = self.backbone.loaded().map_err(EngineError::Weights)?;
        let map = network.feature_map(self.upload(&pixels), |_, _| ());
        let [_, channels, height, width] = map.dims();
        Ok(FeatureMap { channels, height, width, values: read(map)? })
    }

    fn fingerprint(&self) -> String {
        match &self.info {
            Some(info) if info.backend.is_for_gpus() => info.fingerprint(),
            Some(info) => info.backend.to_string(),
            None => format!("Burn, {:?}", self.device),
        }
    }

    fn batch_size(&self) -> usize {
        batch_size_on(self.info.as_ref().map_or(Kind::Cpu, |info| info.kind))
    }

    fn kernels(&self) -> &'static str {
        "Burn"
    }

    fn is_on_gpu(&self) -> bool {
        let backend = self.info.as_ref().map(|info| info.backend);
        backend.is_some_and(|backend| backend.is_for_gpus() && backend.runs_burn())
    }
}

/// The values of a tensor, read back from the device.
///
/// # Errors
/// If the device fails, or a value is NaN or infinite.
pub(super) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, EngineError> {
    let values: Vec<f32> = tensor
        .try_into_data()
        .map_err(|error| EngineError::device(&error))?
        .try_into_vec_as()
        .map_err(|error| EngineError::device(&error))?;
    finite(values)
}
