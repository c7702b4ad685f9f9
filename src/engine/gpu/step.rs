//! One step of a compiled network.

use crate::kernels::winograd::PhaseBytes;
use crate::kernels::{DeviceTensor, GpuClient, MaxPool, PreparedConvolution};

/// One launch, or the three of a convolution in phases: reads one or two values and writes one.
pub(super) struct Step {
    /// Its name in the plan.
    pub name: String,
    pub kernel: Kernel,
    /// The value that it reads.
    pub input: usize,
    /// The value that it adds.
    pub shortcut: Option<usize>,
    /// The value that it writes.
    pub output: usize,
}

/// A kernel with its weights.
#[allow(clippy::large_enum_variant, reason = "a network has some tens of them")]
pub(super) enum Kernel {
    Convolution(PreparedConvolution),
    MaxPool(MaxPool),
}

impl Kernel {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Convolution(convolution) => convolution.name(),
            Self::MaxPool(_) => "max-pool",
        }
    }

    /// The output shape for an input of `[channels, height, width]`.
    pub fn output(&self, shape: [usize; 3]) -> [usize; 3] {
        match self {
            Self::Convolution(convolution) => convolution.output(shape),
            Self::MaxPool(pool) => pool.output(shape),
        }
    }

    /// Launches it.
    pub fn run(
        &self,
        client: &GpuClient,
        input: &DeviceTensor,
        shortcut: Option<&DeviceTensor>,
        output: &DeviceTensor,
    ) {
        match self {
            Self::Convolution(convolution) => convolution.run(client, input, shortcut, output),
            Self::MaxPool(pool) => pool.run(client, input, output),
        }
    }

    /// Bytes of its weights.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Convolution(convolution) => convolution.bytes(),
            Self::MaxPool(_) => 0,
        }
    }

    /// What passes through memory between its launches, for each three launches. Empty if it takes
    /// only one.
    pub fn phases(&self, photos: usize, output: [usize; 3]) -> Vec<PhaseBytes> {
        match self {
            Self::Convolution(convolution) => convolution.phases(photos, output),
            Self::MaxPool(_) => Vec::new(),
        }
    }

    /// Multiplications of activations by weights.
    pub fn multiplications(&self, photos: usize, output: [usize; 3]) -> usize {
        match self {
            Self::Convolution(convolution) => convolution.multiplications(photos, output),
            Self::MaxPool(_) => 0,
        }
    }
}
