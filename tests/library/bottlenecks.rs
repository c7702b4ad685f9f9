//! Inverted bottlenecks, which the CPU engine computes as one step, agree with direct sums in f64.

use kindling::engine::cpu::{CpuNetwork, Photos, Tuning};
use kindling::plan::{Activation, Convolution, Folded, Operation, Padding, Plan, Step, Value};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::compiled::{INSTRUCTIONS, direct_convolution, pointwise_convolution, with_threads};

/// The largest error, as a fraction of the largest value. There is no transform that would multiply
/// the roundings of the three sums.
const TOLERANCE: f64 = 1e-5;

/// A bottleneck after a 1x1 convolution that makes its channels from a photo's three.
struct Bottleneck {
    side: usize,
    /// The convolutions in order, with their weights.
    convolutions: Vec<(Convolution, Folded)>,
    /// Whether the input of the bottleneck is added to its output.
    shortcut: bool,
}

#[test]
fn bottlenecks_of_random_shapes_agree_with_a_direct_sum_in_f64() {
    let mut random = ChaCha8Rng::seed_from_u64(17);
    for case in 0..60 {
        let bottleneck = Bottleneck::random(&mut random, case);
        let photos = [1, 3, 2][case % 3];
        let values = photo_values(&mut random, photos, bottleneck.side);
        let (expected, largest) = bottleneck.direct(&values);
        let tuning = Tuning {
            instructions: INSTRUCTIONS[case % 5],
            photos: [1, 16][case / 5 % 2],
            ..Tuning::default()
        };
        let network = bottleneck.compiled(tuning);
        let first = network.feature_map(Photos::Planes(&values));
        for (actual, expected) in first.iter().zip(&expected) {
            let error = (f64::from(*actual) - expected).abs() / largest;
            assert!(error < TOLERANCE, "{} {tuning:?}: {error}", bottleneck.shape());
        }
        assert_eq!(first.len(), expected.len());
        // Which thread computes what, and in which phases, does not change a bit.
        with_threads(|| {
            let again = network.feature_map(Photos::Planes(&values));
            assert!(again == first, "{} {tuning:?}", bottleneck.shape());
        });
    }
}

#[test]
fn nan_in_a_photo_reaches_the_outputs_of_a_bottleneck_whose_window_it_lies_under() {
    let mut random = ChaCha8Rng::seed_from_u64(18);
    for instructions in INSTRUCTIONS {
        for photos in [1, 16] {
            let bottleneck = Bottleneck::with(&mut random, 12, [20, 52, 20], [3, 1], true);
            let mut values = photo_values(&mut random, 1, 12);
            // The middle of the first channel.
            values[6 * 12 + 6] = f32::NAN;
            let network = bottleneck.compiled(Tuning { instructions, photos, ..Tuning::default() });
            with_threads(|| {
                let map = network.feature_map(Photos::Planes(&values));
                for (at, value) in map.iter().enumerate() {
                    let (y, x) = (at / 12 % 12, at % 12);
                    let is_under = (5..=7).contains(&y) && (5..=7).contains(&x);
                    assert_eq!(value.is_nan(), is_under, "{instructions:?} {at}");
                }
            });
        }
    }
}

#[test]
fn bottlenecks_of_published_widths_do_not_depend_on_the_number_of_photos() {
    // Lines in groups, the whole photo, weights larger than the map, no expansion.
    let shapes = [
        (40, [24, 144, 24], [3, 1]),
        (56, [16, 96, 24], [3, 2]),
        (7, [96, 400, 96], [5, 1]),
        (7, [80, 200, 160], [3, 1]),
        (33, [32, 0, 16], [3, 1]),
    ];
    let mut random = ChaCha8Rng::seed_from_u64(19);
    for (side, channels, window) in shapes {
        let shortcut = channels[0] == channels[2];
        let bottleneck = Bottleneck::with(&mut random, side, channels, window, shortcut);
        let values = photo_values(&mut random, 4, side);
        let network = bottleneck.compiled(Tuning::default());
        let all = network.feature_map(Photos::Planes(&values));
        with_threads(|| {
            for photos in [1, 3] {
                let some = &values[..photos * 3 * side * side];
                let some = network.feature_map(Photos::Planes(some));
                assert!(some == all[..some.len()], "{photos} photos of {}", bottleneck.shape());
            }
        });
    }
}

impl Bottleneck {
    fn random(random: &mut ChaCha8Rng, case: usize) -> Self {
        let kernel = [3, 5, 3, 5, 1, 7, 9][random.random_range(0..7)];
        let stride = random.random_range(1..=2);
        let shortcut = stride == 1 && random.random_bool(0.5);
        let in_channels = random.random_range(1..50);
        let out_channels = if shortcut { in_channels } else { random.random_range(1..70) };
        let wide = if random.random_bool(0.2) { 0 } else { random.random_range(1..90) };
        let side = random.random_range(1..if case.is_multiple_of(10) { 40 } else { 20 });
        let channels = [in_channels, wide, out_channels];
        Self::with(random, side, channels, [kernel, stride], shortcut)
    }

    /// `channels` are those of input, wide activation (0: no expansion) and output.
    fn with(
        random: &mut ChaCha8Rng,
        side: usize,
        [in_channels, wide, out_channels]: [usize; 3],
        [kernel, stride]: [usize; 2],
        shortcut: bool,
    ) -> Self {
        let first = pointwise_convolution(in_channels);
        let middle = if wide == 0 { in_channels } else { wide };
        let expand = Convolution {
            in_channels,
            out_channels: middle,
            activation: Activation::Relu6,
            ..first.clone()
        };
        let depthwise = Convolution {
            in_channels: middle,
            out_channels: middle,
            kernel,
            stride,
            padding: Padding::Same,
            groups: middle,
            activation: Activation::Relu6,
            ..first.clone()
        };
        let project = Convolution { in_channels: middle, out_channels, ..first.clone() };
        let convolutions = match wide {
            0 => vec![first, depthwise, project],
            _ => vec![first, expand, depthwise, project],
        };
        let with_weights = |(at, convolution): (usize, Convolution)| {
            let mut draw = |count: usize| -> Vec<f32> {
                (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
            };
            let weight = draw(convolution.weight_shape().iter().product());
            let bias = draw(convolution.out_channels);
            (Convolution { weight: at.to_string(), ..convolution }, Folded { weight, bias })
        };
        let convolutions = convolutions.into_iter().enumerate().map(with_weights).collect();
        Self { side, convolutions, shortcut }
    }

    fn shape(&self) -> String {
        let channels: Vec<_> = self.convolutions.iter().map(|(at, _)| at.out_channels).collect();
        let window = self.convolutions.iter().map(|(at, _)| [at.kernel, at.stride]).max();
        format!("{channels:?} {window:?} side {} shortcut {}", self.side, self.shortcut)
    }

    fn compiled(&self, tuning: Tuning) -> CpuNetwork {
        let mut steps = Vec::new();
        for (at, (convolution, _)) in self.convolutions.iter().enumerate() {
            let input = if at == 0 { Value::Input } else { Value::Output(at - 1) };
            let convolution = convolution.clone();
            let operation = Operation::Convolution { input, convolution };
            steps.push(Step { name: at.to_string(), operation });
        }
        if self.shortcut {
            let inputs = [Value::Output(steps.len() - 1), Value::Output(0)];
            let operation = Operation::Add { inputs, activation: Activation::None };
            steps.push(Step { name: "sum".into(), operation });
        }
        let input = Value::Output(steps.len() - 1);
        steps.push(Step { name: "mean".into(), operation: Operation::GlobalAveragePool { input } });
        let plan = Plan { steps, ..Plan::default() };
        CpuNetwork::compile(&plan, [self.side; 2], tuning, |asked| {
            let at: usize = asked.weight.parse().unwrap();
            self.convolutions[at].1.clone()
        })
        .unwrap()
    }

    /// The output of each photo, channel by channel, and the largest value.
    fn direct(&self, values: &[f32]) -> (Vec<f64>, f64) {
        let mut outputs = Vec::new();
        for photo in values.chunks(3 * self.side * self.side) {
            let photo: Vec<f64> = photo.iter().map(|value| f64::from(*value)).collect();
            let (mut map, mut side) = (photo, self.side);
            let mut first = Vec::new();
            for (at, (convolution, weights)) in self.convolutions.iter().enumerate() {
                (map, side) = direct_convolution(convolution, weights, &map, side);
                if at == 0 {
                    first = map.clone();
                }
            }
            if self.shortcut {
                map.iter_mut().zip(&first).for_each(|(value, first)| *value += first);
            }
            outputs.extend(map);
        }
        let largest = outputs.iter().fold(1e-3, |largest: f64, value| largest.max(value.abs()));
        (outputs, largest)
    }
}

fn photo_values(random: &mut ChaCha8Rng, photos: usize, side: usize) -> Vec<f32> {
    (0..photos * 3 * side * side).map(|_| random.random_range(-1.0..1.0)).collect()
}
