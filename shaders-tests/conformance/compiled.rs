//! The networks compiled to our own kernels give PyTorch's numbers.

use std::path::Path;

use burn::tensor::Device;
use cubecl::client::Client;
use kindling::backbone::GpuNetwork;
use kindling::kernels::{Map, Precision};
use kindling::weights::{self, Checkpoint};

use crate::reference::{Numbers, committed, fixture, read_numbers, shared};
use shaders_tests::adapter::client;

/// As in the library's tests: f32 sums in another order, through 17 or 49 layers that keep the scale.
const TOLERANCE: f32 = 1e-5;
/// What one rounding to f16 is off by, and the square root of as many layers, for errors that do not all point the same
/// way; four times that, for the largest of many values.
const F16_TOLERANCE: f32 = 4.0 * 7.0 / 2048.0;

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
    let Some(client) = client() else { return };
    let reference = read_numbers(&fixture(reference));
    for precision in [Precision::F32, Precision::F16] {
        let tolerance = if precision == Precision::F32 { TOLERANCE } else { F16_TOLERANCE };
        for input in ["square", "odd"] {
            let (photos, expected) = (&reference[input], &reference[&format!("{input}.features")]);
            let error = error(weights, &client, photos, expected, precision);
            println!("{} {input} {precision}: off by {error:.1e}", weights.display());
            assert!(error < tolerance, "{error}");
        }
    }
}

/// The largest difference from `expected`, as a share of its largest value.
fn error(
    weights: &Path,
    client: &Client,
    photos: &Numbers,
    expected: &Numbers,
    precision: Precision,
) -> f32 {
    let checkpoint = Checkpoint::open(weights).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, &Device::flex()).unwrap();
    let [_, channels, height, width] = photos.shape[..] else { panic!("photos") };
    let network: GpuNetwork =
        backbone.compiled_for_gpu(client, [height, width], precision).unwrap().unwrap();
    let input = Map::upload(client, &photos.values, [channels, height, width], precision);
    let features = network.features(input).read(client).unwrap();
    assert_eq!(features.len(), expected.values.len());
    let pairs = features.iter().zip(&expected.values);
    let worst = pairs.map(|(actual, expected)| (actual - expected).abs()).fold(0.0, nan_max);
    worst / expected.largest()
}

/// The larger one; what is no number is larger than all.
fn nan_max(largest: f32, value: f32) -> f32 {
    if value > largest || value.is_nan() { value } else { largest }
}

#[test]
fn the_real_network_compiled_agrees_with_torchvision() {
    let Some(client) = client() else { return };
    let (Some(weights), Some(file)) = (
        shared("weights/resnet18-compressed.pth"),
        shared("reference/resnet18_forward.safetensors"),
    ) else {
        return;
    };
    let reference = read_numbers(&file);
    for (precision, tolerance) in [(Precision::F32, TOLERANCE), (Precision::F16, F16_TOLERANCE)] {
        let (photos, features) = (&reference["input"], &reference["features"]);
        let error = error(&weights, &client, photos, features, precision);
        println!("the real network in {precision}: features off by {error:.1e}");
        assert!(error < tolerance, "{error}");
    }
}
