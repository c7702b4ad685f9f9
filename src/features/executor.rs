//! What runs the network.

use std::sync::OnceLock;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use std::time::Duration;

use super::extract::{ExtractError, one_line};
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use super::gpu::{GpuThread, Ingredients};
use crate::backbone::cpu::{Instructions, Tuning};
use crate::backbone::{Backbone, CpuNetwork};
use crate::device::{Backend, DeviceInfo};
use crate::photos::Recipe;
use crate::precision::Precision;

/// What runs the network.
pub(super) enum Executor {
    /// Burn's operations, on any device.
    Burn,
    /// The network compiled for the processor, when it is first needed.
    Cpu(Box<Networks>),
    /// The network compiled for a GPU, when it is first needed.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    Gpu(Box<Gpu>),
}

/// A precision that a device does not compute in.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{device} does not compute in {precision}: {reason}; leave --precision out")]
pub struct PrecisionError {
    device: String,
    precision: Precision,
    reason: &'static str,
}

impl Executor {
    /// What is fastest on the device of `info`.
    pub fn suited_to(info: &DeviceInfo, precision: Precision) -> Result<Self, PrecisionError> {
        let refused =
            |reason| Err(PrecisionError { device: info.device.clone(), precision, reason });
        match info.backend {
            Backend::Wgpu | Backend::Cuda if precision == Precision::F16 && !info.f16 => {
                refused("the adapter has no 16-bit arithmetic")
            }
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            Backend::Wgpu | Backend::Cuda if info.kernels => {
                Ok(Self::Gpu(Box::new(Gpu::new(info.clone(), precision))))
            }
            _ if precision == Precision::F16 => refused("only our own kernels on a GPU do"),
            Backend::Cpu => Ok(Self::cpu()),
            _ => Ok(Self::Burn),
        }
    }

    /// The network compiled for the processor.
    pub fn cpu() -> Self {
        Self::Cpu(Box::default())
    }

    /// How it stores values.
    pub fn precision(&self) -> Precision {
        match self {
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            Self::Gpu(gpu) => gpu.precision,
            _ => Precision::F32,
        }
    }

    /// Whose kernels it runs.
    pub fn kernels(&self) -> &'static str {
        match self {
            Self::Burn => "Burn",
            _ => "own",
        }
    }

    /// What computes on the device of `info`, as far as its numbers may depend on it.
    pub fn computed_by(&self, info: &DeviceInfo) -> String {
        let device =
            format!("{}, {}, {}", info.backend, info.name, info.driver.as_deref().unwrap_or("-"));
        match self {
            Self::Cpu(_) => format!("{}, {}", info.backend, Instructions::best()),
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            Self::Gpu(gpu) => {
                let version = crate::kernels::VERSION;
                format!("{device}, own kernels {version}, {}", gpu.precision)
            }
            Self::Burn => match info.backend {
                Backend::Wgpu | Backend::Cuda => device,
                Backend::Cpu | Backend::Flex | Backend::Ndarray => info.backend.to_string(),
            },
        }
    }
}

/// The network compiled for the processor: for many photos, and for few.
#[derive(Default)]
pub(super) struct Networks {
    many: LazyNetwork,
    few: LazyNetwork,
}

type LazyNetwork = OnceLock<Result<Compiled, ExtractError>>;

/// A network, and what goes into it.
pub(super) struct Compiled {
    pub network: CpuNetwork,
    /// What each byte of each channel stands for.
    pub normalised: Box<[[f32; 256]; 3]>,
}

impl Networks {
    /// That for few photos, or for many.
    pub fn get(
        &self,
        backbone: &Backbone,
        recipe: &Recipe,
        few: bool,
    ) -> Result<&Compiled, ExtractError> {
        let (compiled, tuning) = match few {
            true => (&self.few, Tuning::for_one_photo()),
            false => (&self.many, Tuning::default()),
        };
        if compiled.get().is_none() {
            // Not while the lock is held: compiling is done by all threads, and one that waits for the others may
            // come by here.
            let side = recipe.crop as usize;
            let result = backbone
                .compiled_with([side, side], tuning)
                .map(|network| Compiled { network, normalised: Box::new(recipe.normalised()) })
                .map_err(|error| ExtractError::Device(one_line(&error)));
            let _ = compiled.set(result);
        }
        compiled.wait().as_ref().map_err(Clone::clone)
    }
}

/// The network compiled for a GPU.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(super) struct Gpu {
    info: DeviceInfo,
    pub precision: Precision,
    thread: OnceLock<Result<GpuThread, ExtractError>>,
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl Gpu {
    fn new(info: DeviceInfo, precision: Precision) -> Self {
        Self { info, precision, thread: OnceLock::new() }
    }

    /// How long a driver may take for a batch, with the compiling of all kernels before the first one: a GPU takes
    /// seconds, a processor that stands in for one minutes.
    fn patience(&self) -> Duration {
        Duration::from_secs(if self.info.kind.is_gpu() { 120 } else { 1200 })
    }

    /// Its thread, started when it is first needed.
    pub fn get(&self, backbone: &Backbone, recipe: &Recipe) -> Result<&GpuThread, ExtractError> {
        use crate::backbone::Planned;
        use crate::backbone::folding::Weights;

        let start = || {
            let failed = |reason| ExtractError::Device(reason);
            let client = crate::device::client(&self.info)
                .ok_or_else(|| failed("it is no longer there".into()))?;
            let weights = Weights::of(backbone).map_err(|error| failed(one_line(&error)))?;
            let ingredients = Ingredients {
                client,
                plan: backbone.plan(),
                weights,
                recipe: *recipe,
                precision: self.precision,
            };
            Ok(GpuThread::start(ingredients, self.patience()))
        };
        self.thread.get_or_init(start).as_ref().map_err(Clone::clone)
    }

    /// Photos that go through the network at a time, where the memory did not hold more.
    pub fn most(&self) -> Option<usize> {
        self.thread.get()?.as_ref().ok()?.most()
    }
}
