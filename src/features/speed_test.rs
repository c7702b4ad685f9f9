//! The speed of a whole network on an adapter: photos of bytes in, features out.

use burn::tensor::Device;

use super::self_check::{bound, difference};
use crate::backbone::{Architecture, Backbone, random_weights};
use crate::device::{self, DeviceError, DeviceInfo, Kind};
use crate::engine::gpu::{ForwardCost, failed};
use crate::engine::{
    EngineError, GpuNetwork, NetworkSpec, ProcessorNetwork, Target, Workload, plain,
};
use crate::kernels::{Effort, GpuClient, Roofline, Samples};
use crate::photos::Preprocessing;
use crate::plan::Planned;
use crate::precision::Precision;

/// A network with pseudo-random weights and photos on an adapter, to be measured.
pub struct SpeedTest {
    info: DeviceInfo,
    client: GpuClient,
    device: Device,
    backbone: Backbone,
    preprocessing: Preprocessing,
    /// `[photos, crop, crop, 3]`, as many as the largest batch has.
    pixels: Vec<u8>,
    /// Their features on the processor.
    expected: Vec<f32>,
}

/// Why a network cannot be measured on an adapter.
#[derive(Debug, thiserror::Error)]
pub enum SpeedTestError {
    /// The adapter cannot be opened.
    #[error(transparent)]
    Open(#[from] DeviceError),
    /// It is no GPU, or was unplugged.
    #[error("{0} is no GPU that is connected to this machine")]
    NoClient(String),
    /// The build has no operations of Burn for it.
    #[error("Burn's operations are not in this build (cargo feature `burn-wgpu`)")]
    WithoutBurn,
    /// Its limits do not let so many photos through the network at a time.
    #[error("the adapter's limits let only {0} photos through the network at a time")]
    MaxBatch(usize),
    /// The network fails on it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The speed of forward passes.
#[derive(Clone, Debug)]
pub struct ForwardSpeed {
    /// Photos per pass.
    pub photos: usize,
    /// How long a pass took, from the bytes of the photos to their features.
    pub samples: Samples,
    /// Its launches, bytes and multiplications. `None` for Burn's operations.
    pub cost: Option<ForwardCost>,
    /// The largest difference from the processor's features, as a fraction of the largest feature.
    /// Infinite if a feature is NaN.
    pub difference: f32,
    /// The largest difference that rounding explains.
    pub bound: f32,
}

impl ForwardSpeed {
    /// Photos per second, at the median.
    pub fn photos_per_s(&self) -> f64 {
        self.photos as f64 / self.samples.median()
    }

    /// Whether the features agree with the processor's.
    pub fn is_right(&self) -> bool {
        self.difference <= self.bound
    }

    /// The share of the adapter's bandwidth that the pass uses: the bytes that its launches read
    /// and write, each launch by itself, per second, divided by the rate of copying. It can exceed
    /// 1 where values stay in a cache. `None` for Burn's operations.
    pub fn share_of_bandwidth(&self, roofline: &Roofline) -> Option<f64> {
        let bytes: usize = self.cost.as_ref()?.bytes().into_iter().sum();
        Some(bytes as f64 / self.samples.median() / (roofline.copied_gb_per_s * 1e9))
    }

    /// The share of the adapter's multiply rate that the pass uses, with as many additions as
    /// multiplications. `None` for Burn's operations.
    pub fn share_of_peak(&self, roofline: &Roofline) -> Option<f64> {
        let operations = 2.0 * self.cost.as_ref()?.multiplications() as f64;
        Some(operations / self.samples.median() / (roofline.peak_gflops * 1e9))
    }
}

impl SpeedTest {
    /// Opens the adapter and computes the features of the largest batch on the processor.
    ///
    /// # Errors
    /// If the adapter cannot be opened, or the build has no CPU backend.
    pub fn new(architecture: &Architecture, info: &DeviceInfo) -> Result<Self, SpeedTestError> {
        let device = device::open(info)?;
        let client =
            device::client(info).ok_or_else(|| SpeedTestError::NoClient(info.to_string()))?;
        let mut backbone = architecture.init(&device);
        random_weights(&mut backbone).map_err(EngineError::Weights)?;
        let preprocessing = architecture.preprocessing();
        let [.., largest] = Self::batches(info.kind);
        // Knuth's multiplicative hash, so that neighbouring bytes differ.
        let byte = |at: usize| ((at as u32).wrapping_mul(2_654_435_761) >> 24) as u8;
        let pixels: Vec<u8> = (0..largest * preprocessing.values()).map(byte).collect();
        let expected = ProcessorNetwork::of(&backbone, preprocessing)?.features(&pixels)?;
        Ok(Self { info: info.clone(), client, device, backbone, preprocessing, pixels, expected })
    }

    /// Batch sizes to measure on hardware of this kind, in ascending order: one photo, as `predict`
    /// has it, a few, and as many as keep the hardware busy.
    pub fn batches(kind: Kind) -> [usize; 3] {
        match kind {
            Kind::DiscreteGpu => [1, 8, 128],
            Kind::IntegratedGpu | Kind::VirtualGpu => [1, 8, 32],
            // As many as `train` takes at a time there; a software driver needs a second for them.
            Kind::Cpu => [1, 4, 8],
        }
    }

    /// The network compiled to Kindling's own kernels.
    ///
    /// # Errors
    /// If the adapter's limits do not allow the kernels.
    pub fn compiled(&self, precision: Precision) -> Result<GpuNetwork, EngineError> {
        let spec = NetworkSpec::of(&self.backbone)?;
        let photo = [self.preprocessing.crop as usize; 2];
        let hardware = self.info.kind.hardware();
        Ok(GpuNetwork::compile(&self.client, &spec, photo, precision, hardware)?)
    }

    /// Measures `network`, which [`compiled`](Self::compiled) returned.
    ///
    /// # Errors
    /// If the device fails, or its limits do not allow so many photos.
    ///
    /// # Panics
    /// If `photos` exceeds the largest of the [`batches`](Self::batches).
    pub fn own(&self, network: &GpuNetwork, photos: usize) -> Result<ForwardSpeed, SpeedTestError> {
        if photos > network.max_batch() {
            return Err(SpeedTestError::MaxBatch(network.max_batch()));
        }
        let preprocess = network.preprocess(&self.preprocessing.normalised());
        let pixels = self.pixels(photos);
        let forward = || {
            let photos = preprocess.run(network.client(), pixels, network.photo());
            network
                .read(&network.features(photos))
                .map_err(|error| failed(network.client(), &error))
        };
        let cost = Some(network.forward_cost(photos));
        Ok(self.measured(photos, network.precision(), cost, forward)?)
    }

    /// Measures Burn's operations on the same adapter, in f32.
    ///
    /// # Errors
    /// If the build has none for it, or the device fails.
    ///
    /// # Panics
    /// As [`own`](Self::own).
    pub fn burn(&self, photos: usize) -> Result<ForwardSpeed, SpeedTestError> {
        if !self.info.backend.runs_burn() {
            return Err(SpeedTestError::WithoutBurn);
        }
        let Self { backbone, preprocessing, device, .. } = self;
        let engine = plain(Target { backbone, preprocessing: *preprocessing, device });
        let pixels = self.pixels(photos);
        let forward = || engine.launch(pixels.to_vec(), Workload::Many)?.wait();
        Ok(self.measured(photos, Precision::F32, None, forward)?)
    }

    /// Normalised photos in the memory of the adapter, as `network` takes them.
    ///
    /// # Panics
    /// As [`own`](Self::own).
    pub fn uploaded(&self, network: &GpuNetwork, photos: usize) -> crate::kernels::DeviceTensor {
        let preprocess = network.preprocess(&self.preprocessing.normalised());
        preprocess.run(network.client(), self.pixels(photos), network.photo())
    }

    fn measured(
        &self,
        photos: usize,
        precision: Precision,
        cost: Option<ForwardCost>,
        mut forward: impl FnMut() -> Result<Vec<f32>, EngineError>,
    ) -> Result<ForwardSpeed, EngineError> {
        let mut features = Vec::new();
        let effort = Effort::on(self.info.kind.hardware());
        let samples = effort.measure(|repeats| {
            for _ in 0..repeats {
                features = forward()?;
            }
            Ok::<(), EngineError>(())
        })?;
        let width = self.backbone.architecture().features();
        let depth = self.backbone.plan().map_or(0, |plan| plan.depth());
        Ok(ForwardSpeed {
            photos,
            samples,
            cost,
            difference: difference(&features, &self.expected[..photos * width]),
            bound: bound(precision, depth),
        })
    }

    fn pixels(&self, photos: usize) -> &[u8] {
        &self.pixels[..photos * self.preprocessing.values()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_ascend_from_one_photo() {
        let kinds = [Kind::DiscreteGpu, Kind::IntegratedGpu, Kind::VirtualGpu, Kind::Cpu];
        for kind in kinds {
            let batches = SpeedTest::batches(kind);
            assert_eq!(batches[0], 1);
            assert!(batches.is_sorted(), "{batches:?}");
        }
    }
}
