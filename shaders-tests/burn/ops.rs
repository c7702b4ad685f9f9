//! Compares Burn's tensor operations with f64, as the networks call them, at the networks' shapes
//! and at awkward shapes.

use burn::module::{Param, RunningState};
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::{relu, relu6};
use burn::tensor::module::{adaptive_avg_pool2d, conv2d};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use kindling::plan::Activation;

use crate::problem::{Conv, Layout, MaxPool, Order, Product, activated, expected_mean, sides};
use kindling::kernels::reference::{Expected, Reference, Worst, values};
use shaders_tests::BATCHES;
use shaders_tests::adapter::{self, adapter};

use crate::shapes;
use shaders_tests::table::Table;

/// Memory layout of the tensors.
const LAYOUT: Layout = Layout::ChannelsFirst;

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// Compares the output of `run`. First, a buffer of the size of the output is filled with NaN and
/// freed: the allocator usually reuses it for the output, and values that the operation does not
/// write are then NaN. If the allocator does not reuse it, the tests in `candidates` still find
/// such values: they allocate the outputs themselves.
fn compare<const D: usize>(
    expected: &Expected,
    device: &Device,
    run: impl FnOnce() -> Tensor<D>,
) -> Worst {
    drop(Tensor::<1>::full([expected.count()], f32::NAN, device));
    let output: Vec<f32> = run().into_data().iter::<f32>().collect();
    expected.worst(&output)
}

#[test]
fn convolutions_are_right_at_every_shape_of_the_networks() {
    let Some(device) = adapter() else { return };
    let mut table = Table::new("Burn's convolutions at the networks' shapes");
    // `candidates` tests the underlying kernels at every batch size; on a software driver,
    // repeating that here would take minutes.
    let batches = if adapter::is_software() { &BATCHES[..1] } else { &BATCHES };
    for conv in shapes::convs(batches) {
        compare_conv(conv, false, &device, &mut table);
    }
    table.finish(&[]);
}

#[test]
fn convolutions_are_right_at_awkward_shapes_with_a_bias_and_without() {
    let Some(device) = adapter() else { return };
    let mut table = Table::new("Burn's convolutions at awkward shapes");
    for conv in shapes::awkward_convs() {
        for has_bias in [false, true] {
            compare_conv(conv, has_bias, &device, &mut table);
        }
    }
    table.finish(&[]);
}

fn compare_conv(conv: Conv, has_bias: bool, device: &Device, table: &mut Table) {
    let (photo_shape, weight_shape) = (conv.input_shape(), conv.weight_shape());
    let photos = values(photo_shape.iter().product(), 1);
    let weight = values(weight_shape.iter().product(), 2);
    let bias = has_bias.then(|| values(conv.out_channels, 3));
    let expected = conv.expected(LAYOUT, &photos, &weight, bias.as_deref());
    let photos = tensor(&photos, photo_shape, device);
    let weight = tensor(&weight, weight_shape, device);
    let bias = bias.map(|bias| tensor(&bias, [conv.out_channels], device));
    let padding = conv.padding.map(|[before, after]| (before, after));
    let options = ConvOptions::new_with_padding([conv.stride; 2], padding, [1; 2], conv.groups);
    let worst = compare(&expected, device, || conv2d(photos, weight, bias, options));
    let op = if has_bias { "conv2d and bias" } else { "conv2d" };
    table.row("Burn", op, &conv.to_string(), worst);
}

#[test]
fn pools_are_right() {
    let Some(device) = adapter() else { return };
    let mut table = Table::new("Burn's pools");
    for pool in shapes::max_pools() {
        let MaxPool { input, kernel, stride, padding } = pool;
        let photos = values(input.iter().product(), 3);
        let expected = pool.expected(LAYOUT, &photos);
        let photos = tensor(&photos, input, &device);
        let around = PaddingConfig2d::Explicit(padding, padding, padding, padding);
        let config =
            MaxPool2dConfig::new([kernel; 2]).with_strides([stride; 2]).with_padding(around);
        let worst = compare(&expected, &device, || config.init().forward(photos));
        table.row("Burn", "max-pool", &pool.to_string(), worst);
    }
    for shape in shapes::means() {
        let photos = values(shape.iter().product(), 4);
        let expected = expected_mean(LAYOUT, shape, &photos);
        let photos = tensor(&photos, shape, &device);
        let worst = compare(&expected, &device, || adaptive_avg_pool2d(photos, [1, 1]));
        table.row("Burn", "mean", &sides(&shape), worst);
    }
    table.finish(&[]);
}

#[test]
fn activations_and_shortcuts_are_right() {
    let Some(device) = adapter() else { return };
    let mut table = Table::new("Burn's activations and sums");
    let ops = shapes::of_both_networks();
    for batch in BATCHES {
        for ([channels, height, width], activation) in &ops.clips {
            let shape = [batch, *channels, *height, *width];
            // From -8 to 8, beyond both limits of ReLU6.
            let numbers: Vec<f32> =
                values(shape.iter().product(), 5).iter().map(|value| value * 8.0).collect();
            let expected = Expected::of([numbers.len()], |[at]| {
                activated(*activation, Reference::unrounded(f64::from(numbers[at])))
            });
            let photos = tensor(&numbers, shape, &device);
            let worst = compare(&expected, &device, || activate(*activation, photos));
            table.row("Burn", &format!("{activation:?}"), &sides(&shape), worst);
        }
        for ([channels, height, width], activation) in &ops.sums {
            let shape = [batch, *channels, *height, *width];
            let count = shape.iter().product();
            let (left, right) = (values(count, 6), values(count, 7));
            let expected = Expected::of([count], |[at]| {
                let sum = f64::from(left[at]) + f64::from(right[at]);
                // One addition, rounded once.
                let reference = Reference { value: sum, magnitude: sum.abs(), roundings: 1.0 };
                activated(*activation, reference)
            });
            let [left, right] = [left, right].map(|side| tensor(&side, shape, &device));
            let worst = compare(&expected, &device, || activate(*activation, left + right));
            table.row("Burn", &format!("add, {activation:?}"), &sides(&shape), worst);
        }
    }
    table.finish(&[]);
}

fn activate(activation: Activation, values: Tensor<4>) -> Tensor<4> {
    match activation {
        Activation::None => values,
        Activation::Relu => relu(values),
        Activation::Relu6 => relu6(values),
    }
}

#[test]
fn batch_normalisation_is_right() {
    let Some(device) = adapter() else { return };
    let mut table = Table::new("Burn's BatchNorm with running statistics");
    for shape in shapes::norms() {
        let [_, channels, height, width] = shape;
        let photos = values(shape.iter().product(), 9);
        let [scale, shift, mean, variance] = [5, 6, 7, 8].map(|seed| values(channels, seed));
        let variance: Vec<f32> = variance.iter().map(|value| value.abs() + 0.5).collect();
        let config = BatchNormConfig::new(channels);
        let expected = Expected::of([photos.len()], |[at]| {
            let channel = at / (height * width) % channels;
            let of = |values: &[f32]| f64::from(values[channel]);
            let deviation = (of(&variance) + config.epsilon).sqrt();
            let scaled = (f64::from(photos[at]) - of(&mean)) / deviation * of(&scale);
            Reference {
                value: scaled + of(&shift),
                magnitude: scaled.abs() + of(&shift).abs(),
                // By Vulkan's guarantees: the addition of epsilon is 1 rounding, halved by the
                // root; the root is 4.5 ulp and the division 2.5 ulp, of 2u each; the difference,
                // the product and the sum are 1 rounding each; and 1 more covers terms of second
                // order.
                roundings: 0.5 + 9.0 + 5.0 + 3.0 + 1.0,
            }
        });
        let mut norm = config.init(&device);
        norm.gamma = Param::from_tensor(tensor(&scale, [channels], &device));
        norm.beta = Param::from_tensor(tensor(&shift, [channels], &device));
        norm.running_mean = RunningState::new(tensor(&mean, [channels], &device));
        norm.running_var = RunningState::new(tensor(&variance, [channels], &device));
        let photos = tensor(&photos, shape, &device);
        let worst = compare(&expected, &device, || norm.forward(photos));
        table.row("Burn", "BatchNorm", &sides(&shape), worst);
    }
    table.finish(&[]);
}

#[test]
fn the_fully_connected_layer_is_right() {
    let Some(device) = adapter() else { return };
    let mut table = Table::new("Burn's matrix products");
    let of_training = [(32, 2), (4, 2), (400, 2), (37, 10)].map(|(rows, columns)| Product {
        rows,
        terms: 512,
        columns,
        right: Order::Rows,
    });
    for product in shapes::heads(&BATCHES).chain(of_training) {
        let Product { rows, terms, columns, .. } = product;
        let (left, right) = (values(rows * terms, 10), values(terms * columns, 11));
        let expected = product.expected(&left, &right);
        let left = tensor(&left, [rows, terms], &device);
        let right = tensor(&right, [terms, columns], &device);
        let worst = compare(&expected, &device, || left.matmul(right));
        table.row("Burn", "matmul", &product.to_string(), worst);
    }
    table.finish(&[]);
}
