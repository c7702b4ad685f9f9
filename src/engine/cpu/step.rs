//! The steps of a compiled network.

use super::bottleneck::Bottleneck;
use super::convolution::Convolution;
use super::depthwise::Depthwise;
use super::parallelism::Parallelism;
use super::pointwise::Pointwise;
use super::pool::MaxPool;
use super::stem::Stem;
use super::winograd::{self, Winograd};
use crate::device::Instructions;

/// A kernel, and the indices of the values that it reads and writes.
pub struct Step {
    pub kernel: Kernel,
    /// Index of the input.
    pub input: usize,
    /// Index of the shortcut that is added.
    pub shortcut: Option<usize>,
    /// Index of the output.
    pub output: usize,
}

/// The operation of a step.
pub enum Kernel {
    Stem(Stem),
    Convolution(Convolution),
    Winograd(Winograd),
    Pointwise(Pointwise),
    Depthwise(Depthwise),
    Bottleneck(Bottleneck),
    MaxPool(MaxPool),
}

impl Kernel {
    /// What it computes, in a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stem(_) => "stem",
            Self::Convolution(_) => "convolution",
            Self::Winograd(_) => "Winograd",
            Self::Pointwise(_) => "pointwise",
            Self::Depthwise(_) => "depthwise",
            Self::Bottleneck(_) => "bottleneck",
            Self::MaxPool(_) => "max pool",
        }
    }
}

impl Step {
    /// Indices of the values that the step reads.
    pub fn reads(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.input).chain(self.shortcut)
    }

    /// Size of the weights in bytes. Depthwise weights are small and count as 0.
    pub fn bytes(&self) -> usize {
        match &self.kernel {
            Kernel::Stem(stem) => stem.bytes(),
            Kernel::Convolution(convolution) => convolution.bytes(),
            Kernel::Winograd(winograd) => winograd.bytes(),
            Kernel::Pointwise(pointwise) => pointwise.panels.bytes(),
            Kernel::Bottleneck(bottleneck) => bottleneck.bytes(),
            Kernel::Depthwise(_) | Kernel::MaxPool(_) => 0,
        }
    }

    /// Runs the step. With `scratch`, convolutions read their weights once for many photos; this is
    /// for weights that do not fit in a core's cache.
    pub fn run(
        &self,
        instructions: Instructions,
        parallelism: Parallelism,
        input: &[f32],
        shortcut: Option<&[f32]>,
        output: &mut [f32],
        scratch: Option<&mut winograd::Scratch>,
    ) {
        match (&self.kernel, scratch) {
            (Kernel::Stem(stem), _) => stem.run(instructions, parallelism, input, output),
            (Kernel::Convolution(convolution), Some(_)) => {
                convolution.by_panel(instructions, input, output, shortcut);
            }
            (Kernel::Convolution(convolution), None) => {
                convolution.run(instructions, parallelism, input, output, shortcut);
            }
            (Kernel::Winograd(winograd), Some(scratch)) => {
                winograd.by_position(instructions, input, output, shortcut, scratch);
            }
            (Kernel::Winograd(winograd), None) => {
                winograd.by_group(instructions, parallelism, input, output, shortcut);
            }
            (Kernel::Pointwise(pointwise), _) => {
                pointwise.run(instructions, parallelism, input, output, shortcut);
            }
            (Kernel::Bottleneck(bottleneck), _) => {
                bottleneck.run(instructions, parallelism, input, output, shortcut);
            }
            (Kernel::Depthwise(depthwise), _) => {
                depthwise.run(instructions, parallelism, input, output)
            }
            (Kernel::MaxPool(pool), _) => pool.run(instructions, parallelism, input, output),
        }
    }
}
