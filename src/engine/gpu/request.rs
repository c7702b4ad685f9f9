//! The input of the GPU thread, and the requests that it answers.

use std::sync::mpsc::{Receiver, Sender};

use crate::engine::{EngineError, FeatureMap, NetworkSpec, StepValues};
use crate::kernels::{GpuClient, Hardware};
use crate::photos::Preprocessing;
use crate::precision::Precision;

/// The input of the thread.
pub struct GpuJob {
    /// The device.
    pub client: GpuClient,
    /// The network.
    pub network: NetworkSpec,
    /// Its preprocessing.
    pub preprocessing: Preprocessing,
    /// How values are stored.
    pub precision: Precision,
    /// What runs the kernels.
    pub hardware: Hardware,
}

/// The sending end of an answer. The receiving end may have been dropped.
pub type Reply<T> = Sender<Result<T, EngineError>>;
/// The receiving end of an answer.
pub type Answer<T> = Receiver<Result<T, EngineError>>;

/// A request, for preprocessed photos, `[photos, crop, crop, 3]`.
pub enum Request {
    /// Their features, `[photos, features]`.
    Features(Vec<u8>, Reply<Vec<f32>>),
    /// Their last feature maps.
    FeatureMap(Vec<u8>, Reply<FeatureMap>),
    /// The values of each step.
    Steps(Vec<u8>, Reply<StepValues>),
}
