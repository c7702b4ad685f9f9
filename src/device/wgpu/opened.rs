//! Opens an adapter and hands it to CubeCL.
//!
//! CubeCL can select an adapter itself, but only one software driver, and never with lower limits
//! than the adapter's.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Device;
use cubecl::device::WgpuDevice;
use cubecl::wgpu::wgpu::{self, ExperimentalFeatures, MemoryHints, Trace};
use cubecl::wgpu::{RuntimeOptions, WgpuSetup, try_init_device};
use futures_lite::future::block_on;

use super::{Adapter, find, kernel_limits};
use crate::device::published::PublishedLimits;
use crate::device::{DeviceError, DeviceInfo};
use crate::kernels::{DriverReport, DriverReports, GpuClient};
use crate::panics;

/// An open adapter.
struct Opened {
    name: String,
    client: GpuClient,
    burn: Device,
}

/// The adapters that are already open: each is opened only once per process.
static OPEN: Mutex<Vec<Opened>> = Mutex::new(Vec::new());

/// The Burn device for weights and tensors of the adapter that `info` describes. Opens the adapter.
///
/// # Errors
/// If the adapter is no longer present, the driver does not open it, or this build has no kernels
/// for it.
pub fn open(info: &DeviceInfo) -> Result<Device, DeviceError> {
    opened(info, |opened| opened.burn.clone())
}

/// The CubeCL client of an adapter. Burn computes with the same client.
///
/// # Errors
/// As [`open`].
pub fn client(info: &DeviceInfo) -> Result<GpuClient, DeviceError> {
    opened(info, |opened| opened.client.clone())
}

/// A client of the adapter that `info` describes, opened anew within published limits.
///
/// # Errors
/// As [`open`].
pub fn client_within(
    info: &DeviceInfo,
    published: &PublishedLimits,
) -> Result<GpuClient, DeviceError> {
    let adapter = find(info).ok_or_else(|| gone(info))?;
    start(adapter, Some(published))
        .map(|(_, client)| client)
        .map_err(|reason| refused(info, &reason))
}

fn opened<T>(info: &DeviceInfo, get: impl Fn(&Opened) -> T) -> Result<T, DeviceError> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(opened) = open.iter().find(|opened| opened.name == info.device) {
        return Ok(get(opened));
    }
    let adapter = find(info).ok_or_else(|| gone(info))?;
    let lacks = |reason| DeviceError::NeedsBurnsKernels { device: info.to_string(), reason };
    if let (Some(shortage), false) = (adapter.shortage(), info.backend.runs_burn()) {
        return Err(lacks(shortage));
    }
    let (device, client) =
        start(adapter, adapter.within).map_err(|reason| refused(info, &reason))?;
    let burn = burn_device(device)
        .ok_or_else(|| lacks("this build has no CPU backend to hold the weights"))?;
    let opened = Opened { name: info.device.clone(), client, burn };
    let value = get(&opened);
    open.push(opened);
    Ok(value)
}

/// Opens a device on `adapter` and registers it with CubeCL. A panic of wgpu, such as the one after
/// a driver that refuses wgpu's own shaders, is an error too.
fn start(
    adapter: &Adapter,
    within: Option<&PublishedLimits>,
) -> Result<(WgpuDevice, GpuClient), String> {
    panics::caught(|| started(adapter, within)).unwrap_or_else(|panicked| {
        let message = panicked.message().unwrap_or_else(|| "no reason is known".into());
        Err(format!("its driver failed: {message}"))
    })
}

fn started(
    adapter: &Adapter,
    within: Option<&PublishedLimits>,
) -> Result<(WgpuDevice, GpuClient), String> {
    let limits = adapter.limits(within);
    let kernels = kernel_limits(&limits);
    let descriptor = wgpu::DeviceDescriptor {
        label: None,
        required_features: adapter.features(within),
        required_limits: limits,
        // CubeCL allocates large blocks and divides them itself.
        memory_hints: MemoryHints::MemoryUsage,
        trace: Trace::Off,
        experimental_features: ExperimentalFeatures::disabled(),
    };
    let (device, queue) =
        block_on(adapter.adapter.request_device(&descriptor)).map_err(|error| error.to_string())?;
    let opened = device.clone();
    let setup = WgpuSetup {
        instance: adapter.instance.clone(),
        adapter: adapter.adapter.clone(),
        device,
        queue,
        backend: adapter.info.backend,
    };
    let device = RuntimeOptions::with_tasks_max(None)
        .and_then(|options| try_init_device(setup, options))
        .map_err(|error| error.to_string())?;
    let client = cubecl::Device::Wgpu(device.clone()).client();
    let reports = DriverReports::default();
    report_errors(&opened, reports.clone());
    Ok((device, GpuClient::within(client, kernels).with_reports(reports)))
}

/// Reports errors that wgpu returns from no call, in place of CubeCL's handler, which panics with a
/// text for programmers. As it does, this one ends the work: CubeCL catches that on the device's
/// thread, and the buffers that the work should have written carry an error from then on.
///
/// An object is invalid after an error that was reported before, or when the device is lost. CubeCL
/// notices the loss itself, and no call after it does anything.
fn report_errors(device: &wgpu::Device, reports: DriverReports) {
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        log::debug!("{text}");
        if matches!(error, wgpu::Error::Validation { .. }) && text.ends_with("is invalid") {
            return;
        }
        reports.add(match error {
            wgpu::Error::OutOfMemory { .. } => DriverReport::OutOfMemory,
            _ => DriverReport::Other(text.clone()),
        });
        resume_unwind(Box::new(text));
    }));
}

fn gone(info: &DeviceInfo) -> DeviceError {
    refused(info, "it is no longer there")
}

fn refused(info: &DeviceInfo, reason: &str) -> DeviceError {
    DeviceError::Open {
        device: info.device.clone(),
        reason: reason.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// The Burn device for weights and tensors: the adapter itself.
#[cfg(feature = "burn-wgpu")]
fn burn_device(device: WgpuDevice) -> Option<Device> {
    Some(Device::from(device))
}

/// The Burn device for weights and tensors: the processor, because this build does not have Burn's
/// kernels for graphics APIs.
#[cfg(not(feature = "burn-wgpu"))]
fn burn_device(_: WgpuDevice) -> Option<Device> {
    crate::device::processor()
}
