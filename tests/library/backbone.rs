//! The networks agree with PyTorch.

use std::path::Path;

use kindling::backbone::{Architecture, Tensors};
use kindling::weights::{self, Checkpoint};

use crate::reference::{committed, cpu, cpu_devices, fixture, read_numbers, relative_error};

/// Each layer sums up to 9 * 512 terms in f32 in a different order and keeps the scale of its
/// input. After 17 layers (ResNet) or 49 (EfficientNet) the error is about 100 roundings of 2^-24,
/// or 6e-6. PyTorch's own backends differ from each other by as much.
const TOLERANCE: f32 = 1e-5;

#[test]
fn every_stage_of_a_resnet_agrees_with_pytorch() {
    let stages = ["maxpool", "layer1", "layer2", "layer3", "layer4"];
    let found = agrees(&fixture("narrow.pth"), &fixture("narrow_reference.safetensors"), &stages);
    assert_eq!(found, "resnet18-w4");
}

#[test]
fn every_stage_of_efficientnet_lite0_agrees_with_pytorch() {
    let stages = ["stem", "stage1", "stage2", "stage3", "stage4", "stage5", "stage6", "stage7"];
    // The features are the means of its last stage, `conv_head`, so they check that stage.
    let found = agrees(
        &committed("weights/efficientnet-lite0.safetensors"),
        &fixture("efficientnet_lite0_reference.safetensors"),
        &stages,
    );
    assert_eq!(found, "efficientnet-lite0");
}

/// Runs the network in `weights` on the reference inputs and compares the output of each stage.
/// Returns the network's name.
fn agrees(weights: &Path, reference: &Path, stages: &[&str]) -> String {
    let reference = read_numbers(reference);
    let checkpoint = Checkpoint::open(weights).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    for (name, device) in cpu_devices() {
        let backbone = weights::backbone(&checkpoint, &architecture, &device).unwrap();
        let head = weights::head(&checkpoint, &architecture, &device).unwrap();
        for input in ["square", "odd"] {
            let agree = |stage: &str, error: f32| {
                println!("{name} {input} {stage}: off by {error:.1e} of the largest value");
                assert!(error < TOLERANCE, "{name} {input} {stage}: {error}");
            };
            let expected = |stage: &str| &reference[&format!("{input}.{stage}")];
            let mut seen = Vec::new();
            let features =
                backbone.forward_observed(reference[input].on(&device), |stage, activation| {
                    if stage == "conv_head" {
                        return;
                    }
                    agree(stage, relative_error(activation.clone(), expected(stage)));
                    seen.push(stage.to_owned());
                });
            assert_eq!(seen, stages);
            agree("features", relative_error(features.clone(), expected("features")));
            agree("logits", relative_error(head.forward(features), expected("logits")));
        }
    }
    architecture.to_string()
}

#[test]
fn the_published_networks_have_the_published_number_of_parameters() {
    // torchvision's ResNets and Google's EfficientNet-Lite0, without the fc layer.
    for (name, parameters) in [
        ("resnet18", 11_689_512 - 513_000),
        ("resnet34", 21_797_672 - 513_000),
        ("efficientnet-lite0", 4_652_008 - 1_281_000),
    ] {
        let backbone = name.parse::<Architecture>().unwrap().init(&cpu());
        // BatchNorm's running statistics are tensors but not parameters.
        let counted: usize = backbone
            .tensors()
            .iter()
            .filter(|tensor| !tensor.name.contains("running_"))
            .map(|tensor| tensor.shape.iter().product::<usize>())
            .sum();
        assert_eq!(counted, parameters, "{name}");
    }
}
