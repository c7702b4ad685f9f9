//! Backends and devices: list them, choose one, open it.

mod backend;
mod choice;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod error;
mod info;
mod instructions;
#[cfg(feature = "wgpu")]
pub mod published;
#[cfg(feature = "wgpu")]
mod wgpu;

use burn::tensor::Device;

pub use backend::Backend;
pub use choice::Choice;
pub use cpu::processor;
pub use error::DeviceError;
pub use info::{DeviceInfo, Kind};
pub use instructions::Instructions;
pub(crate) use instructions::Task;

/// Every device that this build can use on this machine, in the order in which `auto` prefers
/// backends. CUDA devices are opened to query them; graphics adapters are not.
pub fn list() -> Vec<DeviceInfo> {
    Backend::ALL.into_iter().flat_map(devices_of).collect()
}

/// Resolves `choice` to a device of this machine.
///
/// # Errors
/// If there is no such device or its backend is not compiled in. The error lists the devices that
/// are available.
pub fn resolve(choice: Choice) -> Result<DeviceInfo, DeviceError> {
    check_environment()?;
    let names = || list().into_iter().map(|info| info.device).collect::<Vec<_>>();
    match choice {
        Choice::Auto => Backend::ALL
            .into_iter()
            .find_map(|backend| {
                let usable = devices_of(backend).into_iter().filter(DeviceInfo::is_usable);
                best(usable.collect()).filter(|info| info.kind.is_gpu())
            })
            .or_else(|| {
                // Without a GPU, the native backends come before a software graphics driver.
                [Backend::Cpu, Backend::Wgpu]
                    .into_iter()
                    .find_map(|backend| best(devices_of(backend)))
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
            let devices = devices_of(backend);
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
                None => Ok(best(devices).expect("devices is not empty")),
                Some(index) => devices
                    .into_iter()
                    .nth(index)
                    .ok_or_else(|| DeviceError::NoSuchIndex { asked: choice, available: names() }),
            }
        }
    }
}

/// The first device of the fastest kind.
fn best(devices: Vec<DeviceInfo>) -> Option<DeviceInfo> {
    let rank = |info: &DeviceInfo| match info.kind {
        Kind::DiscreteGpu => 0,
        Kind::VirtualGpu => 1,
        Kind::IntegratedGpu => 2,
        Kind::Cpu => 3,
    };
    devices.into_iter().min_by_key(rank)
}

/// Opens a device that [`resolve`] or [`list`] returned. Returns the Burn device for weights and
/// tensors: the same device, or the processor for a wgpu adapter in a build without the cargo
/// feature `burn-wgpu`.
///
/// # Errors
/// If the driver fails to open the device, if it is no longer present, or if this build has no
/// kernels for it.
pub fn open(info: &DeviceInfo) -> Result<Device, DeviceError> {
    match info.backend {
        #[cfg(feature = "cuda")]
        Backend::Cuda => cuda::open(info),
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => wgpu::open(info),
        #[cfg(any(feature = "flex", feature = "ndarray"))]
        Backend::Cpu => processor().ok_or_else(|| DeviceError::NotCompiledIn {
            backend: Backend::Cpu,
            available: Vec::new(),
        }),
        #[cfg(feature = "flex")]
        Backend::Flex => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated, reason = "offered for comparison for as long as Burn has it")]
        Backend::Ndarray => Ok(Device::ndarray()),
        #[allow(unreachable_patterns, reason = "reached by the backends that are not compiled in")]
        backend => Err(DeviceError::NotCompiledIn { backend, available: Vec::new() }),
    }
}

/// Checks the environment variables that change what devices there are, for a program that calls
/// [`list`]; [`resolve`] does it itself.
///
/// # Errors
/// If `KINDLING_ADAPTER_LIMITS` names no published limits.
pub fn check_environment() -> Result<(), DeviceError> {
    #[cfg(feature = "wgpu")]
    published::PublishedLimits::asked()?;
    Ok(())
}

/// The client of a GPU, for launching Kindling's kernels. `None` if the device is not a GPU, or
/// cannot be opened: [`open`] says why.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub fn client(info: &DeviceInfo) -> Option<crate::kernels::GpuClient> {
    match info.backend {
        #[cfg(feature = "cuda")]
        Backend::Cuda => Some(crate::kernels::GpuClient::new(cuda::client(info))),
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => wgpu::client(info).ok(),
        _ => None,
    }
}

/// A client of the adapter that `info` describes, opened anew within published limits. Each call
/// opens another device.
///
/// # Errors
/// If `info` is not a wgpu adapter that is present, or the driver does not open it.
#[cfg(feature = "wgpu")]
pub fn client_within(
    info: &DeviceInfo,
    published: &published::PublishedLimits,
) -> Result<crate::kernels::GpuClient, DeviceError> {
    wgpu::client_within(info, published)
}

/// The devices of `backend` on this machine. Empty if the build does not have the backend.
fn devices_of(backend: Backend) -> Vec<DeviceInfo> {
    match backend {
        #[cfg(feature = "cuda")]
        Backend::Cuda => cuda::devices(),
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => wgpu::devices(),
        #[cfg(any(feature = "flex", feature = "ndarray"))]
        Backend::Cpu => cpu::cpu(),
        #[cfg(feature = "flex")]
        Backend::Flex => cpu::flex(),
        #[cfg(feature = "ndarray")]
        Backend::Ndarray => cpu::ndarray(),
        #[allow(unreachable_patterns, reason = "reached by the backends that are not compiled in")]
        _ => Vec::new(),
    }
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
