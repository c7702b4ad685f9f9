//! Why work on a GPU failed: its own error, or what its driver reported before.

use cubecl::server::ServerError;

use crate::engine::EngineError;
use crate::kernels::failure::{is_out_of_memory, reason};
use crate::kernels::{DriverReport, GpuClient};

/// Why work failed. What the driver reported is the reason, and `error` what followed.
pub(crate) fn failed(client: &GpuClient, error: &ServerError) -> EngineError {
    log::debug!("{error}");
    match client.reports().take() {
        Some(report) if !error.is_device_poisoned() => reported(report),
        _ if is_out_of_memory(error) => EngineError::OutOfMemory,
        _ => EngineError::Device(cut(&reason(error))),
    }
}

pub(super) fn reported(report: DriverReport) -> EngineError {
    match report {
        DriverReport::OutOfMemory => EngineError::OutOfMemory,
        DriverReport::Other(text) => EngineError::Device(cut(&text)),
    }
}

/// A driver's text, which may be long.
fn cut(text: &str) -> String {
    text.chars().take(140).collect()
}
