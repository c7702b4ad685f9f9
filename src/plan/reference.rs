//! A plan interpreted step by step with Burn's operations: slow, simple, and observable at every
//! step. Faster engines are compared with it.

use burn::tensor::activation::relu;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Tensor, TensorData};

use super::{Activation, Convolution, Folded, Operation, Plan, Value, Weights};

impl Plan {
    /// The output of the last step, with BatchNorm folded into the convolutions, on the device of
    /// `input`. `observe` gets each step's name and output.
    ///
    /// # Shapes
    /// - `input`: `[batch, input_channels, height, width]`; photos are normalised
    /// - output: `[batch, features, 1, 1]` for a whole network, else the last stage's output
    ///
    /// # Panics
    /// If `weights` belong to another network.
    pub fn interpreted(
        &self,
        weights: &Weights,
        input: Tensor<4>,
        mut observe: impl FnMut(&str, &Tensor<4>),
    ) -> Tensor<4> {
        let mut outputs: Vec<Tensor<4>> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let value_of = |value: &Value| match value {
                Value::Input => input.clone(),
                Value::Output(index) => outputs[*index].clone(),
            };
            let output = match &step.operation {
                Operation::Convolution { input: value, convolution } => {
                    convolved(value_of(value), convolution, convolution.folded(weights))
                }
                Operation::MaxPool { input: value, kernel, stride, padding } => {
                    let value = value_of(value);
                    let [_, _, height, width] = value.dims();
                    let around =
                        [height, width].map(|side| padding.around(side, *kernel, *stride).into());
                    let options = MaxPoolOptions::new([*kernel; 2])
                        .with_stride([*stride; 2])
                        .with_padding_pairs(around);
                    max_pool2d(value, options)
                }
                Operation::Add { inputs: [one, other], activation } => {
                    activated(value_of(one) + value_of(other), *activation)
                }
                Operation::GlobalAveragePool { input: value } => {
                    value_of(value).mean_dim(3).mean_dim(2)
                }
            };
            observe(&step.name, &output);
            outputs.push(output);
        }
        outputs.pop().unwrap_or(input)
    }
}

fn convolved(input: Tensor<4>, convolution: &Convolution, folded: Folded) -> Tensor<4> {
    let Convolution { kernel, stride, padding, groups, activation, .. } = *convolution;
    let [_, _, height, width] = input.dims();
    let around = [height, width].map(|side| padding.around(side, kernel, stride).into());
    let options = ConvOptions::new_with_padding([stride; 2], around, [1, 1], groups);
    let device = input.device();
    let kernels = TensorData::new(folded.weight, convolution.weight_shape());
    let bias = TensorData::new(folded.bias, [convolution.out_channels]);
    let bias = Tensor::<1>::from_data(bias, &device);
    let kernels = Tensor::<4>::from_data(kernels, &device);
    activated(conv2d(input, kernels, Some(bias), options), activation)
}

fn activated(x: Tensor<4>, activation: Activation) -> Tensor<4> {
    match activation {
        Activation::None => x,
        Activation::Relu => relu(x),
        Activation::Relu6 => x.clamp(0.0, 6.0),
    }
}
