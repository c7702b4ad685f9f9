//! The convolution that reads the photos, alone and with the max pooling after it.

use kindling::engine::cpu::{CpuNetwork, Photos, Tuning};
use kindling::plan::{Activation, Convolution, Folded, Operation, Padding, Plan, Step, Value};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::compiled::{INSTRUCTIONS, TOLERANCE, direct_convolution, pointwise_convolution};

/// A window of a max pooling: its side, stride and padding.
type Pool = (usize, usize, usize);

#[test]
fn stems_of_random_shapes_agree_with_a_direct_sum_in_f64() {
    let mut random = ChaCha8Rng::seed_from_u64(17);
    for case in 0..200 {
        let (convolution, pool) = random_stem(&mut random, case);
        let side = random.random_range(2..48);
        let photos = [1, 3][case % 2];
        let mut draw = |count: usize| -> Vec<f32> {
            (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
        };
        let weights = Folded {
            weight: draw(convolution.weight_shape().iter().product()),
            bias: draw(convolution.out_channels),
        };
        let values = draw(photos * 3 * side * side);
        let actual = computed(&convolution, pool, &weights, side, case, &values);
        let mut expected = Vec::new();
        for photo in values.chunks(3 * side * side) {
            let photo: Vec<f64> = photo.iter().map(|value| f64::from(*value)).collect();
            expected.extend(direct(&convolution, pool, &weights, &photo, side));
        }
        assert_eq!(actual.len(), expected.len());
        let largest = expected.iter().fold(1.0f64, |max, value| max.max(value.abs()));
        for (actual, expected) in actual.iter().zip(&expected) {
            let error = (f64::from(*actual) - expected).abs() / largest;
            assert!(
                error < f64::from(TOLERANCE),
                "{convolution:?} {pool:?} side {side} photos {photos}: {error}"
            );
        }
    }
}

#[test]
fn one_nan_in_a_photo_reaches_each_pixel_of_the_stem_whose_window_has_it_and_no_other() {
    let mut random = ChaCha8Rng::seed_from_u64(18);
    for case in 0..60 {
        let (convolution, pool) = random_stem(&mut random, case);
        let side = random.random_range(8..30);
        let mut draw = |count: usize| -> Vec<f32> {
            (0..count).map(|_| random.random_range(0.1..1.0)).collect()
        };
        let shape = convolution.weight_shape();
        let weights = Folded { weight: draw(shape.iter().product()), bias: vec![0.0; shape[0]] };
        let at = random.random_range(0..3 * side * side);
        let mut values = vec![0.25; 3 * side * side];
        values[at] = f32::NAN;
        // The same plan for a photo that is 1 there and 0 elsewhere shows whose window has it.
        let mut indicator = vec![0.0; values.len()];
        indicator[at] = 1.0;
        let expected = direct(&convolution, pool, &weights, &indicator, side);
        let actual = computed(&convolution, pool, &weights, side, case, &values);
        for (actual, expected) in actual.iter().zip(&expected) {
            assert_eq!(actual.is_nan(), *expected > 0.0, "{convolution:?} {pool:?} side {side}");
        }
    }
}

/// A convolution of photos, in two of three cases with a max pooling.
fn random_stem(random: &mut ChaCha8Rng, case: usize) -> (Convolution, Option<Pool>) {
    let out_channels = random.random_range(1..70);
    let kernel = [1, 3, 5, 7][random.random_range(0..4)];
    let convolution = Convolution {
        kernel,
        stride: random.random_range(1..=3),
        padding: if case.is_multiple_of(4) { Padding::Same } else { Padding::Each(kernel / 2) },
        activation: [Activation::None, Activation::Relu, Activation::Relu6][case % 3],
        ..pointwise_convolution(out_channels)
    };
    let kernel = [2, 3, 3, 5][random.random_range(0..4)];
    let pool = (kernel, random.random_range(1..=3), kernel / 2);
    (convolution, (!case.is_multiple_of(3)).then_some(pool))
}

/// The output of the compiled plan of a convolution and a pooling.
fn computed(
    convolution: &Convolution,
    pool: Option<Pool>,
    weights: &Folded,
    side: usize,
    case: usize,
    photos: &[f32],
) -> Vec<f32> {
    let step = |name: &str, operation| Step { name: name.into(), operation };
    let convolve = Operation::Convolution { input: Value::Input, convolution: convolution.clone() };
    let mut steps = vec![step("convolution", convolve)];
    if let Some((kernel, stride, padding)) = pool {
        let padding = Padding::Each(padding);
        let input = Value::Output(0);
        steps.push(step("pool", Operation::MaxPool { input, kernel, stride, padding }));
    }
    let plan = Plan { steps, ..Plan::default() };
    let instructions = INSTRUCTIONS[case % INSTRUCTIONS.len()];
    let tuning = Tuning { instructions, ..Tuning::default() };
    let network = CpuNetwork::compile(&plan, [side, side], tuning, |_| weights.clone()).unwrap();
    network.feature_map(Photos::Planes(photos))
}

/// A direct convolution of one photo, and its pooling.
fn direct(
    convolution: &Convolution,
    pool: Option<Pool>,
    weights: &Folded,
    photo: &[f64],
    side: usize,
) -> Vec<f64> {
    let (values, side) = direct_convolution(convolution, weights, photo, side);
    let Some((kernel, stride, padding)) = pool else { return values };
    let out = (side + 2 * padding - kernel) / stride + 1;
    let window = |index: usize| {
        let start = index * stride;
        start.saturating_sub(padding)..(start + kernel - padding).min(side)
    };
    let mut pooled = Vec::new();
    for plane in values.chunks(side * side) {
        for (y, x) in (0..out * out).map(|at| (at / out, at % out)) {
            let pixels = window(y).flat_map(|y| window(x).map(move |x| plane[y * side + x]));
            pooled.push(pixels.fold(f64::NEG_INFINITY, f64::max));
        }
    }
    pooled
}
