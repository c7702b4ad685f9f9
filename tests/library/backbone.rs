//! The network gives PyTorch's numbers.

use kindling::backbone::Architecture;
use kindling::weights::{self, Checkpoint};

use crate::reference::{cpu_devices, fixture, read_numbers, relative_error};

/// f32 sums of up to 9 * 512 terms in another order, through 17 layers that each keep the scale:
/// the error stays some hundred times the rounding of 2^-24, 6e-6. PyTorch's own backends differ by
/// as much.
const TOLERANCE: f32 = 1e-5;

#[test]
fn every_stage_of_the_network_agrees_with_pytorch() {
    let reference = read_numbers(&fixture("narrow_reference.safetensors"));
    for (name, device) in cpu_devices() {
        let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
        let architecture = weights::architecture(&checkpoint).unwrap();
        assert_eq!(architecture.to_string(), "resnet18-w4");
        let backbone = weights::backbone(&checkpoint, architecture, &device).unwrap();
        let head = weights::head(&checkpoint, architecture.features(), &device).unwrap();
        for input in ["square", "odd"] {
            let expected = |stage: &str| &reference[&format!("{input}.{stage}")];
            let features =
                backbone.forward_observed(reference[input].on(&device), |stage, activation| {
                    let error = relative_error(activation.clone(), expected(stage));
                    assert!(error < TOLERANCE, "{name} {input} {stage}: {error}");
                });
            let error = relative_error(features.clone(), expected("features"));
            assert!(error < TOLERANCE, "{name} {input} features: {error}");
            let error = relative_error(head.forward(features), expected("logits"));
            assert!(error < TOLERANCE, "{name} {input} logits: {error}");
        }
    }
}

#[test]
fn the_published_networks_have_the_published_number_of_parameters() {
    use burn::module::Module;
    // torchvision's counts, less the fc layer's 512 * 1000 + 1000.
    for (name, parameters) in
        [("resnet18", 11_689_512 - 513_000), ("resnet34", 21_797_672 - 513_000)]
    {
        let backbone = name.parse::<Architecture>().unwrap().init(&crate::reference::cpu());
        // `num_params` counts BatchNorm's running statistics too; PyTorch's count does not.
        let running: usize = {
            let config = name.parse::<Architecture>().unwrap().config();
            let per_stage: usize = (0..4)
                .map(|stage| {
                    let width = config.width << stage;
                    2 * width * (2 * config.blocks[stage] + usize::from(stage > 0))
                })
                .sum();
            per_stage + 2 * config.width
        };
        assert_eq!(backbone.num_params(), parameters + running, "{name}");
    }
}
