//! What a network computes, as a list of steps: what an exporter writes and an engine runs.
//!
//! Each architecture builds its plan beside its `forward`, from the fields of the module itself:
//! kernels, strides, padding, groups and epsilons are those that `forward` uses. A test runs every
//! plan with Burn's own operations and compares it with `forward`, so that the two cannot drift
//! apart.
//!
//! | file | |
//! | --- | --- |
//! | `step` | the vocabulary: convolutions, pools, sums, padding, activations |
//! | `builder` | from Burn's modules to steps |
//! | `shapes` | the output shape of each step |
//! | `stage` | plans that start or end at a stage |
//! | `folding` | BatchNorm folded into the convolutions |
//! | `fusion` | sums fused into the convolutions before them, for engines |
//! | `reference` | the plan interpreted with Burn's operations |
//! | `unsupported` | the error of a step that cannot be written or run |
//!
//! A plan holds no weights. Its convolutions name the tensors that they need by the module's own
//! names, and [`Convolution::folded`] takes those from [`Weights`] with BatchNorm folded in.

mod builder;
mod folding;
mod fusion;
mod reference;
mod shapes;
mod stage;
mod step;
mod unsupported;

pub use folding::{Folded, Weights, values};
pub use fusion::{FusedOperation, FusedPlan, FusedStep};
pub use stage::{Stage, StageError};
pub use step::{Activation, Convolution, Norm, Operation, Padding, Step, Value};
pub use unsupported::Unsupported;

/// What a network computes. A step reads the input or the outputs of earlier steps. The last step
/// of a whole network gives the features, `[batch, features, 1, 1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Channels of the input: 3 for photos, more for a plan that starts at a stage.
    pub input_channels: usize,
    /// The steps, in an order in which they can be computed.
    pub steps: Vec<Step>,
    /// The stages, in order.
    pub stages: Vec<Stage>,
}

impl Default for Plan {
    /// A plan without steps, for photos.
    fn default() -> Self {
        Self { input_channels: 3, steps: Vec::new(), stages: Vec::new() }
    }
}

impl Plan {
    /// The number of convolutions on the longest path from the input to the output. Rounding errors
    /// grow with it.
    pub fn depth(&self) -> usize {
        let mut depths: Vec<usize> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let of = |value: &Value| match value {
                Value::Input => 0,
                Value::Output(index) => depths[*index],
            };
            let before = step.operation.inputs().iter().map(of).max().unwrap_or(0);
            let own = usize::from(matches!(step.operation, Operation::Convolution { .. }));
            depths.push(before + own);
        }
        depths.last().copied().unwrap_or(0)
    }
}

/// A module that can describe what it computes.
pub trait Planned {
    /// Its `forward`, as steps.
    ///
    /// # Errors
    /// If `forward` has a step that a plan cannot express. Such a network runs on Burn's engine
    /// alone, and cannot be exported as a graph.
    fn plan(&self) -> Result<Plan, Unsupported>;
}
