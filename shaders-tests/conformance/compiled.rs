//! Compares the networks compiled to Kindling's kernels with PyTorch.

use std::path::Path;

use burn::tensor::Device;
use kindling::backbone::Architecture;
use kindling::engine::{GpuNetwork, NetworkSpec};
use kindling::kernels::{DeviceTensor, GpuClient, Hardware, Precision};
use kindling::weights::{self, Checkpoint};

use crate::reference::{Numbers, committed, fixture, photos, random_weights, read_numbers, shared};
use shaders_tests::adapter::{TestAdapter, adapters, all_shapes, client, hardware};

/// As in the library's tests: f32 sums in a different order, through 17 or 49 layers that keep the
/// scale.
const TOLERANCE: f32 = 1e-5;
/// The error of one rounding to f16, times the square root of 49 layers because errors partly
/// cancel, times four for the largest of many values.
const F16_TOLERANCE: f32 = 4.0 * 7.0 / 2048.0;

/// Every adapter that is tested, with the kernels to run there: both sets on the first, and on the
/// others those that the engine chooses.
fn tested() -> impl Iterator<Item = (&'static TestAdapter, Vec<Hardware>)> {
    adapters().iter().enumerate().map(|(at, adapter)| match at == 0 || all_shapes() {
        true => (adapter, vec![Hardware::Gpu, Hardware::Processor]),
        false => (adapter, vec![adapter.hardware()]),
    })
}

/// The precisions that the adapter computes in, with their tolerances.
fn precisions(adapter: &TestAdapter) -> impl Iterator<Item = (Precision, f32)> {
    let f16 = adapter.info.f16.then_some((Precision::F16, F16_TOLERANCE));
    std::iter::once((Precision::F32, TOLERANCE)).chain(f16)
}

#[test]
fn a_compiled_resnet_agrees_with_pytorch() {
    agrees(&fixture("narrow.pth"), "narrow_reference.safetensors");
}

#[test]
fn a_compiled_efficientnet_lite0_agrees_with_pytorch() {
    let weights = committed("weights/efficientnet-lite0.safetensors");
    agrees(&weights, "efficientnet_lite0_reference.safetensors");
}

fn agrees(weights: &Path, reference: &str) {
    let reference = read_numbers(&fixture(reference));
    for (adapter, hardwares) in tested() {
        for (precision, tolerance) in precisions(adapter) {
            for input in ["square", "odd"] {
                let photos = &reference[input];
                let expected = &reference[&format!("{input}.features")];
                for &hardware in &hardwares {
                    let client = adapter.client();
                    let error = error(weights, client, photos, expected, (precision, hardware));
                    let case = format!("{input} {precision} {hardware:?} on {}", adapter.info);
                    println!("{} {case}: off by {error:.1e}", weights.display());
                    assert!(error < tolerance, "{case}: {error}");
                }
            }
        }
    }
}

/// Runs both networks on small photos with the kernels for a GPU, within the client's limits.
///
/// # Panics
/// If they disagree with PyTorch.
pub fn agrees_on(client: &GpuClient, f16: bool, case: &str) {
    let networks = [
        (fixture("narrow.pth"), "narrow_reference.safetensors"),
        (
            committed("weights/efficientnet-lite0.safetensors"),
            "efficientnet_lite0_reference.safetensors",
        ),
    ];
    for (weights, reference) in networks {
        let reference = read_numbers(&fixture(reference));
        let (photos, expected) = (&reference["square"], &reference["square.features"]);
        let f16 = f16.then_some((Precision::F16, F16_TOLERANCE));
        for (precision, tolerance) in std::iter::once((Precision::F32, TOLERANCE)).chain(f16) {
            let how = (precision, Hardware::Gpu);
            let error = error(&weights, client, photos, expected, how);
            println!("{} {precision} within {case}: off by {error:.1e}", weights.display());
            assert!(error < tolerance, "{} {precision} within {case}: {error}", weights.display());
        }
    }
}

/// The largest difference from `expected`, relative to its largest value.
fn error(
    weights: &Path,
    client: &GpuClient,
    photos: &Numbers,
    expected: &Numbers,
    (precision, hardware): (Precision, Hardware),
) -> f32 {
    let checkpoint = Checkpoint::open(weights).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, &Device::flex()).unwrap();
    let [_, channels, height, width] = photos.shape[..] else { panic!("photos") };
    let spec = NetworkSpec::of(&backbone).unwrap();
    let network = GpuNetwork::compile(client, &spec, [height, width], precision, hardware).unwrap();
    let input = DeviceTensor::upload(client, &photos.values, [channels, height, width], precision);
    let features = network.features(input).read(client).unwrap();
    assert_eq!(features.len(), expected.values.len());
    let pairs = features.iter().zip(&expected.values);
    let worst = pairs.map(|(actual, expected)| (actual - expected).abs()).fold(0.0, nan_max);
    worst / expected.largest()
}

/// The larger value; NaN counts as the largest.
fn nan_max(largest: f32, value: f32) -> f32 {
    if value > largest || value.is_nan() { value } else { largest }
}

#[test]
fn the_real_network_compiled_agrees_with_torchvision() {
    let (Some(weights), Some(file)) = (
        shared("weights/resnet18-compressed.pth"),
        shared("reference/resnet18_forward.safetensors"),
    ) else {
        return;
    };
    let reference = read_numbers(&file);
    let (photos, features) = (&reference["input"], &reference["features"]);
    for (adapter, hardwares) in tested() {
        for (precision, tolerance) in precisions(adapter) {
            for &hardware in &hardwares {
                let client = adapter.client();
                let error = error(&weights, client, photos, features, (precision, hardware));
                let case = format!("{precision}, {hardware:?}, {}", adapter.info);
                println!("the real network in {case}: features off by {error:.1e}");
                assert!(error < tolerance, "{case}: {error}");
            }
        }
    }
}

#[test]
fn every_architecture_compiled_agrees_with_burns_operations() {
    let Some(client) = client() else { return };
    const SIDE: usize = 64;
    let photos = photos(2, SIDE);
    for name in Architecture::names() {
        let architecture: Architecture = name.parse().unwrap();
        let mut backbone = architecture.init(&Device::flex());
        random_weights(&mut backbone);
        let features = backbone.forward(photos.on(&Device::flex()));
        let expected = Numbers {
            shape: vec![2, architecture.features()],
            values: features.into_data().iter::<f32>().collect(),
        };
        let Ok(spec) = NetworkSpec::of(&backbone) else { continue };
        let precision = Precision::F32;
        let network = match GpuNetwork::compile(&client, &spec, [SIDE; 2], precision, hardware()) {
            Ok(network) => network,
            Err(unsupported) => {
                println!("{name} runs on Burn's engine: {unsupported}");
                continue;
            }
        };
        let input = DeviceTensor::upload(&client, &photos.values, [3, SIDE, SIDE], precision);
        let actual = network.features(input).read(&client).unwrap();
        let pairs = actual.iter().zip(&expected.values);
        let worst = pairs.map(|(actual, expected)| (actual - expected).abs()).fold(0.0, nan_max);
        let error = worst / expected.largest();
        println!("{name} with random weights: off by {error:.1e}");
        // What is promised of every engine.
        assert!(error < 1e-4, "{name}: {error}");
    }
}
