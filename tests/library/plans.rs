//! A backbone's plan computes the same features as its `forward`.

use std::collections::BTreeSet;

use burn::tensor::Tensor;
use kindling::backbone::{Architecture, Backbone, Tensors};
use kindling::plan::Weights;
use kindling::plan::{Operation, Planned};
use kindling::weights::{self, Checkpoint};

use crate::reference::{Numbers, committed, cpu, fixture, read_numbers, relative_error};

/// Folding rounds each kernel once more, by 2^-24 of its value, and a layer's sums are rounded in a
/// different order. Through at most 49 layers, which each keep the scale, this is about 100
/// roundings, or 6e-6 of the largest value.
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
    // With odd sides, `SAME` pads both sides equally.
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
    let plan = backbone.plan().unwrap();
    let weights = Weights::read(backbone.tensors()).unwrap();
    let [_, _, height, width] = photos.dims();
    let mut shapes = plan.shapes([height, width]).unwrap().into_iter();
    plan.interpreted(&weights, photos, |step, output| {
        assert_eq!(
            Some(&output.dims()[1..]),
            shapes.next().as_ref().map(|shape| &shape[..]),
            "{step}"
        );
    })
    .flatten(1, 3)
}

#[test]
fn a_plan_uses_every_tensor_of_its_network_and_no_name_twice() {
    for name in Architecture::names() {
        let backbone = name.parse::<Architecture>().unwrap().init(&cpu());
        let plan = backbone.plan().unwrap();
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
