//! A plan computed step by step with Burn's operations: slow, simple, and told at every step. What faster executors are
//! held to.

use burn::tensor::activation::relu;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Tensor, TensorData};

use super::folding::{Folded, Weights};
use super::plan::{Activation, Convolution, Operation, Plan, Value};

impl Plan {
    /// The features of some photos, with BatchNorm worked into the convolutions, on the device of the photos; `observe` is
    /// shown what each step gives, by its name.
    ///
    /// # Shapes
    /// - `photos`: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, features]`
    ///
    /// # Panics
    /// Where `weights` are another network's.
    pub fn interpreted(
        &self,
        weights: &Weights,
        photos: Tensor<4>,
        mut observe: impl FnMut(&str, &Tensor<4>),
    ) -> Tensor<2> {
        let mut outputs: Vec<Tensor<4>> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let read = |value: &Value| match value {
                Value::Photos => photos.clone(),
                Value::Output(index) => outputs[*index].clone(),
            };
            let output = match &step.operation {
                Operation::Convolution { input, convolution } => {
                    convolved(read(input), convolution, convolution.folded(weights))
                }
                Operation::MaxPool { input, kernel, stride, padding } => {
                    let input = read(input);
                    let [_, _, height, width] = input.dims();
                    let around =
                        [height, width].map(|side| padding.around(side, *kernel, *stride).into());
                    let options = MaxPoolOptions::new([*kernel; 2])
                        .with_stride([*stride; 2])
                        .with_padding_pairs(around);
                    max_pool2d(input, options)
                }
                Operation::Add { inputs: [one, other], activation } => {
                    activated(read(one) + read(other), *activation)
                }
                Operation::GlobalAveragePool { input } => read(input).mean_dim(3).mean_dim(2),
            };
            observe(&step.name, &output);
            outputs.push(output);
        }
        outputs.pop().expect("a plan has steps").flatten(1, 3)
    }
}

fn convolved(input: Tensor<4>, convolution: &Convolution, folded: Folded) -> Tensor<4> {
    let Convolution { kernel, stride, padding, groups, activation, .. } = *convolution;
    let [_, _, height, width] = input.dims();
    let around = [height, width].map(|side| padding.around(side, kernel, stride).into());
    let options = ConvOptions::new_with_padding([stride; 2], around, [1, 1], groups);
    let device = input.device();
    let kernels = TensorData::new(folded.weight, convolution.weight_shape());
    let bias = TensorData::new(folded.bias, [convolution.to]);
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
