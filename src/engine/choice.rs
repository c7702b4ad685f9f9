//! Chooses the engine that runs a network on a device. No other code makes this choice.

use burn::module::Module;
use burn::tensor::Device;

use super::burn::{normalised, read};
use super::cpu::{Photos, Tuning};
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use super::gpu::{GpuEngine, GpuSchedule};
use super::{BurnEngine, CpuEngine, CpuNetwork, Engine, EngineError, NetworkSpec, PrecisionError};
use crate::backbone::{Architecture, Backbone, Tensors};
use crate::device::{Backend, DeviceInfo};
use crate::photos::Preprocessing;
use crate::plan::{FusedPlan, Plan, Planned, Unsupported};
use crate::precision::Precision;

/// A network and the device that it was opened on.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The network.
    pub backbone: &'a Backbone,
    /// Its preprocessing.
    pub preprocessing: Preprocessing,
    /// The Burn device of its weights.
    pub device: &'a Device,
}

/// An engine, and why it is not the device's fastest one.
pub struct Chosen<'a> {
    /// The engine.
    pub engine: Box<dyn Engine + 'a>,
    /// The step that the device's compiled engine lacks, if Burn's engine took over.
    pub unsupported: Option<Unsupported>,
}

/// The fastest engine for `target` on the device that `info` describes.
///
/// # Errors
/// If that device or engine does not compute in `precision`.
pub fn choose<'a>(
    target: Target<'a>,
    info: &DeviceInfo,
    precision: Precision,
) -> Result<Chosen<'a>, PrecisionError> {
    let refused = |reason| Err(PrecisionError { device: info.device.clone(), precision, reason });
    let Target { backbone, preprocessing, device } = target;
    let is_gpu = info.backend.is_for_gpus();
    if is_gpu && precision == Precision::F16 && !info.f16 {
        return refused("the adapter has no 16-bit arithmetic");
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    let client = is_gpu.then(|| crate::device::client(info)).flatten();
    #[cfg_attr(
        not(any(feature = "wgpu", feature = "cuda")),
        allow(unused_variables, reason = "only a GPU's kernels are chosen by the plan here")
    )]
    let compiled = supported(target).and_then(|plan| match info.backend {
        Backend::Cpu => Ok(Some(usize::MAX)),
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        Backend::Wgpu | Backend::Cuda => match &client {
            Some(client) => {
                let photo = [preprocessing.crop as usize; 2];
                let (hardware, limits) = (info.kind.hardware(), client.limits());
                let schedule = GpuSchedule::of(&plan, photo, precision, hardware, limits)?;
                Ok(Some(schedule.max_batch))
            }
            // The engine reports that the device could not be opened.
            None => Ok(info.kernels.then_some(usize::MAX)),
        },
        _ => Ok(None),
    });
    let has_compiled_engine = info.backend == Backend::Cpu || is_gpu;
    let (max_batch, unsupported) = match compiled {
        Ok(max_batch) => (max_batch, None),
        Err(unsupported) => (None, Some(unsupported).filter(|_| has_compiled_engine)),
    };
    let is_compiled = max_batch.is_some();
    if precision == Precision::F16 && !(is_gpu && is_compiled) {
        return refused(match unsupported {
            Some(_) => "this network runs on Burn's operations, which compute in f32",
            None => "only Kindling's own kernels on a GPU do",
        });
    }
    let engine: Box<dyn Engine + 'a> = match (info.backend, max_batch) {
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        (Backend::Wgpu | Backend::Cuda, Some(most)) => {
            let info = info.clone();
            Box::new(GpuEngine::new(backbone, preprocessing, info, precision, client, most))
        }
        (Backend::Cpu, Some(_)) => Box::new(CpuEngine::new(backbone, preprocessing)),
        _ => {
            // If the weights are in the processor's memory, Burn's operations run there.
            let is_elsewhere =
                unsupported.is_some() && crate::device::processor().as_ref() == Some(device);
            let info = Some(info).filter(|_| !is_elsewhere);
            Box::new(BurnEngine::new(backbone, preprocessing, device, info))
        }
    };
    Ok(Chosen { engine, unsupported })
}

/// Burn's engine for `target`, which runs every network on every device.
pub fn plain(target: Target) -> Box<dyn Engine + '_> {
    let Target { backbone, preprocessing, device } = target;
    Box::new(BurnEngine::new(backbone, preprocessing, device, None))
}

/// The plan of a network that the compiled engines run.
fn supported(target: Target) -> Result<Plan, Unsupported> {
    let Target { backbone, preprocessing, .. } = target;
    let plan = backbone.plan()?;
    compiles(&plan, &preprocessing)?;
    let tensors = backbone.tensors();
    plan.check_tensors(|name| {
        let tensor = tensors.iter().find(|tensor| tensor.name == name)?;
        Some(tensor.shape.iter().product())
    })?;
    Ok(plan)
}

/// Checks that the compiled engines run a plan on photos after `preprocessing`.
fn compiles(plan: &Plan, preprocessing: &Preprocessing) -> Result<(), Unsupported> {
    FusedPlan::of(plan)?;
    plan.shapes([preprocessing.crop as usize; 2]).map(|_| ())
}

/// Networks that the compiled engines do not run, with the step that they lack. Builds each network
/// with zero weights on `device`.
pub fn unsupported_networks(device: &Device) -> Vec<(Architecture, Unsupported)> {
    Architecture::names()
        .filter_map(|name| name.parse::<Architecture>().ok())
        .filter_map(|architecture| {
            let plan = architecture.init(device).plan();
            let preprocessing = architecture.preprocessing();
            let unsupported = plan.and_then(|plan| compiles(&plan, &preprocessing)).err()?;
            Some((architecture, unsupported))
        })
        .collect()
}

/// A network on the processor, with whose features a GPU's are compared: compiled for the CPU
/// engine, or run with Burn's operations if that engine cannot run it.
pub struct ProcessorNetwork<'a> {
    backbone: &'a Backbone,
    preprocessing: Preprocessing,
    /// `None` if the CPU engine cannot run it.
    compiled: Option<CpuNetwork>,
}

impl<'a> ProcessorNetwork<'a> {
    /// Compiles `backbone` for single photos.
    ///
    /// # Errors
    /// If the device does not return the weights.
    pub fn of(backbone: &'a Backbone, preprocessing: Preprocessing) -> Result<Self, EngineError> {
        let side = preprocessing.crop as usize;
        let compiled = NetworkSpec::of(backbone)
            .and_then(|spec| Ok(CpuNetwork::of(&spec, [side; 2], Tuning::for_one_photo())?));
        let compiled = match compiled {
            Ok(network) => Some(network),
            Err(EngineError::Unsupported(unsupported)) => {
                // Burn's operations need a CPU backend.
                crate::device::processor().ok_or(unsupported)?;
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self { backbone, preprocessing, compiled })
    }

    /// The features of preprocessed photos, `[photos, crop, crop, 3]`: `[photos, features]`.
    ///
    /// # Errors
    /// If the weights cannot be read.
    pub fn features(&self, pixels: &[u8]) -> Result<Vec<f32>, EngineError> {
        let Self { backbone, preprocessing, compiled } = self;
        if let Some(network) = compiled {
            return Ok(network.features(Photos::Bytes(pixels, &preprocessing.normalised())));
        }
        let device = crate::device::processor().expect("`of` has found one");
        let network = backbone.loaded().map_err(EngineError::Weights)?.clone().to_device(&device);
        read(network.forward(normalised(pixels, preprocessing, &device)))
    }
}
