//! GPUs through Vulkan, Metal or DX12.

use std::sync::{Mutex, OnceLock, PoisonError};

use burn::tensor::Device;
use cubecl::device::{WgpuBackend, WgpuDevice, WgpuDeviceKind};
use cubecl::wgpu::wgpu::{self, AdapterInfo, Backend as Api, DeviceType, Features};
use cubecl::wgpu::{AutoGraphicsApi, RuntimeOptions, try_init_setup};
use futures_lite::future::block_on;

use super::{Backend, DeviceError, DeviceInfo, Kind};
use crate::kernels::Limits;

/// The graphics APIs of this platform, best first. OpenGL is left out: a GPU that supports it well
/// enough also supports Vulkan, and OpenGL's compute shaders lack features that Burn's kernels use.
const INTERFACES: [(Api, WgpuBackend, &str); 3] = [
    (Api::Metal, WgpuBackend::Metal, "Metal"),
    (Api::Vulkan, WgpuBackend::Vulkan, "Vulkan"),
    (Api::Dx12, WgpuBackend::Dx12, "DX12"),
];

/// Storage buffers of the kernel with the most: input, weights, bias, shortcut, output, and
/// CubeCL's buffer of sizes. WebGPU guarantees 8, but some adapters have only 4.
const BUFFERS: u32 = 6;

/// An adapter, with the device by which CubeCL selects it.
struct Adapter {
    info: AdapterInfo,
    f16: bool,
    kernels: bool,
    interface_name: &'static str,
    kind: Kind,
    device: WgpuDevice,
}

/// The adapters of the first API that has a GPU, or else of the first API that has any adapter.
/// Enumerated once per process, because starting a graphics driver takes a tenth of a second.
fn adapters() -> &'static [Adapter] {
    static ADAPTERS: OnceLock<Vec<Adapter>> = OnceLock::new();
    ADAPTERS.get_or_init(enumerate)
}

fn enumerate() -> Vec<Adapter> {
    let mut software_only = Vec::new();
    for (api, interface, interface_name) in INTERFACES {
        let adapters = adapters_on(api, interface, interface_name);
        if adapters.iter().any(|adapter| adapter.kind.is_gpu()) {
            return adapters;
        }
        if software_only.is_empty() {
            software_only = adapters;
        }
    }
    software_only
}

fn adapters_on(api: Api, interface: WgpuBackend, interface_name: &'static str) -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: api.into(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    // CubeCL numbers the adapters of each kind from zero, in this order.
    let (mut discrete, mut integrated, mut virtual_gpus) = (0.., 0.., 0..);
    let mut cpu_seen = false;
    let mut adapters = Vec::new();
    for adapter in block_on(instance.enumerate_adapters(api.into())) {
        let info = adapter.get_info();
        let next = |count: &mut std::ops::RangeFrom<usize>| count.next().unwrap_or_default();
        let (kind, selector) = match info.device_type {
            DeviceType::DiscreteGpu => {
                (Kind::DiscreteGpu, WgpuDeviceKind::DiscreteGpu(next(&mut discrete)))
            }
            DeviceType::IntegratedGpu => {
                (Kind::IntegratedGpu, WgpuDeviceKind::IntegratedGpu(next(&mut integrated)))
            }
            DeviceType::VirtualGpu => {
                (Kind::VirtualGpu, WgpuDeviceKind::VirtualGpu(next(&mut virtual_gpus)))
            }
            // CubeCL can select only one CPU adapter, and no adapter of type `Other`.
            DeviceType::Cpu if !cpu_seen => {
                cpu_seen = true;
                (Kind::Cpu, WgpuDeviceKind::Cpu)
            }
            DeviceType::Cpu | DeviceType::Other => continue,
        };
        let f16 = adapter.features().contains(Features::SHADER_F16);
        let limits = adapter.limits();
        let kernels = Limits {
            units: limits
                .max_compute_invocations_per_workgroup
                .min(limits.max_compute_workgroup_size_x) as usize,
            shared: limits.max_compute_workgroup_storage_size as usize,
        }
        .allow_kernels()
            && limits.max_storage_buffers_per_shader_stage >= BUFFERS;
        let device = WgpuDevice::new(selector).on(interface);
        adapters.push(Adapter { info, f16, kernels, interface_name, kind, device });
    }
    adapters
}

pub(super) fn devices() -> Vec<DeviceInfo> {
    adapters().iter().enumerate().map(|(index, adapter)| adapter.describe(index)).collect()
}

impl Adapter {
    fn describe(&self, index: usize) -> DeviceInfo {
        let driver = [self.interface_name, &self.info.driver, &self.info.driver_info];
        DeviceInfo {
            device: format!("{}:{index}", Backend::Wgpu),
            backend: Backend::Wgpu,
            index,
            name: self.info.name.clone(),
            kind: self.kind,
            driver: Some(
                driver.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "),
            ),
            memory_bytes: None,
            f16: self.f16,
            kernels: self.kernels,
        }
    }
}

/// The devices that are already open: an adapter is initialised only once per process.
static OPEN: Mutex<Vec<(String, Device)>> = Mutex::new(Vec::new());

pub(super) fn open(asked: &DeviceInfo) -> Result<Device, DeviceError> {
    let failed = |reason: String| DeviceError::Open {
        device: asked.device.clone(),
        reason: reason.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, device)) = open.iter().find(|(name, _)| *name == asked.device) {
        return Ok(device.clone());
    }
    let adapter = find(asked).ok_or_else(|| failed("it is no longer there".into()))?;
    let device = burn_device(adapter)
        .ok_or_else(|| DeviceError::NeedsBurnsKernels { device: asked.to_string() })?;
    let setup = RuntimeOptions::with_tasks_max(None)
        .and_then(|options| try_init_setup::<AutoGraphicsApi>(&adapter.device, options))
        .map_err(|error| failed(error.to_string()))?;
    // CubeCL selects the adapter by its number; check that it opened the same one.
    let opened = setup.adapter.get_info().name;
    if opened != asked.name {
        return Err(failed(format!("the driver opened `{opened}` instead of `{}`", asked.name)));
    }
    open.push((asked.device.clone(), device.clone()));
    Ok(device)
}

/// The Burn device for weights and tensors: the adapter itself.
#[cfg(feature = "burn-wgpu")]
fn burn_device(adapter: &Adapter) -> Option<Device> {
    Some(Device::from(adapter.device.clone()))
}

/// The Burn device for weights and tensors: the processor. `None` for an adapter that cannot run
/// Kindling's kernels, because this build has no other kernels for it.
#[cfg(not(feature = "burn-wgpu"))]
fn burn_device(adapter: &Adapter) -> Option<Device> {
    super::processor().filter(|_| adapter.kernels)
}

/// The adapter that `info` describes, if it is still present.
fn find(info: &DeviceInfo) -> Option<&'static Adapter> {
    adapters().get(info.index).filter(|adapter| adapter.info.name == info.name)
}

/// The CubeCL client of an adapter that [`open`] opened; Burn computes with the same client.
pub(super) fn client(info: &DeviceInfo) -> Option<cubecl::client::Client> {
    Some(cubecl::Device::Wgpu(find(info)?.device.clone()).client())
}
