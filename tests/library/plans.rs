//! A backbone's plan computes what its `forward` does.

use std::collections::BTreeSet;

use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use kindling::backbone::folding::Weights;
use kindling::backbone::plan::{Activation, Operation, Value};
use kindling::backbone::{Architecture, Backbone, Planned, Tensors};
use kindling::weights::{self, Checkpoint};

use crate::reference::{Numbers, committed, cpu, fixture, read_numbers, relative_error};

/// Folding rounds each kernel once more, by 2^-24 of itself, and the sums of a layer are rounded in another
/// order; through at most 49 layers that each keep the scale this is some hundred roundings, 6e-6 of the
/// largest value.
const TOLERANCE: f32 = 1e-5;

#[test]
fn a_resnets_plan_computes_what_its_forward_does() {
    let reference = read_numbers(&fixture("narrow_reference.safetensors"));
    computes_the_same(&backbone("narrow.pth"), &reference["square"]);
    computes_the_same(&backbone("narrow.pth"), &reference["odd"]);
}

#[test]
fn efficientnet_lite0s_plan_computes_what_its_forward_does() {
    let reference = read_numbers(&fixture("efficientnet_lite0_reference.safetensors"));
    let checkpoint =
        Checkpoint::open(&committed("weights/efficientnet-lite0.safetensors")).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, &cpu()).unwrap();
    // Photos of odd sides too: there `SAME` pads both sides alike.
    computes_the_same(&backbone, &reference["square"]);
    computes_the_same(&backbone, &reference["odd"]);
}

fn backbone(file: &str) -> Backbone {
    let checkpoint = Checkpoint::open(&fixture(file)).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    weights::backbone(&checkpoint, &architecture, &cpu()).unwrap()
}

fn computes_the_same(backbone: &Backbone, photos: &Numbers) {
    let expected = backbone.forward(photos.on(&cpu()));
    let [batch, features] = expected.dims();
    let expected =
        Numbers { shape: vec![batch, features], values: expected.into_data().iter().collect() };
    let error = relative_error(computed(backbone, photos.on(&cpu())), &expected);
    println!("{}: off by {error:.1e} of the largest feature", backbone.architecture());
    assert!(error < TOLERANCE, "{error}");
}

/// The features, computed from the plan alone with Burn's operations.
fn computed(backbone: &Backbone, photos: Tensor<4>) -> Tensor<2> {
    let (plan, weights) = (backbone.plan(), Weights::of(backbone).unwrap());
    let [_, _, height, width] = photos.dims();
    let shapes = plan.shapes([height, width]);
    let mut outputs: Vec<Tensor<4>> = Vec::new();
    for (step, shape) in plan.steps.iter().zip(shapes) {
        let read = |value: &Value| match value {
            Value::Photos => photos.clone(),
            Value::Output(index) => outputs[*index].clone(),
        };
        let output = match &step.operation {
            Operation::Convolution { input, convolution } => {
                let input = read(input);
                let [_, channels, height, width] = input.dims();
                assert_eq!(channels, convolution.from);
                let around = [height, width].map(|side| {
                    convolution.padding.around(side, convolution.kernel, convolution.stride).into()
                });
                let options = ConvOptions::new_with_padding(
                    [convolution.stride; 2],
                    around,
                    [1, 1],
                    convolution.groups,
                );
                let folded = convolution.folded(&weights);
                let numbers = |shape: &[usize], values| Numbers { shape: shape.to_vec(), values };
                let kernels = numbers(&convolution.weight_shape(), folded.weight).on(&cpu());
                let bias = numbers(&[convolution.to], folded.bias).on(&cpu());
                activated(conv2d(input, kernels, Some(bias), options), convolution.activation)
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
        assert_eq!(output.dims()[1..], shape, "{}", step.name);
        outputs.push(output);
    }
    outputs.pop().unwrap().flatten(1, 3)
}

fn activated(x: Tensor<4>, activation: Activation) -> Tensor<4> {
    match activation {
        Activation::None => x,
        Activation::Relu => relu(x),
        Activation::Relu6 => x.clamp(0.0, 6.0),
    }
}

#[test]
fn a_plan_uses_every_tensor_of_its_network_and_no_name_twice() {
    for name in Architecture::published() {
        let backbone = name.parse::<Architecture>().unwrap().init(&cpu());
        let plan = backbone.plan();
        let names: BTreeSet<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names.len(), plan.steps.len(), "{name}");
        let mut used = BTreeSet::new();
        for step in &plan.steps {
            if let Operation::Convolution { convolution, .. } = &step.operation {
                let norm = &convolution.norm;
                let tensors =
                    [&convolution.weight, &norm.scale, &norm.shift, &norm.mean, &norm.variance];
                for tensor in tensors {
                    assert!(used.insert(tensor.clone()), "{name}: {tensor} is used twice");
                }
            }
        }
        let all: BTreeSet<String> =
            backbone.tensors().into_iter().map(|tensor| tensor.name).collect();
        assert_eq!(used, all, "{name}");
    }
}
