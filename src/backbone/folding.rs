//! A plan's weights, BatchNorm worked into the convolutions.

use std::collections::HashMap;

use burn::store::burn_pack;

use super::plan::Convolution;
use super::{Tensors, values};

/// The values of a module's tensors, read from its device, by the names of [`Tensors::tensors`].
pub struct Weights(HashMap<String, Vec<f32>>);

impl Weights {
    /// Reads them.
    ///
    /// # Errors
    /// Where the device does not give them back.
    pub fn of(module: &impl Tensors) -> Result<Self, burn_pack::Error> {
        let read = |tensor: burn_pack::Tensor| {
            let values = values(&tensor)?;
            Ok((tensor.name, values))
        };
        Ok(Self(module.tensors().into_iter().map(read).collect::<Result<_, _>>()?))
    }

    /// The values of one of them.
    ///
    /// # Panics
    /// Where there is none of this name: the plan is another network's.
    pub fn values(&self, name: &str) -> &[f32] {
        self.0.get(name).unwrap_or_else(|| panic!("the network has no `{name}`"))
    }
}

/// A convolution with BatchNorm worked into it.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// `[to, from / groups, kernel, kernel]`.
    pub weight: Vec<f32>,
    /// `[to]`.
    pub bias: Vec<f32>,
}

impl Convolution {
    /// The convolution that gives at once what this one and its BatchNorm give: BatchNorm is linear where its
    /// statistics stand still. Computed in f64 and rounded once.
    ///
    /// # Panics
    /// Where `weights` are another network's.
    pub fn folded(&self, weights: &Weights) -> Folded {
        let [scale, shift, mean, variance] =
            [&self.norm.scale, &self.norm.shift, &self.norm.mean, &self.norm.variance]
                .map(|name| weights.values(name));
        let kernels = weights.values(&self.weight);
        let mut folded =
            Folded { weight: Vec::with_capacity(kernels.len()), bias: Vec::with_capacity(self.to) };
        for (channel, kernel) in kernels.chunks(kernels.len() / self.to).enumerate() {
            let [scale, shift, mean, variance] =
                [scale, shift, mean, variance].map(|values| f64::from(values[channel]));
            let factor = scale / (variance + self.norm.epsilon).sqrt();
            folded.weight.extend(kernel.iter().map(|value| (f64::from(*value) * factor) as f32));
            folded.bias.push((shift - mean * factor) as f32);
        }
        folded
    }
}
