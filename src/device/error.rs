//! Why no device could be chosen or opened.

use super::{Backend, Choice};

/// Why no device could be chosen or opened.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// This build does not have the backend.
    #[error(
        "this build has no {backend} backend: build it with `--features {}`, or choose from {}",
        .backend.feature(), listed(.available)
    )]
    NotCompiledIn {
        /// The requested backend.
        backend: Backend,
        /// The devices that are available.
        available: Vec<String>,
    },
    /// The machine has no device of the backend.
    #[error("there is no {backend} device: {reason}; available: {}", listed(.available))]
    NoneThere {
        /// The requested backend.
        backend: Backend,
        /// What the backend requires.
        reason: &'static str,
        /// The devices that are available.
        available: Vec<String>,
    },
    /// The index is too high.
    #[error("there is no device {asked}; available: {}", listed(.available))]
    NoSuchIndex {
        /// The requested device.
        asked: Choice,
        /// The devices that are available.
        available: Vec<String>,
    },
    /// No backend of this build has a device on this machine.
    #[error(
        "no device to compute on: this build has the backends {}; build it with `--features flex` \
         for any processor", listed(.compiled_in)
    )]
    Nothing {
        /// The backends in this build.
        compiled_in: Vec<String>,
    },
    /// `KINDLING_ADAPTER_LIMITS` names no published limits.
    #[cfg(feature = "wgpu")]
    #[error(
        "KINDLING_ADAPTER_LIMITS=`{name}` is none of {}",
        super::published::PUBLISHED.iter().map(|limits| limits.name).collect::<Vec<_>>().join(", ")
    )]
    UnknownLimits {
        /// The name.
        name: String,
    },
    /// The adapter's limits are too low for Kindling's kernels, and this build does not have
    /// Burn's.
    #[error(
        "{device} cannot run Kindling's kernels: {reason}; build with `--features burn-wgpu` for \
         Burn's, or choose another --device"
    )]
    NeedsBurnsKernels {
        /// The device.
        device: String,
        /// Which limit is too low.
        reason: &'static str,
    },
    /// The driver could not open the device.
    #[error("{device} cannot be opened: {reason}; choose another device with --device")]
    Open {
        /// The device.
        device: String,
        /// The driver's error on one line.
        reason: String,
    },
}

fn listed(devices: &[String]) -> String {
    match devices {
        [] => "nothing".into(),
        _ => devices.join(", "),
    }
}
