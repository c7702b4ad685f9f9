//! The GPU engine.

use std::sync::OnceLock;

use super::patience::patience;
use super::request::GpuJob;
use super::thread::GpuThread;
use crate::backbone::Backbone;
use crate::device::DeviceInfo;
use crate::engine::{
    Engine, EngineError, FeatureMap, NetworkSpec, Pending, StepValues, Workload, batch_size_on,
};
use crate::kernels::{GpuClient, Hardware};
use crate::photos::Preprocessing;
use crate::precision::Precision;

/// Runs a network on Kindling's own compute shaders. The network is compiled when it is first
/// needed.
pub struct GpuEngine<'a> {
    backbone: &'a Backbone,
    preprocessing: Preprocessing,
    info: DeviceInfo,
    precision: Precision,
    /// `None` if the device could not be opened; that is reported when it is used.
    client: Option<GpuClient>,
    /// The most photos at a time, by the adapter's limits.
    max_batch: usize,
    thread: OnceLock<Result<GpuThread, EngineError>>,
}

impl<'a> GpuEngine<'a> {
    /// The engine for `backbone` on the device that `info` describes and `client` launches on. Its
    /// limits allow `max_batch` photos at a time ([`GpuSchedule`](super::GpuSchedule)). Nothing is
    /// compiled yet.
    pub fn new(
        backbone: &'a Backbone,
        preprocessing: Preprocessing,
        info: DeviceInfo,
        precision: Precision,
        client: Option<GpuClient>,
        max_batch: usize,
    ) -> Self {
        let thread = OnceLock::new();
        Self { backbone, preprocessing, info, precision, client, max_batch, thread }
    }

    /// Its thread, started when it is first needed.
    fn thread(&self) -> Result<&GpuThread, EngineError> {
        let start = || {
            let gone = || EngineError::Device("it is no longer there".into());
            let client = self.client.clone().ok_or_else(gone)?;
            let network = NetworkSpec::of(self.backbone)?;
            let job = GpuJob {
                client,
                network,
                preprocessing: self.preprocessing,
                precision: self.precision,
                hardware: self.info.kind.hardware(),
            };
            Ok(GpuThread::start(job, patience(self.info.kind)?))
        };
        self.thread.get_or_init(start).as_ref().map_err(Clone::clone)
    }
}

impl Engine for GpuEngine<'_> {
    fn launch(&self, pixels: Vec<u8>, _: Workload) -> Result<Pending<'_>, EngineError> {
        let thread = self.thread()?;
        let answer = thread.features(pixels);
        Ok(Pending::new(move || thread.wait(&answer)))
    }

    fn feature_map(&self, pixels: Vec<u8>) -> Result<FeatureMap, EngineError> {
        let thread = self.thread()?;
        thread.wait(&thread.feature_map(pixels))
    }

    fn fingerprint(&self) -> String {
        let version = crate::kernels::VERSION;
        // The kernels for the processor add in another order.
        let hardware = match self.info.kind.hardware() {
            Hardware::Gpu => "",
            Hardware::Processor => " in registers",
        };
        let kernels = format!("own kernels {version}{hardware}");
        format!("{}, {kernels}, {}", self.info.fingerprint(), self.precision)
    }

    fn batch_size(&self) -> usize {
        batch_size_on(self.info.kind).min(self.max_batch)
    }

    fn kernels(&self) -> &'static str {
        "own"
    }

    fn is_on_gpu(&self) -> bool {
        true
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    fn max_batch(&self) -> Option<usize> {
        self.thread.get()?.as_ref().ok()?.max_batch()
    }

    fn steps(&self, pixels: Vec<u8>) -> Result<Option<StepValues>, EngineError> {
        let thread = self.thread()?;
        thread.wait(&thread.steps(pixels)).map(Some)
    }
}
