//! A plan's weights, with BatchNorm folded into the convolutions.

use std::collections::HashMap;

use burn::store::{bridge, burn_pack};

use super::{Convolution, Norm, Operation, Plan, Unsupported};

/// The values of a network's tensors, read from its device, by name.
pub struct Weights(HashMap<String, Vec<f32>>);

impl Weights {
    /// Reads the values of `tensors`.
    ///
    /// # Errors
    /// If the device does not return them.
    pub fn read(tensors: Vec<burn_pack::Tensor>) -> Result<Self, burn_pack::Error> {
        let read = |tensor: burn_pack::Tensor| {
            let values = values(&tensor)?;
            Ok((tensor.name, values))
        };
        Ok(Self(tensors.into_iter().map(read).collect::<Result<_, _>>()?))
    }

    /// Checks that every convolution of `plan` finds its tensors here: see
    /// [`Plan::check_tensors`].
    ///
    /// # Errors
    /// Names the first step that does not.
    pub fn check(&self, plan: &Plan) -> Result<(), Unsupported> {
        plan.check_tensors(|name| self.0.get(name).map(Vec::len))
    }

    /// The values of the tensor `name`.
    ///
    /// # Panics
    /// If there is no such tensor: see [`check`](Self::check).
    pub fn values(&self, name: &str) -> &[f32] {
        // Engines and exporters check the plan before they fold.
        self.0.get(name).unwrap_or_else(|| panic!("the network has no tensor `{name}`"))
    }
}

impl Plan {
    /// Checks that every convolution's tensors exist and have the right number of values. `count`
    /// returns that number for a tensor's name.
    ///
    /// # Errors
    /// Names the first step that does not.
    pub fn check_tensors(&self, count: impl Fn(&str) -> Option<usize>) -> Result<(), Unsupported> {
        for step in &self.steps {
            let Operation::Convolution { convolution, .. } = &step.operation else { continue };
            let Norm { scale, shift, mean, variance, .. } = &convolution.norm;
            let of_channels =
                [scale, shift, mean, variance].map(|name| (name, convolution.out_channels));
            let weight = (&convolution.weight, convolution.weight_shape().iter().product());
            let exists = |(name, values): &(&String, usize)| count(name) == Some(*values);
            if !of_channels.iter().chain([&weight]).all(exists) {
                let reason = "its plan names a tensor that the network does not have";
                return Err(Unsupported::new(&step.name, reason));
            }
        }
        Ok(())
    }
}

impl Plan {
    /// The tensors of its convolutions, by the module's names, with their shapes.
    pub fn tensors(&self) -> Vec<(&str, Vec<usize>)> {
        let mut tensors = Vec::new();
        for step in &self.steps {
            let Operation::Convolution { convolution, .. } = &step.operation else { continue };
            tensors.push((&*convolution.weight, convolution.weight_shape().to_vec()));
            let Norm { scale, shift, mean, variance, .. } = &convolution.norm;
            let of_channels = [scale, shift, mean, variance];
            tensors.extend(of_channels.map(|name| (&**name, vec![convolution.out_channels])));
        }
        tensors
    }
}

/// The values of a tensor, read from its device.
///
/// # Errors
/// If the device does not return them.
pub fn values(tensor: &burn_pack::Tensor) -> Result<Vec<f32>, burn_pack::Error> {
    let data = bridge::to_data(tensor)?.convert::<f32>();
    data.try_into_vec().map_err(|error| burn_pack::Error::ValidationError(error.to_string()))
}

/// A convolution with its BatchNorm folded in.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// `[out_channels, in_channels / groups, kernel, kernel]`.
    pub weight: Vec<f32>,
    /// `[out_channels]`.
    pub bias: Vec<f32>,
}

impl Convolution {
    /// A single convolution equivalent to this one followed by its BatchNorm, which is linear
    /// because its statistics are fixed. Computed in f64 and rounded once.
    ///
    /// # Panics
    /// If `weights` belong to another network.
    pub fn folded(&self, weights: &Weights) -> Folded {
        self.fold(weights.values(&self.weight).to_vec(), weights)
    }

    /// As [`folded`](Self::folded), without a copy of the weight.
    ///
    /// # Panics
    /// As [`folded`](Self::folded).
    pub fn folded_from(&self, mut weights: Weights) -> Folded {
        match weights.0.remove(&self.weight) {
            Some(weight) => self.fold(weight, &weights),
            // Panics with the tensor's name.
            None => self.folded(&weights),
        }
    }

    fn fold(&self, mut weight: Vec<f32>, weights: &Weights) -> Folded {
        let [scale, shift, mean, variance] =
            [&self.norm.scale, &self.norm.shift, &self.norm.mean, &self.norm.variance]
                .map(|name| weights.values(name));
        let mut bias = Vec::with_capacity(self.out_channels);
        let length = weight.len() / self.out_channels;
        for (channel, kernel) in weight.chunks_mut(length).enumerate() {
            let [scale, shift, mean, variance] =
                [scale, shift, mean, variance].map(|values| f64::from(values[channel]));
            let factor = scale / (variance + self.norm.epsilon).sqrt();
            for value in kernel {
                *value = (f64::from(*value) * factor) as f32;
            }
            bias.push((shift - mean * factor) as f32);
        }
        Folded { weight, bias }
    }
}
