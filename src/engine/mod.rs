//! Engines: what runs a frozen network on a device.
//!
//! | engine | runs on | |
//! | --- | --- | --- |
//! | [`BurnEngine`] | any device | Burn's operations; runs every network |
//! | [`CpuEngine`] | the processor | the plan compiled to vector instructions |
//! | `GpuEngine` | Vulkan, Metal, DX12, CUDA | the plan compiled to Kindling's compute shaders |
//!
//! All implement [`Engine`]. [`choose`] picks the fastest one for a device. A compiled engine that
//! cannot run a network says which step it lacks ([`Unsupported`]), and Burn's engine takes over.

mod burn;
mod choice;
pub mod cpu;
mod error;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub mod gpu;
mod packed_cache;
mod spec;

pub use self::burn::BurnEngine;
pub(crate) use self::burn::normalised;
pub use choice::{Chosen, ProcessorNetwork, Target, choose, plain, unsupported_networks};
pub use cpu::{CpuEngine, CpuNetwork};
pub use error::{EngineError, PrecisionError};
pub(crate) use error::{finite, one_line};
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub use gpu::{GpuEngine, GpuNetwork};
pub use packed_cache::{PackedCache, PackedFiles};
pub use spec::NetworkSpec;

use crate::device::Kind;
pub use crate::plan::Unsupported;
use crate::precision::Precision;

/// Runs a frozen network on photos.
///
/// Photos are preprocessed bytes, `[photos, crop, crop, 3]`; the engine normalises them.
pub trait Engine {
    /// Starts to compute the features of `pixels`. A GPU computes while the caller does something
    /// else; the next batch may be launched before this one is waited for.
    ///
    /// # Errors
    /// If the engine cannot start.
    fn launch(&self, pixels: Vec<u8>, workload: Workload) -> Result<Pending<'_>, EngineError>;

    /// The last feature maps of `pixels`.
    ///
    /// # Errors
    /// If the device fails.
    fn feature_map(&self, pixels: Vec<u8>) -> Result<FeatureMap, EngineError>;

    /// Identifies everything that the features' bits may depend on: the device, its driver, the
    /// kernels' version. Part of the feature cache's key.
    fn fingerprint(&self) -> String;

    /// Frees memory that the next photos can do without: none may come for a while.
    fn rest(&self) {}

    /// Keeps packed weights in `cache`, and takes those that are there. An engine that packs none
    /// ignores it.
    fn keep_packed_weights(&mut self, _cache: PackedCache) {}

    /// Whose kernels it runs: `own` or `Burn`.
    fn kernels(&self) -> &'static str;

    /// Whether it runs on a GPU, or on a driver that presents itself as one.
    fn is_on_gpu(&self) -> bool {
        false
    }

    /// How it stores values.
    fn precision(&self) -> Precision {
        Precision::F32
    }

    /// The best batch size for this engine. It affects time and memory; results differ only by
    /// rounding.
    fn batch_size(&self) -> usize;

    /// The photos that go through the network at a time, if the device's memory was too small for
    /// the batches that were asked for.
    fn max_batch(&self) -> Option<usize> {
        None
    }

    /// The output of each step for the first and the last of some photos. `None` if the engine
    /// cannot show them.
    ///
    /// # Errors
    /// If the device fails.
    fn steps(&self, _pixels: Vec<u8>) -> Result<Option<StepValues>, EngineError> {
        Ok(None)
    }
}

/// The best batch size on hardware of this kind. 32 photos keep a GPU busy. On the processor 8 take
/// less memory; Burn's CPU backends are then as fast for ResNet-18, and faster for
/// EfficientNet-Lite0 (benches/HISTORY.md).
fn batch_size_on(kind: Kind) -> usize {
    if kind.is_gpu() { 32 } else { 8 }
}

/// How many photos are still to come. An engine may order its work differently for a few photos,
/// whose features then differ by rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Up to [`Workload::FEW`] photos in all.
    Few,
    /// More than [`Workload::FEW`] photos.
    Many,
}

impl Workload {
    /// The most photos that count as few. For so few, compiling a network for many photos takes
    /// longer than it saves.
    pub const FEW: usize = 4;

    /// The workload of this many photos.
    pub fn of(photos: usize) -> Self {
        if photos <= Self::FEW { Self::Few } else { Self::Many }
    }
}

/// Features that a device may still be computing.
pub struct Pending<'a> {
    wait: Box<Wait<'a>>,
    /// Whether the features have the same bits as those of the same photo in any other batch, so
    /// that they may be cached.
    pub is_cacheable: bool,
}

/// Waits for the features, `[photos, features]`.
type Wait<'a> = dyn FnOnce() -> Result<Vec<f32>, EngineError> + 'a;

impl<'a> Pending<'a> {
    /// Features that `wait` returns.
    pub fn new(wait: impl FnOnce() -> Result<Vec<f32>, EngineError> + 'a) -> Self {
        Self { wait: Box::new(wait), is_cacheable: true }
    }

    /// Features that are already there.
    pub fn ready(rows: Vec<f32>) -> Self {
        Self::new(|| Ok(rows))
    }

    /// Waits for the features, `[photos, features]`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn wait(self) -> Result<Vec<f32>, EngineError> {
        (self.wait)()
    }
}

/// The last feature maps of some photos.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureMap {
    /// Channels: the number of features.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[photos, channels, height, width]`.
    pub values: Vec<f32>,
}

/// Each step's name in the plan, and its values for the first and the last photo of a batch.
pub type StepValues = Vec<(String, Vec<f32>)>;
