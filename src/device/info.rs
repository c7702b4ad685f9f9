//! Devices and what is known about them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Backend;

/// The kind of hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A GPU with its own memory.
    DiscreteGpu,
    /// A GPU that shares the processor's memory.
    IntegratedGpu,
    /// A GPU that a hypervisor provides.
    VirtualGpu,
    /// The processor, including graphics drivers that run on it (lavapipe, WARP).
    Cpu,
}

impl Kind {
    /// Whether this is a GPU, and not the processor or a software driver.
    pub fn is_gpu(self) -> bool {
        self != Self::Cpu
    }

    /// What runs the kernels: the one place that decides which of them a device gets.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    pub fn hardware(self) -> crate::kernels::Hardware {
        match self {
            Self::DiscreteGpu | Self::IntegratedGpu | Self::VirtualGpu => {
                crate::kernels::Hardware::Gpu
            }
            Self::Cpu => crate::kernels::Hardware::Processor,
        }
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

/// A device to compute on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// The `--device` value that selects it: `wgpu:0`, `flex`.
    pub device: String,
    /// The backend that provides it.
    pub backend: Backend,
    /// Index among the backend's devices.
    #[serde(skip)]
    pub index: usize,
    /// Name of the hardware.
    pub name: String,
    /// Kind of hardware.
    pub kind: Kind,
    /// Graphics API and driver, for GPUs.
    pub driver: Option<String>,
    /// Dedicated memory in bytes, if the API reports it.
    pub memory_bytes: Option<u64>,
    /// Whether it supports 16-bit floating point.
    pub f16: bool,
    /// Whether it runs Kindling's own kernels; other devices run Burn's operations. Absent in runs
    /// that are older than these kernels.
    #[serde(default)]
    pub kernels: bool,
}

impl DeviceInfo {
    /// Identifies a GPU and its driver, as far as computed numbers may depend on them.
    pub(crate) fn fingerprint(&self) -> String {
        format!("{}, {}, {}", self.backend, self.name, self.driver.as_deref().unwrap_or("-"))
    }

    /// Whether this build has kernels for the device. An adapter that cannot run Kindling's kernels
    /// needs Burn's, which the cargo feature `burn-wgpu` compiles in.
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
