//! Checks that every published architecture must pass.

use burn::tensor::{Tensor, TensorData};
use kindling::Precision;
use kindling::backbone::{Architecture, Backbone, PublishedWeights, Tensors};
use kindling::device;
use kindling::engine::cpu::{Photos, Tuning};
use kindling::engine::{CpuNetwork, EngineError, NetworkSpec};
use kindling::features::Extractor;
use kindling::plan::Planned;

use crate::reference::{Numbers, cpu, photos, random_weights, relative_error};

/// The largest error allowed on any engine, as a fraction of the largest value.
const TOLERANCE: f32 = 1e-4;
/// Side of the test photos, in pixels. Five halvings leave 2 pixels.
const SIDE: usize = 64;

fn every_architecture() -> impl Iterator<Item = Architecture> {
    Architecture::names().map(|name| name.parse().unwrap())
}

fn with_random_weights(architecture: &Architecture) -> Backbone {
    let mut backbone = architecture.init(&cpu());
    random_weights(&mut backbone);
    backbone
}

/// The network's plan and weights. If the CPU engine does not support the network, checks that the
/// extractor uses Burn's engine and returns `None`.
fn spec(architecture: &Architecture, backbone: &Backbone) -> Option<NetworkSpec> {
    let spec = NetworkSpec::of(backbone);
    let compiled = spec.as_ref().map_err(Clone::clone).and_then(|spec| {
        CpuNetwork::of(spec, [SIDE; 2], Tuning::default()).map_err(EngineError::from)
    });
    match compiled {
        Ok(_) => spec.ok(),
        Err(EngineError::Unsupported(unsupported)) => {
            println!("{architecture} runs on Burn's engine: {unsupported}");
            let info = device::resolve("cpu".parse().unwrap()).unwrap();
            let extractor = Extractor::new(backbone, architecture.preprocessing(), &cpu(), 1)
                .on(&info, Precision::F32)
                .map(|extractor| extractor.unsupported().cloned());
            assert_eq!(extractor.unwrap(), Some(unsupported), "{architecture}");
            None
        }
        Err(error) => panic!("{architecture}: {error}"),
    }
}

#[test]
fn every_architecture_gives_its_declared_number_of_features_on_every_engine() {
    for architecture in every_architecture() {
        let (backbone, photos) = (with_random_weights(&architecture), photos(3, SIDE));
        let features = backbone.forward(photos.on(&cpu()));
        assert_eq!(features.dims(), [3, architecture.features()], "{architecture}");
        let expected = Numbers {
            shape: vec![3, architecture.features()],
            values: features.into_data().iter::<f32>().collect(),
        };
        assert!(expected.largest() > 0.0, "{architecture}");
        let Some(spec) = spec(&architecture, &backbone) else { continue };
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
fn every_architectures_metadata_is_consistent() {
    for architecture in every_architecture() {
        let name = architecture.to_string();
        assert!(architecture.preprocessing().check().is_ok(), "{name}");
        if let Some(code) = architecture.pytorch_expression(7) {
            assert!(code.contains("num_classes=7"), "{name}: {code}");
        }
        let stages = architecture.init(&cpu()).network().stages();
        if let Ok(plan) = architecture.init(&cpu()).plan() {
            let planned: Vec<String> = plan.stages.into_iter().map(|stage| stage.name).collect();
            assert_eq!(planned, stages, "{name}");
        }
    }
    for weights in PublishedWeights::all() {
        let architecture: Architecture = weights.name.parse().unwrap();
        assert!(architecture.pytorch_expression(7).is_some(), "{architecture}");
    }
    let narrow: Architecture = "resnet18-w16".parse().unwrap();
    assert_eq!(narrow.pytorch_expression(7), None, "torchvision has no narrow ResNet");
}

#[test]
fn a_network_that_is_recognised_or_named_can_be_built() {
    for name in ["resnet18-w1", "resnet34-w256", "resnet18-w100", "tf_efficientnet_lite0"] {
        let architecture: Architecture = name.parse().unwrap();
        let backbone = architecture.init(&cpu());
        assert_eq!(backbone.architecture().to_string(), architecture.to_string());
    }
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
