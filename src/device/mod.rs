//! Which backend and which adapter computes: list what is there, choose, open.

mod choice;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "wgpu")]
mod wgpu;

use std::fmt;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

pub use choice::Choice;

/// A family of devices that one cargo feature compiles in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// NVIDIA GPUs through CUDA.
    Cuda,
    /// Any GPU through Vulkan, Metal or DX12.
    Wgpu,
    /// The processor: the backbone compiled for it, the rest by Burn.
    Cpu,
    /// Burn's CPU backend.
    Flex,
    /// Burn's older CPU backend.
    Ndarray,
}

impl Backend {
    /// Every backend, in the order in which `auto` prefers them.
    pub const ALL: [Self; 5] = [Self::Cuda, Self::Wgpu, Self::Cpu, Self::Flex, Self::Ndarray];

    /// The cargo feature that compiles it in.
    pub fn feature(self) -> &'static str {
        match self {
            Self::Cpu => "flex",
            _ => self.name(),
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
            Self::Cpu => "cpu",
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
        }
    }

    /// Whether it is in this build.
    pub fn is_compiled_in(self) -> bool {
        match self {
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Cpu => cfg!(any(feature = "flex", feature = "ndarray")),
            Self::Flex => cfg!(feature = "flex"),
            Self::Ndarray => cfg!(feature = "ndarray"),
        }
    }

    /// Whether Burn's operations run on its devices in this build.
    pub fn runs_burn(self) -> bool {
        match self {
            Self::Wgpu => cfg!(feature = "burn-wgpu"),
            _ => self.is_compiled_in(),
        }
    }

    /// Its devices on this machine; none where it is not compiled in.
    fn devices(self) -> Vec<DeviceInfo> {
        match self {
            #[cfg(feature = "cuda")]
            Self::Cuda => cuda::devices(),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => wgpu::devices(),
            #[cfg(any(feature = "flex", feature = "ndarray"))]
            Self::Cpu => cpu::cpu(),
            #[cfg(feature = "flex")]
            Self::Flex => cpu::flex(),
            #[cfg(feature = "ndarray")]
            Self::Ndarray => cpu::ndarray(),
            #[allow(
                unreachable_patterns,
                reason = "reached by the backends that are not compiled in"
            )]
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What sort of hardware a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A GPU with memory of its own.
    DiscreteGpu,
    /// A GPU that shares the processor's memory.
    IntegratedGpu,
    /// A GPU that a hypervisor lends.
    VirtualGpu,
    /// The processor, also where a graphics driver runs on it (lavapipe, WARP).
    Cpu,
}

impl Kind {
    /// Whether it is a graphics card, and not a driver that runs on the processor.
    pub fn is_gpu(self) -> bool {
        self != Self::Cpu
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::DiscreteGpu => "discrete GPU",
            Self::IntegratedGpu => "integrated GPU",
            Self::VirtualGpu => "virtual GPU",
            Self::Cpu => "CPU",
        })
    }
}

/// A device that can be computed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// What `--device` takes to choose it: `wgpu:0`, `flex`.
    pub device: String,
    /// The backend that reaches it.
    pub backend: Backend,
    /// Its place among the backend's devices.
    #[serde(skip)]
    pub index: usize,
    /// The hardware's name.
    pub name: String,
    /// The sort of hardware.
    pub kind: Kind,
    /// The graphics interface and the driver, where there is one.
    pub driver: Option<String>,
    /// Bytes of its own memory, where the interface tells.
    pub memory_bytes: Option<u64>,
    /// Whether it computes in 16-bit floating point.
    pub f16: bool,
    /// Whether it runs our own kernels; a GPU that does not runs Burn's operations. Runs of before there were any do not
    /// tell.
    #[serde(default)]
    pub kernels: bool,
}

impl DeviceInfo {
    /// Whether this build has kernels for it: an adapter that does not run Kindling's needs Burn's,
    /// which the cargo feature `burn-wgpu` compiles in.
    pub fn is_usable(&self) -> bool {
        self.kernels || self.backend.runs_burn()
    }
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}, {}", self.device, self.name, self.kind)?;
        match &self.driver {
            Some(driver) => write!(formatter, ", {driver})"),
            None => formatter.write_str(")"),
        }
    }
}

/// Why there is no device to compute on.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The build lacks the backend.
    #[error(
        "this build has no {backend} backend: build it with `--features {}`, or choose from {}",
        .backend.feature(), listed(.available)
    )]
    NotCompiledIn {
        /// The backend that was asked for.
        backend: Backend,
        /// What can be chosen instead.
        available: Vec<String>,
    },
    /// The machine has no device of the backend.
    #[error("there is no {backend} device: {reason}; available: {}", listed(.available))]
    NoneThere {
        /// The backend that was asked for.
        backend: Backend,
        /// What it takes.
        reason: &'static str,
        /// What can be chosen instead.
        available: Vec<String>,
    },
    /// The index is too high.
    #[error("there is no device {asked}; available: {}", listed(.available))]
    NoSuchIndex {
        /// What was asked for.
        asked: Choice,
        /// What can be chosen instead.
        available: Vec<String>,
    },
    /// Nothing to compute with was compiled in.
    #[error(
        "no device to compute on: this build has the backends {}; build it with `--features flex` \
         for any processor", listed(.compiled_in)
    )]
    Nothing {
        /// The backends in this build.
        compiled_in: Vec<String>,
    },
    /// The adapter's limits do not allow Kindling's kernels, and the build has no others.
    #[error(
        "{device} lacks what Kindling's own kernels need: build with `--features burn-wgpu` for \
         Burn's, or choose another with --device"
    )]
    NeedsBurnsKernels {
        /// The device.
        device: String,
    },
    /// The driver refused.
    #[error("{device} cannot be opened: {reason}; choose another with --device")]
    Open {
        /// The device.
        device: String,
        /// What the driver said, on one line.
        reason: String,
    },
}

fn listed(devices: &[String]) -> String {
    match devices {
        [] => "nothing".into(),
        _ => devices.join(", "),
    }
}

/// Every device that this build can reach on this machine, in the order in which `auto` prefers
/// backends. Nothing is opened on a graphics adapter; a CUDA device is.
pub fn list() -> Vec<DeviceInfo> {
    Backend::ALL.into_iter().flat_map(Backend::devices).collect()
}

/// The device that `choice` stands for on this machine.
///
/// # Errors
/// Where it is not there or its backend not compiled in; the error says what is.
pub fn resolve(choice: Choice) -> Result<DeviceInfo, DeviceError> {
    let names = || list().into_iter().map(|info| info.device).collect::<Vec<_>>();
    match choice {
        Choice::Auto => Backend::ALL
            .into_iter()
            .find_map(|backend| {
                let usable = backend.devices().into_iter().filter(DeviceInfo::is_usable);
                best(usable.collect()).filter(|info| info.kind.is_gpu())
            })
            .or_else(|| {
                // Without a GPU the native backends come before a graphics driver on the processor.
                [Backend::Cpu, Backend::Wgpu]
                    .into_iter()
                    .find_map(|backend| best(backend.devices()))
            })
            .ok_or_else(|| DeviceError::Nothing {
                compiled_in: Backend::ALL
                    .into_iter()
                    .filter(|backend| backend.is_compiled_in())
                    .map(|backend| backend.to_string())
                    .collect(),
            }),
        Choice::Named(backend, _) if !backend.is_compiled_in() => {
            Err(DeviceError::NotCompiledIn { backend, available: names() })
        }
        Choice::Named(backend, index) => {
            let devices = backend.devices();
            if devices.is_empty() {
                let reason = match backend {
                    Backend::Cuda => "CUDA needs an NVIDIA GPU and its driver",
                    _ => {
                        "wgpu needs a Vulkan, Metal or DX12 driver (on Debian without a GPU, \
                         mesa-vulkan-drivers)"
                    }
                };
                return Err(DeviceError::NoneThere { backend, reason, available: names() });
            }
            match index {
                None => Ok(best(devices).expect("there is one")),
                Some(index) => devices
                    .into_iter()
                    .nth(index)
                    .ok_or_else(|| DeviceError::NoSuchIndex { asked: choice, available: names() }),
            }
        }
    }
}

/// The first of the fastest sort.
fn best(devices: Vec<DeviceInfo>) -> Option<DeviceInfo> {
    let rank = |info: &DeviceInfo| match info.kind {
        Kind::DiscreteGpu => 0,
        Kind::VirtualGpu => 1,
        Kind::IntegratedGpu => 2,
        Kind::Cpu => 3,
    };
    devices.into_iter().min_by_key(rank)
}

/// Opens a device that [`resolve`] or [`list`] gave, and returns the Burn device for weights and
/// tensors: the same one, or the processor for a wgpu adapter in a build without the cargo feature
/// `burn-wgpu`.
///
/// # Errors
/// If the driver refuses, the device is no longer there, or this build has no kernels for it.
pub fn open(info: &DeviceInfo) -> Result<Device, DeviceError> {
    match info.backend {
        #[cfg(feature = "cuda")]
        Backend::Cuda => Ok(Device::cuda(info.index)),
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => wgpu::open(info),
        #[cfg(any(feature = "flex", feature = "ndarray"))]
        Backend::Cpu => Ok(processor().expect("a CPU backend is compiled in")),
        #[cfg(feature = "flex")]
        Backend::Flex => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated, reason = "offered for comparison for as long as Burn has it")]
        Backend::Ndarray => Ok(Device::ndarray()),
        #[allow(unreachable_patterns, reason = "reached by the backends that are not compiled in")]
        backend => Err(DeviceError::NotCompiledIn { backend, available: Vec::new() }),
    }
}

/// The CubeCL client of a device that [`open`] opened, which our own kernels are launched with; none where the device is
/// no GPU's.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub fn client(info: &DeviceInfo) -> Option<cubecl::client::Client> {
    match info.backend {
        #[cfg(feature = "cuda")]
        Backend::Cuda => Some(cuda::client(info)),
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => wgpu::client(info),
        _ => None,
    }
}

/// The processor as Burn's fastest CPU backend in this build; none where there is none in it.
pub fn processor() -> Option<Device> {
    #[cfg(feature = "flex")]
    return Some(Device::flex());
    #[cfg(all(feature = "ndarray", not(feature = "flex")))]
    #[allow(deprecated, reason = "without flex it is the only one")]
    return Some(Device::ndarray());
    #[cfg(not(any(feature = "flex", feature = "ndarray")))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(backend: Backend, index: usize, kind: Kind, kernels: bool) -> DeviceInfo {
        DeviceInfo {
            device: format!("{backend}:{index}"),
            backend,
            index,
            name: "test".into(),
            kind,
            driver: None,
            memory_bytes: None,
            f16: false,
            kernels,
        }
    }

    #[test]
    fn a_software_driver_is_never_preferred_to_a_gpu() {
        let kinds = [Kind::Cpu, Kind::IntegratedGpu, Kind::DiscreteGpu];
        let devices =
            (0..).zip(kinds).map(|(index, kind)| info(Backend::Wgpu, index, kind, false)).collect();
        assert_eq!(best(devices).unwrap().index, 2);
    }

    #[test]
    fn an_adapter_is_usable_if_kernels_of_this_build_run_on_it() {
        let usable = |backend, kernels| info(backend, 0, Kind::DiscreteGpu, kernels).is_usable();
        assert!(usable(Backend::Wgpu, true));
        assert_eq!(usable(Backend::Wgpu, false), cfg!(feature = "burn-wgpu"));
        assert_eq!(usable(Backend::Flex, false), cfg!(feature = "flex"));
    }
}
