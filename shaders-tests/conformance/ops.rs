//! Each op of the networks at the shapes that ResNet-18 and EfficientNet-Lite0 use it at, on the adapter and on the CPU.
//!
//! Bounds are derived, not chosen: a sum of `k` products in f32, in any order, is within
//! `k * u * sum(|a| * |b|)` of the exact one, `u = 2^-24` (Higham, *Accuracy and Stability of
//! Numerical Algorithms*, section 3.1). Both sides are sums, so they may differ by twice that.

use burn::nn::PaddingConfig2d;
use burn::nn::pool::MaxPool2dConfig;
use burn::tensor::activation::{relu, relu6};
use burn::tensor::module::{adaptive_avg_pool2d, conv2d};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};

use crate::adapter::adapter;

/// Unit roundoff of f32.
const U: f32 = 1.0 / (1 << 24) as f32;
const BATCHES: [usize; 2] = [1, 3];

/// Values that look random and are the same everywhere: the fractional part of a quadratic sequence,
/// in -1 to 1.
fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            // Marsaglia's xorshift64.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

fn tensor<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let data = TensorData::new(values(shape.iter().product(), seed), shape.to_vec());
    Tensor::from_data(data, device)
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Every value within its own bound.
fn assert_within(what: &str, actual: &[f32], expected: &[f32], bounds: &[f32]) {
    assert_eq!((actual.len(), expected.len()), (bounds.len(), bounds.len()), "{what}");
    let worst = actual
        .iter()
        .zip(expected)
        .zip(bounds)
        .map(|((actual, expected), bound)| (actual - expected).abs() / bound.max(f32::MIN_POSITIVE))
        .fold(0.0, |worst: f32, error| if error > worst || error.is_nan() { error } else { worst });
    println!("{what}: {worst:.3} of the bound");
    assert!(worst <= 1.0, "{what}: {worst} times the bound");
}

#[test]
fn convolutions_agree_at_every_shape_of_the_network() {
    let Some(adapter) = adapter() else { return };
    let cpu = Device::flex();
    // (in, out, kernel, stride, side of the input)
    let shapes = [
        (3, 64, 7, 2, 224),
        (64, 64, 3, 1, 56),
        (64, 128, 3, 2, 56),
        (64, 128, 1, 2, 56),
        (128, 128, 3, 1, 28),
        (128, 256, 3, 2, 28),
        (128, 256, 1, 2, 28),
        (256, 256, 3, 1, 14),
        (256, 512, 3, 2, 14),
        (256, 512, 1, 2, 14),
        (512, 512, 3, 1, 7),
    ];
    for batch in BATCHES {
        for (from, to, kernel, stride, side) in shapes {
            let pad = (kernel / 2, kernel / 2);
            assert_conv_agrees(
                (&adapter, &cpu),
                Conv { batch, from, to, kernel, stride, groups: 1, side, pad },
            );
        }
    }
}

/// A convolution: its channels, its measures, and how many zeros before and after each side.
struct Conv {
    batch: usize,
    from: usize,
    to: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
    side: usize,
    pad: (usize, usize),
}

/// Compares it on two devices, each value within the bound of its own sum.
fn assert_conv_agrees((adapter, cpu): (&Device, &Device), conv: Conv) {
    let Conv { batch, from, to, kernel, stride, groups, side, pad } = conv;
    let run = |device: &Device, magnitudes: bool| {
        let options = ConvOptions::new_with_padding([stride; 2], [pad; 2], [1; 2], groups);
        let mut photo = tensor([batch, from, side, side], 1, device);
        let mut weight = tensor([to, from / groups, kernel, kernel], 2, device);
        if magnitudes {
            (photo, weight) = (photo.abs(), weight.abs());
        }
        numbers(conv2d(photo, weight, None, options))
    };
    let terms = (from / groups * kernel * kernel) as f32;
    let bounds: Vec<f32> = run(cpu, true).iter().map(|sum| 2.0 * terms * U * sum).collect();
    let what = format!(
        "conv {kernel}x{kernel}/{stride} {from}->{to} in {groups} {side}x{side} batch {batch}"
    );
    assert_within(&what, &run(adapter, false), &run(cpu, false), &bounds);
}

#[test]
fn depthwise_and_pointwise_convolutions_agree_at_every_shape_of_efficientnet_lite0() {
    let Some(adapter) = adapter() else { return };
    let cpu = Device::flex();
    // (in, out, kernel, stride, groups, side of the input): TensorFlow's SAME padding, which at stride 2
    // is one more at the end.
    let shapes: [(usize, usize, usize, usize, usize, usize); 15] = [
        (3, 32, 3, 2, 1, 224),
        (32, 32, 3, 1, 32, 112),
        (32, 16, 1, 1, 1, 112),
        (96, 96, 3, 2, 96, 112),
        (144, 144, 3, 1, 144, 56),
        (144, 144, 5, 2, 144, 56),
        (240, 240, 5, 1, 240, 28),
        (240, 240, 3, 2, 240, 28),
        (480, 480, 5, 1, 480, 14),
        (672, 672, 5, 2, 672, 14),
        (1152, 1152, 5, 1, 1152, 7),
        (1152, 1152, 3, 1, 1152, 7),
        (1152, 320, 1, 1, 1, 7),
        (320, 1280, 1, 1, 1, 7),
        // An odd side, where the padding at stride 2 is the same on both.
        (24, 24, 3, 2, 24, 27),
    ];
    for (from, to, kernel, stride, groups, side) in shapes {
        let total = ((side.div_ceil(stride) - 1) * stride + kernel).saturating_sub(side);
        let pad = (total / 2, total - total / 2);
        assert_conv_agrees(
            (&adapter, &cpu),
            Conv { batch: 2, from, to, kernel, stride, groups, side, pad },
        );
    }
}

#[test]
fn relu6_clips_on_both_sides() {
    let Some(adapter) = adapter() else { return };
    let clip = |device: &Device| numbers(relu6(tensor([2, 32, 14, 14], 23, device) * 10.0));
    let expected: Vec<f32> =
        values(2 * 32 * 14 * 14, 23).iter().map(|value| (value * 10.0).clamp(0.0, 6.0)).collect();
    assert_eq!(clip(&adapter), expected);
}

#[test]
fn pools_agree_at_the_networks_shapes() {
    let Some(adapter) = adapter() else { return };
    let cpu = Device::flex();
    for batch in BATCHES {
        let max = |device: &Device| {
            let x = tensor([batch, 64, 112, 112], 3, device);
            let pool = MaxPool2dConfig::new([3, 3])
                .with_strides([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
            numbers(pool.init().forward(x))
        };
        let (actual, expected) = (max(&adapter), max(&cpu));
        // A maximum is one of its inputs: no rounding at all.
        assert_eq!(actual, expected, "max-pool batch {batch}");

        let average = |device: &Device| {
            numbers(adaptive_avg_pool2d(tensor([batch, 512, 7, 7], 4, device), [1, 1]))
        };
        let expected = average(&cpu);
        // 49 values of at most 1 and a division: 50 roundings of a mean of at most 1 on both sides.
        let bounds = vec![2.0 * 50.0 * U; expected.len()];
        assert_within(
            &format!("average pool batch {batch}"),
            &average(&adapter),
            &expected,
            &bounds,
        );
    }
}

#[test]
fn normalisation_activation_and_shortcut_agree() {
    use burn::module::{Param, RunningState};
    use burn::nn::BatchNormConfig;
    let Some(adapter) = adapter() else { return };
    let cpu = Device::flex();
    for (channels, side) in [(64, 112), (64, 56), (128, 28), (256, 14), (512, 7)] {
        let run = |device: &Device| {
            let mut norm = BatchNormConfig::new(channels).init(device);
            norm.gamma = Param::from_tensor(tensor([channels], 5, device));
            norm.beta = Param::from_tensor(tensor([channels], 6, device));
            norm.running_mean = RunningState::new(tensor([channels], 7, device));
            norm.running_var = RunningState::new(tensor([channels], 8, device).abs() + 0.5);
            let x = tensor([2, channels, side, side], 9, device);
            numbers(relu(norm.forward(x.clone()) + x))
        };
        let expected = run(&cpu);
        // (x - mean) / sqrt(var + eps) * gamma + beta + x: |x - mean| <= 2, 1 / sqrt(0.5) <= 1.5,
        // the others at most 1, so no intermediate is above 5; eight roundings and a square root and
        // division of 2.5 ulp each (Vulkan's guarantee), on both sides.
        let bounds = vec![2.0 * 13.0 * 5.0 * U; expected.len()];
        assert_within(
            &format!("batch norm {channels}x{side}x{side}"),
            &run(&adapter),
            &expected,
            &bounds,
        );
    }
}

#[test]
fn the_fully_connected_layer_agrees() {
    let Some(adapter) = adapter() else { return };
    let cpu = Device::flex();
    for (rows, classes) in [(1, 1000), (3, 1000), (32, 2), (4, 2), (400, 2), (37, 10)] {
        let run = |device: &Device, magnitudes: bool| {
            let features = tensor([rows, 512], 10, device);
            let weight = tensor([512, classes], 11, device);
            numbers(match magnitudes {
                true => features.abs().matmul(weight.abs()),
                false => features.matmul(weight),
            })
        };
        let bounds: Vec<f32> = run(&cpu, true).iter().map(|sum| 2.0 * 512.0 * U * sum).collect();
        assert_within(
            &format!("linear {rows}x512x{classes}"),
            &run(&adapter, false),
            &run(&cpu, false),
            &bounds,
        );
    }
}
