//! Compares whole networks on the adapter with PyTorch.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use kindling::weights::{self, Checkpoint};

use crate::reference::{Numbers, committed, fixture, read_numbers, relative_error, shared};
use shaders_tests::adapter::adapter;

/// As in the library's tests: f32 sums in a different order, through 17 or 49 layers that keep the
/// scale.
const TOLERANCE: f32 = 1e-5;

#[test]
fn every_stage_of_a_resnet_agrees_with_pytorch() {
    every_stage_agrees(&fixture("narrow.pth"), "narrow_reference.safetensors");
}

#[test]
fn every_stage_of_efficientnet_lite0_agrees_with_pytorch() {
    let weights = committed("weights/efficientnet-lite0.safetensors");
    every_stage_agrees(&weights, "efficientnet_lite0_reference.safetensors");
}

fn every_stage_agrees(weights: &Path, reference: &str) {
    let Some(device) = adapter() else { return };
    let reference = read_numbers(&fixture(reference));
    for input in ["square", "odd"] {
        agrees(weights, &device, &reference[input], TOLERANCE, |stage, values| {
            // The features check `conv_head`: they are its means.
            let expected = reference.get(&format!("{input}.{stage}"));
            assert!(expected.is_some() || stage == "conv_head", "{stage} has no reference");
            let expected = expected?;
            Some(match stage {
                "logits" => relative_error(values.flatten::<2>(1, 3), expected),
                _ => relative_error(values, expected),
            })
        });
    }
}

#[test]
fn the_real_network_agrees_with_torchvision() {
    let Some(device) = adapter() else { return };
    let (Some(weights), Some(file)) = (
        shared("weights/resnet18-compressed.pth"),
        shared("reference/resnet18_forward.safetensors"),
    ) else {
        return;
    };
    let reference = read_numbers(&file);
    // The accuracy promised to users: 1e-4 of the largest logit.
    agrees(&weights, &device, &reference["input"], 1e-4, |stage, values| {
        let expected = reference.get(&format!("{stage}.mean"))?;
        Some(relative_error(values.mean_dim(3).mean_dim(2).flatten::<2>(1, 3), expected))
    });
    let logits = reference["logits"].clone();
    agrees(&weights, &device, &reference["input"], 1e-4, |stage, values| {
        (stage == "logits").then(|| relative_error(values.flatten::<2>(1, 3), &logits))
    });
}

/// Runs the network in `weights` on `input` and checks that the error of each stage, of the
/// features and of the logits is below `tolerance`. `error` computes it, or returns `None` to skip
/// a stage. Features and logits are passed as `[batch, values, 1, 1]`.
fn agrees(
    weights: &Path,
    device: &Device,
    input: &Numbers,
    tolerance: f32,
    error: impl Fn(&str, Tensor<4>) -> Option<f32>,
) {
    let checkpoint = Checkpoint::open(weights).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, device).unwrap();
    let head = weights::head(&checkpoint, &architecture, device).unwrap();
    let mut checked = 0;
    let mut check = |stage: &str, values: Tensor<4>| {
        if let Some(error) = error(stage, values) {
            println!("{architecture} {stage}: off by {error:.1e} of the largest value");
            assert!(error < tolerance, "{architecture} {stage}: {error}");
            checked += 1;
        }
    };
    let features = backbone
        .forward_observed(input.on(device), |stage, activation| check(stage, activation.clone()));
    check("logits", head.forward(features).unsqueeze_dims(&[2, 3]));
    assert!(checked > 0);
}
