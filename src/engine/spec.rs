//! What an engine compiles: a network's plan and its weights.

use std::collections::HashMap;

use burn::store::burn_pack;

use super::EngineError;
use crate::backbone::{Backbone, Tensors};
use crate::plan::{Convolution, Folded, Norm, Plan, Planned, Unsupported, Weights};

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

/// A network's weights where they are: each is read when it is needed, and not kept.
pub(super) struct WeightsAtSource(HashMap<String, burn_pack::Tensor>);

impl WeightsAtSource {
    /// The weights of `backbone`, whose plan is `plan`.
    ///
    /// # Errors
    /// If the plan names others.
    pub fn of(backbone: &Backbone, plan: &Plan) -> Result<Self, Unsupported> {
        let tensors = backbone.tensors().into_iter();
        let tensors: HashMap<_, _> = tensors.map(|tensor| (tensor.name.clone(), tensor)).collect();
        plan.check_tensors(|name| Some(tensors.get(name)?.shape.iter().product()))?;
        Ok(Self(tensors))
    }

    /// The weights of a convolution of the plan, with its BatchNorm folded in.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn folded(&self, convolution: &Convolution) -> Result<Folded, EngineError> {
        let Norm { scale, shift, mean, variance, .. } = &convolution.norm;
        let names = [&convolution.weight, scale, shift, mean, variance];
        let tensors = names.into_iter().filter_map(|name| self.0.get(name).cloned());
        let weights =
            Weights::read(tensors.collect()).map_err(|error| EngineError::weights(&error))?;
        Ok(convolution.folded_from(weights))
    }
}
