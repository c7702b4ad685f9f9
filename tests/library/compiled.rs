//! The network compiled for the CPU computes what Burn's operations do.

use burn::tensor::{Tensor, TensorData};
use kindling::Precision;
use kindling::backbone::{Architecture, Backbone, Tensors};
use kindling::device::{self, Instructions};
use kindling::engine::NetworkSpec;
use kindling::engine::cpu::{CpuNetwork, Photos, Tuning};
use kindling::features::Extractor;
use kindling::photos::Preprocessing;
use kindling::plan::{
    Activation, Convolution, Folded, Norm, Operation, Padding, Plan, Planned, Step, Value, Weights,
};
use kindling::weights::{self, Checkpoint};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::reference::{Numbers, committed, cpu, fixture, read_numbers, relative_error, shared};

/// The largest error allowed on any engine, as a fraction of the largest value. Winograd's F(4x4)
/// multiplies a layer's rounding error by a few tens, because its transforms add and subtract
/// values up to 10 times as large as the result. About 100 roundings of 2^-24 then become about
/// 1e-5.
pub const TOLERANCE: f32 = 1e-4;

pub const INSTRUCTIONS: [Instructions; 5] = [
    Instructions::Best,
    Instructions::Avx2,
    Instructions::Portable,
    Instructions::Emulated256,
    Instructions::Emulated512,
];

/// Thresholds at which every step runs on the whole batch at once, at which only the last stages of
/// a narrow network do, and the default.
fn weight_bytes_thresholds() -> [usize; 3] {
    [0, 40_000, Tuning::default().weight_bytes_threshold]
}

/// Calls `work` with 1, 2 and 16 threads.
pub fn with_threads(work: impl Fn() + Send + Sync) {
    for threads in [1, 2, 16] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(&work);
    }
}

#[test]
fn every_compiled_network_agrees_with_its_forward_for_every_number_of_photos() {
    let narrow = backbone("narrow.pth");
    let narrow_photos = read_numbers(&fixture("narrow_reference.safetensors"));
    let lite = weights::backbone(
        &Checkpoint::open(&committed("weights/efficientnet-lite0.safetensors")).unwrap(),
        &"efficientnet-lite0".parse().unwrap(),
        &cpu(),
    )
    .unwrap();
    let lite_photos = read_numbers(&fixture("efficientnet_lite0_reference.safetensors"));
    for (backbone, photos) in [(&narrow, &narrow_photos), (&lite, &lite_photos)] {
        let square = &photos["square"];
        for weight_bytes_threshold in weight_bytes_thresholds() {
            for instructions in [Instructions::Best, Instructions::Portable] {
                for count in [1, 2, 19] {
                    agrees(
                        backbone,
                        &repeated(square, count),
                        Tuning { instructions, weight_bytes_threshold, ..Tuning::default() },
                    );
                }
            }
        }
    }
    // With odd sides, the padding differs between the borders.
    for weight_bytes_threshold in weight_bytes_thresholds() {
        let tuning = Tuning { weight_bytes_threshold, ..Tuning::default() };
        agrees(&narrow, &repeated(&narrow_photos["odd"], 5), tuning);
    }
}

#[test]
fn the_real_network_compiled_agrees_with_torchvision() {
    let (Some(weights), Some(reference)) = (
        shared("weights/resnet18-compressed.pth"),
        shared("reference/resnet18_forward.safetensors"),
    ) else {
        return;
    };
    let reference = read_numbers(&reference);
    let checkpoint = Checkpoint::open(&weights).unwrap();
    let architecture: Architecture = "resnet18".parse().unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, &cpu()).unwrap();
    let head = weights::head(&checkpoint, &architecture, &cpu()).unwrap();
    // All threads share a small batch's layers; a large batch is distributed photo by photo.
    for (count, tuning) in
        [(2, Tuning::default()), (20, Tuning::default()), (1, Tuning::for_one_photo())]
    {
        let network = compiled(&backbone, [224, 224], tuning);
        let photos = repeated(&reference["input"], count);
        let features = network.features(Photos::Planes(&photos.values));
        let expected = repeated(&reference["logits"], count);
        let rows = Tensor::from_data(TensorData::new(features, [count, 512]), &cpu());
        let error = relative_error(head.forward(rows), &expected);
        println!("{count} photos: logits off by {error:.1e} of the largest");
        assert!(error < TOLERANCE, "{error}");
        let map = Numbers {
            shape: vec![count, 512, 7, 7],
            values: network.feature_map(Photos::Planes(&photos.values)),
        };
        let error = relative_error(map.on::<4>(&cpu()), &repeated(&reference["layer4"], count));
        assert!(error < TOLERANCE, "{error}");
    }
}

#[test]
fn convolutions_of_random_shapes_agree_with_a_direct_sum_in_f64() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for case in 0..240 {
        let kernel = [1, 3, 5, 7][random.random_range(0..4)];
        let stride = random.random_range(1..=2);
        let depthwise = kernel > 1 && case % 5 == 0;
        let in_channels: usize = random.random_range(1..40);
        let convolution = Convolution {
            in_channels,
            out_channels: if depthwise { in_channels } else { random.random_range(1..70) },
            kernel,
            stride,
            padding: if case % 3 == 0 { Padding::Same } else { Padding::Each(kernel / 2) },
            groups: if depthwise { in_channels } else { 1 },
            activation: [Activation::None, Activation::Relu, Activation::Relu6][case % 3],
            ..pointwise_convolution(in_channels)
        };
        let side = random.random_range(1..24);
        let photos = [1, 3, 9][case % 3];
        let tuning = Tuning {
            instructions: INSTRUCTIONS[case % 4],
            weight_bytes_threshold: weight_bytes_thresholds()[case / 4 % 3],
            photos: [1, 16][case / 12 % 2],
        };
        agrees_with_direct_convolution(&convolution, side, photos, tuning, &mut random);
    }
}

#[test]
fn convolutions_of_more_tiles_than_a_group_holds_agree_with_a_direct_sum_in_f64() {
    // 4 photos of 36 x 36 pixels have 324 tiles; a group of 5 MiB holds 71 of them, of 512 stored
    // channels.
    let convolution = Convolution {
        out_channels: 33,
        kernel: 3,
        padding: Padding::Each(1),
        ..pointwise_convolution(506)
    };
    // With 16 threads the 3 panels of a position are divided too.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(16).build().unwrap();
    for instructions in INSTRUCTIONS {
        let tuning = Tuning { instructions, weight_bytes_threshold: 0, photos: 4 };
        let mut random = ChaCha8Rng::seed_from_u64(7);
        pool.install(|| agrees_with_direct_convolution(&convolution, 36, 4, tuning, &mut random));
    }
}

#[test]
fn bytes_and_their_normalised_values_give_the_same_features() {
    let backbone = backbone("narrow.pth");
    let network = compiled(&backbone, [64, 64], Tuning::default());
    let preprocessing = Preprocessing { resize: 64, crop: 64, ..Preprocessing::IMAGENET };
    let bytes: Vec<u8> = (0..3 * 64 * 64 * 3u32).map(|at| (at * 37 % 251) as u8).collect();
    let planes: Vec<f32> =
        bytes.chunks(3 * 64 * 64).flat_map(|photo| preprocessing.normalise(photo)).collect();
    let of_bytes = network.features(Photos::Bytes(&bytes, &preprocessing.normalised()));
    assert_eq!(of_bytes, network.features(Photos::Planes(&planes)));
}

#[test]
fn features_do_not_depend_on_the_rest_of_the_batch_or_on_earlier_calls() {
    let backbone = backbone("narrow.pth");
    let photos = noise(40, 64, 1);
    let values = 3 * 64 * 64;
    for weight_bytes_threshold in weight_bytes_thresholds() {
        let tuning = Tuning { weight_bytes_threshold, ..Tuning::default() };
        let network = compiled(&backbone, [64, 64], tuning);
        let all = network.features(Photos::Planes(&photos));
        let width = all.len() / 40;
        with_threads(|| {
            for count in [1, 5, 33, 2, 40, 0] {
                let some = network.features(Photos::Planes(&photos[..count * values]));
                // The order of summation does not depend on which thread computes a tile.
                assert!(some == all[..count * width], "{count} photos, {tuning:?}");
            }
        });
    }
}

#[test]
fn a_network_may_be_called_from_many_threads_of_one_pool() {
    use rayon::prelude::*;
    let backbone = backbone("narrow.pth");
    let network =
        compiled(&backbone, [64, 64], Tuning { weight_bytes_threshold: 0, ..Tuning::default() });
    let photos = noise(12, 64, 3);
    let expected = network.features(Photos::Planes(&photos));
    let apart: Vec<f32> = photos
        .par_chunks(3 * 64 * 64)
        .flat_map_iter(|photo| network.features(Photos::Planes(photo)))
        .collect();
    assert!(apart == expected);
}

#[test]
fn nan_weights_give_nan_or_infinite_features() {
    let backbone = backbone("narrow.pth");
    let weights = Weights::read(backbone.tensors()).unwrap();
    for instructions in INSTRUCTIONS {
        let tuning = Tuning { instructions, ..Tuning::default() };
        let network = CpuNetwork::compile(&backbone.plan().unwrap(), [64, 64], tuning, |asked| {
            let mut folded = asked.folded(&weights);
            if asked.weight == "layer2.0.conv1.weight" {
                folded.weight = vec![f32::NAN; folded.weight.len()];
            }
            folded
        })
        .unwrap();
        let features = network.features(Photos::Planes(&noise(1, 64, 2)));
        assert!(features.iter().any(|value| !value.is_finite()), "{instructions:?}");
    }
}

#[test]
fn an_extractor_gives_the_same_features_compiled_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..21u8)
        .map(|index| {
            let path = folder.path().join(format!("{index}.png"));
            image::RgbImage::from_fn(90, 70, |x, y| {
                image::Rgb([index * 9, (x * 3 % 251) as u8, (x * y % 241) as u8])
            })
            .save(&path)
            .unwrap();
            path
        })
        .collect();
    let backbone = backbone("narrow.pth");
    let preprocessing = Preprocessing { resize: 70, crop: 64, ..Preprocessing::IMAGENET };
    let device = cpu();
    let plain = Extractor::new(&backbone, preprocessing, &device, 8).all(&paths, |_| ()).unwrap();
    let compiled = Extractor::new(&backbone, preprocessing, &device, 8)
        .on(&device::resolve("cpu".parse().unwrap()).unwrap(), Precision::F32)
        .unwrap();
    let rows = compiled.all(&paths, |_| ()).unwrap().rows;
    let width = backbone.architecture().features();
    let expected = Numbers { shape: vec![21, width], values: plain.rows };
    let actual = Numbers { shape: vec![21, width], values: rows };
    let error = relative_error(actual.on::<2>(&device), &expected);
    assert!(error < TOLERANCE, "{error}");
}

fn backbone(file: &str) -> Backbone {
    let checkpoint = Checkpoint::open(&fixture(file)).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    weights::backbone(&checkpoint, &architecture, &cpu()).unwrap()
}

fn compiled(backbone: &Backbone, photo: [usize; 2], tuning: Tuning) -> CpuNetwork {
    CpuNetwork::of(&NetworkSpec::of(backbone).unwrap(), photo, tuning).unwrap()
}

fn agrees(backbone: &Backbone, photos: &Numbers, tuning: Tuning) {
    let [count, _, height, width] = photos.shape[..] else { panic!("photos have four dimensions") };
    let features = backbone.architecture().features();
    let network = compiled(backbone, [height, width], tuning);
    let actual = Numbers {
        shape: vec![count, features],
        values: network.features(Photos::Planes(&photos.values)),
    };
    let expected = backbone.forward(photos.on(&cpu()));
    let expected = Numbers {
        shape: vec![count, features],
        values: expected.into_data().iter::<f32>().collect(),
    };
    let error = relative_error(actual.on::<2>(&cpu()), &expected);
    println!(
        "{} {tuning:?}, {count} photos: off by {error:.1e} of the largest feature",
        backbone.architecture()
    );
    assert!(error < TOLERANCE, "{} {tuning:?} {count}: {error}", backbone.architecture());
}

/// `count` photos or rows, repeating `numbers` cyclically.
fn repeated(numbers: &Numbers, count: usize) -> Numbers {
    let one = numbers.values.len() / numbers.shape[0];
    let mut shape = numbers.shape.clone();
    shape[0] = count;
    Numbers { shape, values: numbers.values.iter().copied().cycle().take(count * one).collect() }
}

fn noise(photos: usize, side: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..photos * 3 * side * side).map(|_| random.random_range(-2.0..2.0)).collect()
}

/// A 1x1 convolution from a photo's 3 channels to `out_channels`.
pub fn pointwise_convolution(out_channels: usize) -> Convolution {
    let norm = Norm {
        scale: String::new(),
        shift: String::new(),
        mean: String::new(),
        variance: String::new(),
        epsilon: 0.0,
    };
    Convolution {
        weight: "first".into(),
        norm,
        in_channels: 3,
        out_channels,
        kernel: 1,
        stride: 1,
        padding: Padding::Each(0),
        groups: 1,
        activation: Activation::None,
    }
}

/// Compares a convolution with loops in f64. A 1x1 convolution before it makes its input channels;
/// a 1x1 convolution after it is added to its output.
fn agrees_with_direct_convolution(
    convolution: &Convolution,
    side: usize,
    photos: usize,
    tuning: Tuning,
    random: &mut ChaCha8Rng,
) {
    let convolution = Convolution { weight: "second".into(), ..convolution.clone() };
    let first = pointwise_convolution(convolution.in_channels);
    let mut draw =
        |count: usize| -> Vec<f32> { (0..count).map(|_| random.random_range(-1.0..1.0)).collect() };
    let mut folded = |convolution: &Convolution| Folded {
        weight: draw(convolution.weight_shape().iter().product()),
        bias: draw(convolution.out_channels),
    };
    let weights = [folded(&first), folded(&convolution)];
    let third =
        Convolution { weight: "third".into(), ..pointwise_convolution(convolution.out_channels) };
    let third = Convolution { in_channels: convolution.out_channels, ..third };
    let third_weights = folded(&third);
    let step = |name: &str, input, convolution: &Convolution| Step {
        name: name.into(),
        operation: Operation::Convolution { input, convolution: convolution.clone() },
    };
    let plan = Plan {
        steps: vec![
            step("first", Value::Input, &first),
            step("second", Value::Output(0), &convolution),
            step("third", Value::Output(1), &third),
            Step {
                name: "sum".into(),
                operation: Operation::Add {
                    inputs: [Value::Output(2), Value::Output(1)],
                    activation: Activation::Relu,
                },
            },
            Step {
                name: "mean".into(),
                operation: Operation::GlobalAveragePool { input: Value::Output(3) },
            },
        ],
        ..Plan::default()
    };
    let network =
        CpuNetwork::compile(&plan, [side, side], tuning, |asked| match asked.weight.as_str() {
            "first" => weights[0].clone(),
            "second" => weights[1].clone(),
            _ => third_weights.clone(),
        })
        .unwrap();
    let values = draw(photos * 3 * side * side);
    let actual = network.feature_map(Photos::Planes(&values));

    let mut expected: Vec<f64> = Vec::new();
    let mut largest: f64 = 0.0;
    for photo in values.chunks(3 * side * side) {
        let photo: Vec<f64> = photo.iter().map(|value| f64::from(*value)).collect();
        let (made, _) = direct_convolution(&first, &weights[0], &photo, side);
        let (result, out) = direct_convolution(&convolution, &weights[1], &made, side);
        let (last, _) = direct_convolution(&third, &third_weights, &result, out);
        let sum: Vec<f64> = last.iter().zip(&result).map(|(a, b)| (a + b).max(0.0)).collect();
        largest =
            largest.max(last.iter().chain(&result).fold(0.0, |max, value| max.max(value.abs())));
        expected.extend(sum);
    }
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(&expected) {
        // The sum may cancel, so the error is relative to the largest of its terms.
        let error = (f64::from(*actual) - expected).abs() / largest;
        assert!(
            error < f64::from(TOLERANCE),
            "{convolution:?} side {side} photos {photos} {tuning:?}: {error}"
        );
    }
}

/// A direct convolution of one photo. Returns the output and its side.
pub fn direct_convolution(
    convolution: &Convolution,
    weights: &Folded,
    photo: &[f64],
    side: usize,
) -> (Vec<f64>, usize) {
    let Convolution {
        in_channels, out_channels, kernel, stride, padding, groups, activation, ..
    } = convolution;
    let [before, after] = padding.around(side, *kernel, *stride);
    let out = (before + side + after - kernel) / stride + 1;
    let mut result = Vec::with_capacity(out_channels * out * out);
    let per_group = in_channels / groups;
    for channel in 0..*out_channels {
        for y in 0..out {
            for x in 0..out {
                let mut sum = f64::from(weights.bias[channel]);
                for inner in 0..per_group {
                    let source = channel / (out_channels / groups) * per_group + inner;
                    for ky in 0..*kernel {
                        for kx in 0..*kernel {
                            let (iy, ix) = (y * stride + ky, x * stride + kx);
                            let inside = |at: usize| (before..before + side).contains(&at);
                            if inside(iy) && inside(ix) {
                                let at = (source * side + iy - before) * side + ix - before;
                                let weight =
                                    ((channel * per_group + inner) * kernel + ky) * kernel + kx;
                                sum += photo[at] * f64::from(weights.weight[weight]);
                            }
                        }
                    }
                }
                result.push(match activation {
                    Activation::None => sum,
                    Activation::Relu => sum.max(0.0),
                    Activation::Relu6 => sum.clamp(0.0, 6.0),
                });
            }
        }
    }
    (result, out)
}
