//! NVIDIA GPUs through CUDA.

use burn::tensor::{Device, DeviceType, FloatDType};

use super::{Backend, DeviceError, DeviceInfo, Kind};

/// The CUDA devices. Opening one without a driver panics on a worker thread, so only devices that
/// the driver enumerates are opened.
pub(super) fn devices() -> Vec<DeviceInfo> {
    let describe = |(index, device): (usize, Device)| DeviceInfo {
        device: format!("{}:{index}", Backend::Cuda),
        backend: Backend::Cuda,
        index,
        name: device.identity().map_or_else(|| "NVIDIA GPU".into(), |identity| identity.name),
        kind: Kind::DiscreteGpu,
        driver: Some("CUDA".into()),
        memory_bytes: None,
        f16: device.supports_dtype(FloatDType::F16),
        // CUDA guarantees several times the limits that the kernels need.
        kernels: true,
    };
    Device::enumerate(DeviceType::Cuda).into_vec().into_iter().enumerate().map(describe).collect()
}

/// Opens a device that [`devices`] returned.
///
/// # Errors
/// If the CUDA toolkit is missing. CubeCL passes the folder of its headers to NVRTC, and panics on
/// a worker thread where it finds none.
pub(super) fn open(info: &DeviceInfo) -> Result<Device, DeviceError> {
    match cubecl_cuda::install::cuda_path() {
        Some(_) => Ok(Device::cuda(info.index)),
        None => Err(DeviceError::Open {
            device: info.device.clone(),
            reason: "the CUDA toolkit, whose headers the kernels are compiled with, is missing: \
                     install it, or set CUDA_PATH to a folder with include/cuda_fp16.h"
                .into(),
        }),
    }
}

/// The CubeCL client of a device that [`devices`] returned; Burn computes with the same client.
pub(super) fn client(info: &DeviceInfo) -> cubecl::client::Client {
    cubecl::Device::Cuda(cubecl::device::CudaDevice::new(info.index)).client()
}
