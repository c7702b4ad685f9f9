//! A convolution with its weights on the device, computed by any of the algorithms.

use super::winograd::PhaseBytes;
use super::{Convolution, Depthwise, DeviceTensor, GpuClient, Winograd};

/// A convolution with its weights on the device: see [`Algorithm`](super::Algorithm).
pub enum PreparedConvolution {
    /// A direct kernel.
    Direct(Convolution),
    /// The Winograd kernels.
    Winograd(Winograd),
    /// The kernel for depthwise convolutions.
    Depthwise(Depthwise),
}

impl PreparedConvolution {
    /// Its kernel's name, without the tile.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Direct(_) => "convolution",
            Self::Winograd(winograd) if winograd.work().side() == 4 => "winograd F(4x4,3x3)",
            Self::Winograd(_) => "winograd F(2x2,3x3)",
            Self::Depthwise(_) => "depthwise",
        }
    }

    /// The output shape for an input of `[channels, height, width]`.
    pub fn output(&self, shape: [usize; 3]) -> [usize; 3] {
        match self {
            Self::Direct(convolution) => convolution.output(shape),
            Self::Winograd(winograd) => winograd.output(shape),
            Self::Depthwise(depthwise) => depthwise.output(shape),
        }
    }

    /// Launches its kernels. A depthwise convolution ignores `shortcut`, which it never has.
    ///
    /// # Panics
    /// If the shapes, the numbers of photos or the precisions do not match.
    pub fn run(
        &self,
        client: &GpuClient,
        input: &DeviceTensor,
        shortcut: Option<&DeviceTensor>,
        output: &DeviceTensor,
    ) {
        match self {
            Self::Direct(convolution) => convolution.run(client, input, shortcut, output),
            Self::Winograd(winograd) => winograd.run(client, input, shortcut, output),
            Self::Depthwise(depthwise) => depthwise.run(client, input, output),
        }
    }

    /// Bytes of its weights.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Direct(convolution) => convolution.bytes(),
            Self::Winograd(winograd) => winograd.bytes(),
            Self::Depthwise(depthwise) => depthwise.bytes(),
        }
    }

    /// What passes through memory between its launches, for each three launches. Empty if it takes
    /// only one.
    pub fn phases(&self, photos: usize, output: [usize; 3]) -> Vec<PhaseBytes> {
        match self {
            Self::Winograd(winograd) => winograd.phases(photos, output),
            Self::Direct(_) | Self::Depthwise(_) => Vec::new(),
        }
    }

    /// Multiplications of activations by weights.
    pub fn multiplications(&self, photos: usize, output: [usize; 3]) -> usize {
        let pixels = photos * output[1] * output[2];
        match self {
            Self::Direct(convolution) => convolution.multiplications(pixels),
            Self::Winograd(winograd) => winograd.multiplications(photos, output),
            Self::Depthwise(depthwise) => depthwise.multiplications(pixels),
        }
    }
}
