//! A step of a compiled network.

use super::convolution::Convolution;
use super::depthwise::Depthwise;
use super::instructions::Instructions;
use super::pool::MaxPool;
use super::team::Team;
use super::winograd::{self, Winograd};

/// A step of a compiled network.
pub struct Step {
    pub kernel: Kernel,
    /// Value that is read.
    pub input: usize,
    /// Value that is added.
    pub shortcut: Option<usize>,
    /// Value that is written.
    pub output: usize,
}

/// What a step computes.
pub enum Kernel {
    Convolution(Convolution),
    Winograd(Winograd),
    Depthwise(Depthwise),
    MaxPool(MaxPool),
}

impl Step {
    /// Values that are read.
    pub fn reads(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.input).chain(self.shortcut)
    }

    /// Bytes of its weights.
    pub fn bytes(&self) -> usize {
        match &self.kernel {
            Kernel::Convolution(convolution) => convolution.bytes(),
            Kernel::Winograd(winograd) => winograd.bytes(),
            Kernel::Depthwise(_) | Kernel::MaxPool(_) => 0,
        }
    }

    /// Does it. `scratch` is there where it is done for all photos.
    pub fn run(
        &self,
        instructions: Instructions,
        team: Team,
        input: &[f32],
        shortcut: Option<&[f32]>,
        output: &mut [f32],
        scratch: Option<&mut winograd::Scratch>,
    ) {
        match (&self.kernel, scratch) {
            (Kernel::Convolution(convolution), Some(scratch)) => {
                let scratch = &mut scratch.output;
                convolution.by_panel(instructions, input, output, shortcut, scratch);
            }
            (Kernel::Convolution(convolution), None) => {
                convolution.run(instructions, team, input, output, shortcut);
            }
            (Kernel::Winograd(winograd), Some(scratch)) => {
                winograd.by_position(instructions, input, output, shortcut, scratch);
            }
            (Kernel::Winograd(winograd), None) => {
                winograd.by_block(instructions, team, input, output, shortcut);
            }
            (Kernel::Depthwise(depthwise), _) => depthwise.run(instructions, team, input, output),
            (Kernel::MaxPool(pool), _) => pool.run(instructions, team, input, output),
        }
    }
}
