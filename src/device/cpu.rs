//! The processor, with the compiled backbone or through Burn's CPU backends.

use burn::tensor::Device;

#[cfg(any(feature = "flex", feature = "ndarray"))]
use super::{Backend, DeviceInfo, Kind};

#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) fn cpu() -> Vec<DeviceInfo> {
    let Some(device) = processor() else { return Vec::new() };
    let name = format!("compiled backbone, {}", super::Instructions::best());
    vec![described(Backend::Cpu, &name, &device)]
}

#[cfg(feature = "flex")]
pub(super) fn flex() -> Vec<DeviceInfo> {
    vec![described(Backend::Flex, "Burn flex", &Device::flex())]
}

#[cfg(feature = "ndarray")]
#[allow(deprecated, reason = "offered for comparison for as long as Burn has it")]
pub(super) fn ndarray() -> Vec<DeviceInfo> {
    vec![described(Backend::Ndarray, "Burn ndarray", &Device::ndarray())]
}

#[cfg(any(feature = "flex", feature = "ndarray"))]
fn described(backend: Backend, name: &str, device: &Device) -> DeviceInfo {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let plural = if threads == 1 { "" } else { "s" };
    DeviceInfo {
        device: backend.to_string(),
        backend,
        index: 0,
        name: format!("{name}, {threads} thread{plural}"),
        kind: Kind::Cpu,
        driver: None,
        memory_bytes: None,
        f16: device.supports_dtype(burn::tensor::FloatDType::F16),
        // Burn's CPU backends run Burn's operations.
        kernels: backend == Backend::Cpu,
    }
}

/// The processor, through Burn's fastest CPU backend in this build; `None` if the build has no CPU
/// backend.
pub fn processor() -> Option<Device> {
    #[cfg(feature = "flex")]
    return Some(Device::flex());
    #[cfg(all(feature = "ndarray", not(feature = "flex")))]
    #[allow(deprecated, reason = "without flex it is the only one")]
    return Some(Device::ndarray());
    #[cfg(not(any(feature = "flex", feature = "ndarray")))]
    None
}
