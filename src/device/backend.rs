//! Backends: the families of devices that cargo features compile in.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A family of devices, compiled in by one cargo feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// NVIDIA GPUs through CUDA.
    Cuda,
    /// Any GPU through Vulkan, Metal or DX12.
    Wgpu,
    /// The processor: Kindling's compiled backbone, with Burn for the rest.
    Cpu,
    /// Burn's CPU backend.
    Flex,
    /// Burn's older CPU backend.
    Ndarray,
}

impl Backend {
    /// Every backend, in the order in which `auto` prefers them.
    pub const ALL: [Self; 5] = [Self::Cuda, Self::Wgpu, Self::Cpu, Self::Flex, Self::Ndarray];

    /// The cargo feature that compiles this backend in.
    pub fn feature(self) -> &'static str {
        match self {
            Self::Cpu => "flex",
            _ => self.name(),
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
            Self::Cpu => "cpu",
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
        }
    }

    /// Whether this build has the backend.
    pub fn is_compiled_in(self) -> bool {
        match self {
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Cpu => cfg!(any(feature = "flex", feature = "ndarray")),
            Self::Flex => cfg!(feature = "flex"),
            Self::Ndarray => cfg!(feature = "ndarray"),
        }
    }

    /// Whether its devices are GPUs, or drivers that present themselves as GPUs.
    pub fn is_for_gpus(self) -> bool {
        matches!(self, Self::Wgpu | Self::Cuda)
    }

    /// Whether Burn's operations run on its devices in this build.
    pub fn runs_burn(self) -> bool {
        match self {
            Self::Wgpu => cfg!(feature = "burn-wgpu"),
            _ => self.is_compiled_in(),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
