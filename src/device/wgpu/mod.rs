//! GPUs through Vulkan, Metal or DX12.

mod opened;

use std::sync::OnceLock;

use cubecl::wgpu::wgpu::{self, AdapterInfo, Backend as Api, DeviceType, Features};
use futures_lite::future::block_on;

use super::published::PublishedLimits;
use super::{Backend, DeviceInfo, Kind};
use crate::kernels::Limits;

pub(super) use opened::{client, client_within, open};

/// The graphics APIs of this platform, best first. OpenGL is left out: a GPU that supports it well
/// enough also supports Vulkan, and OpenGL's compute shaders lack features that Burn's kernels use.
const INTERFACES: [(Api, &str); 3] =
    [(Api::Metal, "Metal"), (Api::Vulkan, "Vulkan"), (Api::Dx12, "DX12")];

/// An adapter, and the published limits with which it is opened, if any.
struct Adapter {
    instance: wgpu::Instance,
    adapter: wgpu::Adapter,
    info: AdapterInfo,
    kind: Kind,
    interface_name: &'static str,
    within: Option<&'static PublishedLimits>,
}

/// The adapters of the first API that has a GPU, or else of the first API that has any adapter.
/// Enumerated once per process, because starting a graphics driver takes a tenth of a second. Empty
/// if `KINDLING_ADAPTER_LIMITS` has an unknown name; [`resolve`](super::resolve) reports it.
fn adapters() -> &'static [Adapter] {
    static ADAPTERS: OnceLock<Vec<Adapter>> = OnceLock::new();
    ADAPTERS.get_or_init(|| PublishedLimits::asked().map_or_else(|_| Vec::new(), enumerate))
}

fn enumerate(within: Option<&'static PublishedLimits>) -> Vec<Adapter> {
    let mut software_only = Vec::new();
    for (api, interface_name) in INTERFACES {
        let adapters = adapters_on(api, interface_name, within);
        if adapters.iter().any(|adapter| adapter.kind.is_gpu()) {
            return adapters;
        }
        if software_only.is_empty() {
            software_only = adapters;
        }
    }
    software_only
}

fn adapters_on(
    api: Api,
    interface_name: &'static str,
    within: Option<&'static PublishedLimits>,
) -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: api.into(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapters = block_on(instance.enumerate_adapters(api.into()));
    adapters
        .into_iter()
        .filter_map(|adapter| {
            let info = adapter.get_info();
            let kind = match info.device_type {
                DeviceType::DiscreteGpu => Kind::DiscreteGpu,
                DeviceType::IntegratedGpu => Kind::IntegratedGpu,
                DeviceType::VirtualGpu => Kind::VirtualGpu,
                DeviceType::Cpu => Kind::Cpu,
                // Nothing is known of it, not even whether it is a GPU.
                DeviceType::Other => return None,
            };
            let instance = instance.clone();
            Some(Adapter { instance, adapter, info, kind, interface_name, within })
        })
        .collect()
}

pub(super) fn devices() -> Vec<DeviceInfo> {
    adapters().iter().enumerate().map(|(index, adapter)| adapter.describe(index)).collect()
}

/// The adapter that `info` describes, if it is still present.
fn find(info: &DeviceInfo) -> Option<&'static Adapter> {
    adapters().get(info.index).filter(|adapter| adapter.name() == info.name)
}

impl Adapter {
    fn describe(&self, index: usize) -> DeviceInfo {
        let driver = [self.interface_name, &self.info.driver, &self.info.driver_info];
        DeviceInfo {
            device: format!("{}:{index}", Backend::Wgpu),
            backend: Backend::Wgpu,
            index,
            name: self.name(),
            kind: self.kind,
            driver: Some(
                driver.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "),
            ),
            memory_bytes: None,
            f16: self.features(self.within).contains(Features::SHADER_F16),
            kernels: self.shortage().is_none(),
        }
    }

    /// Its name. With published limits they are part of it, so that features and self-checks are
    /// never mixed with those of the adapter itself.
    fn name(&self) -> String {
        match self.within {
            None => self.info.name.clone(),
            Some(published) => {
                format!("{} with the limits of {}", self.info.name, published.name)
            }
        }
    }

    /// The features with which a device is opened: all but the experimental ones, and but mappable
    /// memory, which makes every buffer slow on a GPU with its own memory.
    fn features(&self, within: Option<&PublishedLimits>) -> Features {
        let mut features = self.adapter.features()
            - Features::MAPPABLE_PRIMARY_BUFFERS
            - Features::all_experimental_mask();
        if within.is_some_and(|published| !published.f16) {
            features.remove(Features::SHADER_F16);
        }
        features
    }

    /// Why an operation has no kernel within the limits with which it is opened.
    fn shortage(&self) -> Option<&'static str> {
        kernel_limits(&self.limits(self.within)).shortage()
    }

    /// The limits with which a device is opened.
    fn limits(&self, within: Option<&PublishedLimits>) -> wgpu::Limits {
        let mut limits = self.adapter.limits();
        let Some(published) = within else { return limits };
        let lower = |limit: &mut u32, published: usize| {
            *limit = u32::try_from(published).unwrap_or(u32::MAX).min(*limit);
        };
        let Limits { units, shared, groups, buffer_bytes, buffers } = published.limits;
        lower(&mut limits.max_compute_invocations_per_workgroup, units);
        lower(&mut limits.max_compute_workgroup_size_x, units);
        lower(&mut limits.max_compute_workgroup_size_y, units);
        lower(&mut limits.max_compute_workgroup_storage_size, shared);
        lower(&mut limits.max_compute_workgroups_per_dimension, groups);
        lower(&mut limits.max_storage_buffers_per_shader_stage, buffers);
        let binding = &mut limits.max_storage_buffer_binding_size;
        *binding = buffer_bytes.min(*binding);
        limits.max_buffer_size = published.largest_buffer.min(limits.max_buffer_size);
        let alignment = &mut limits.min_storage_buffer_offset_alignment;
        *alignment = published.alignment.max(*alignment);
        limits
    }
}

/// The limits of a kernel on a device with these `limits`.
fn kernel_limits(limits: &wgpu::Limits) -> Limits {
    Limits {
        units: limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x)
            as usize,
        shared: limits.max_compute_workgroup_storage_size as usize,
        groups: limits.max_compute_workgroups_per_dimension as usize,
        buffer_bytes: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
        buffers: limits.max_storage_buffers_per_shader_stage as usize,
    }
}
