//! Checks that every published architecture must pass.

use burn::tensor::{Tensor, TensorData};
use kindling::backbone::{Architecture, Backbone, PublishedWeights, Tensors};
use kindling::engine::cpu::{Photos, Tuning};
use kindling::engine::{CpuNetwork, NetworkSpec};
use kindling::plan::Planned;

use crate::reference::{Numbers, cpu, random_weights, relative_error};

/// The largest error allowed on any engine, as a fraction of the largest value.
const TOLERANCE: f32 = 1e-4;
/// Side of the test photos, in pixels. Five halvings leave 2 pixels.
const SIDE: usize = 64;

fn every_architecture() -> impl Iterator<Item = Architecture> {
    Architecture::published().map(|name| name.parse().unwrap())
}

fn with_random_weights(architecture: &Architecture) -> Backbone {
    let mut backbone = architecture.init(&cpu());
    random_weights(&mut backbone);
    backbone
}

fn photos(count: usize) -> Numbers {
    let values = (0..count * 3 * SIDE * SIDE).map(|at| ((at * 7919 % 1009) as f32 / 252.0) - 2.0);
    Numbers { shape: vec![count, 3, SIDE, SIDE], values: values.collect() }
}

#[test]
fn every_architecture_gives_its_declared_number_of_features_on_every_engine() {
    for architecture in every_architecture() {
        let (backbone, photos) = (with_random_weights(&architecture), photos(3));
        let features = backbone.forward(photos.on(&cpu()));
        assert_eq!(features.dims(), [3, architecture.features()], "{architecture}");
        let expected = Numbers {
            shape: vec![3, architecture.features()],
            values: features.into_data().iter::<f32>().collect(),
        };
        assert!(expected.largest() > 0.0, "{architecture}");
        // The plan, interpreted and compiled for the CPU.
        let spec = NetworkSpec::of(&backbone).unwrap();
        let interpreted = spec.plan.interpreted(&spec.weights, photos.on(&cpu()), |_, _| ());
        let error = relative_error::<2>(interpreted.flatten(1, 3), &expected);
        assert!(error < TOLERANCE, "{architecture} interpreted: {error}");
        for tuning in [Tuning::default(), Tuning::for_one_photo()] {
            let network = CpuNetwork::of(&spec, [SIDE; 2], tuning).unwrap();
            let rows = network.features(Photos::Planes(&photos.values));
            let rows = TensorData::new(rows, [3, architecture.features()]);
            let error = relative_error(Tensor::<2>::from_data(rows, &cpu()), &expected);
            println!("{architecture} on the CPU engine: off by {error:.1e}");
            assert!(error < TOLERANCE, "{architecture} compiled: {error}");
        }
    }
}

#[test]
fn every_architecture_is_recognised_by_its_published_tensors() {
    for architecture in every_architecture() {
        let backbone = architecture.init(&cpu());
        let naming = architecture.naming();
        let shape = |name: &str| {
            let tensor = backbone
                .tensors()
                .into_iter()
                .find(|tensor| naming.published(&tensor.name) == name)?;
            Some(tensor.shape.to_vec())
        };
        let recognised = Architecture::recognised(shape).unwrap().unwrap();
        assert_eq!(recognised.to_string(), architecture.to_string());
    }
}

#[test]
fn every_architecture_has_weights_preprocessing_and_code_for_pytorch() {
    for architecture in every_architecture() {
        let name = architecture.to_string();
        assert!(PublishedWeights::of(&name).is_some(), "{name}");
        assert!(architecture.preprocessing().check().is_ok(), "{name}");
        let code = architecture.pytorch_code(7).unwrap();
        assert!(code.contains("model = ") && code.contains("num_classes=7"), "{name}: {code}");
        assert!(architecture.init(&cpu()).plan().unwrap().depth() > 1, "{name}");
    }
    let narrow: Architecture = "resnet18-w16".parse().unwrap();
    assert_eq!(narrow.pytorch_code(7), None, "torchvision has no narrow ResNet");
}

#[test]
fn the_depths_are_those_of_the_papers() {
    // Table 1 of each paper, without the fully connected layer. EfficientNet-Lite0 has a stem, a
    // head, two convolutions in its first block and three in each of the other 15.
    for (name, depth) in [("resnet18", 17), ("resnet34", 33), ("efficientnet-lite0", 49)] {
        let backbone = name.parse::<Architecture>().unwrap().init(&cpu());
        assert_eq!(backbone.plan().unwrap().depth(), depth, "{name}");
    }
}
