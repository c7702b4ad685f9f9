//! What an engine compiles: a network's plan and its weights.

use super::EngineError;
use crate::backbone::{Backbone, Tensors};
use crate::plan::{Convolution, Folded, Plan, Planned, Weights};

/// A network's plan and its weights, in the processor's memory.
pub struct NetworkSpec {
    /// What the network computes.
    pub plan: Plan,
    /// Its weights.
    pub weights: Weights,
}

impl NetworkSpec {
    /// Reads them from `backbone`'s device.
    ///
    /// # Errors
    /// If a plan cannot express the network, or its device does not return the weights.
    pub fn of(backbone: &Backbone) -> Result<Self, EngineError> {
        let plan = backbone.plan()?;
        let weights =
            Weights::read(backbone.tensors()).map_err(|error| EngineError::device(&error))?;
        weights.check(&plan)?;
        Ok(Self { plan, weights })
    }

    /// The weights of a convolution, with its BatchNorm folded in.
    ///
    /// # Panics
    /// If the convolution belongs to another network.
    pub fn folded(&self, convolution: &Convolution) -> Folded {
        convolution.folded(&self.weights)
    }
}
