//! A convolution with its weights on the device, by a given algorithm.

use super::Algorithm;
use crate::kernels::{Convolution, Depthwise, DeviceTensor, GpuClient, Precision, Winograd};
use crate::plan::{self, Folded};

/// A convolution with its weights on the device.
pub enum Prepared {
    /// A direct kernel.
    Direct(Convolution),
    /// The Winograd kernels.
    Winograd(Winograd),
    /// The kernel for depthwise convolutions.
    Depthwise(Depthwise),
}

impl Algorithm {
    /// Uploads the weights of `convolution`, in the order of this algorithm.
    ///
    /// # Panics
    /// If the algorithm cannot compute it.
    pub fn prepare(
        self,
        client: &GpuClient,
        convolution: &plan::Convolution,
        folded: &Folded,
        precision: Precision,
    ) -> Prepared {
        match self {
            Self::Direct(work) => Prepared::Direct(Convolution::with_work(
                client,
                convolution,
                folded,
                precision,
                work,
            )),
            Self::Winograd(work) => Prepared::Winograd(Winograd::with_work(
                client,
                convolution,
                folded,
                precision,
                work,
            )),
            Self::Depthwise => {
                Prepared::Depthwise(Depthwise::new(client, convolution, folded, precision))
            }
        }
    }
}

impl Prepared {
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
}
