//! The processor: with the compiled backbone, and as Burn's CPU backends.

#[cfg(any(feature = "flex", feature = "ndarray"))]
use super::{Backend, DeviceInfo, Kind};

#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) fn cpu() -> Vec<DeviceInfo> {
    let device = super::processor().expect("a CPU backend is compiled in");
    let name = format!("compiled backbone, {}", crate::backbone::cpu::Instructions::best());
    vec![processor(Backend::Cpu, &name, &device)]
}

#[cfg(feature = "flex")]
pub(super) fn flex() -> Vec<DeviceInfo> {
    vec![processor(Backend::Flex, "Burn flex", &burn::tensor::Device::flex())]
}

#[cfg(feature = "ndarray")]
#[allow(deprecated, reason = "offered for comparison for as long as Burn has it")]
pub(super) fn ndarray() -> Vec<DeviceInfo> {
    vec![processor(Backend::Ndarray, "Burn ndarray", &burn::tensor::Device::ndarray())]
}

#[cfg(any(feature = "flex", feature = "ndarray"))]
fn processor(backend: Backend, name: &str, device: &burn::tensor::Device) -> DeviceInfo {
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
        kernels: false,
    }
}
