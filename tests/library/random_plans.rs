//! Random plans: what fusion accepts, the CPU engine computes as the interpreter does.

use std::collections::HashMap;

use burn::store::bridge;
use burn::tensor::{Tensor, TensorData};
use kindling::engine::cpu::{CpuNetwork, Photos, Tuning};
use kindling::plan::{
    Activation, Convolution, FusedPlan, Norm, Operation, Padding, Plan, Step, Value, Weights,
};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::reference::{Numbers, cpu, relative_error};

/// What is promised of every engine, as a fraction of the largest value.
const TOLERANCE: f32 = 1e-4;

#[test]
fn the_cpu_engine_computes_every_random_plan_that_fusion_accepts() {
    let mut random = ChaCha8Rng::seed_from_u64(14);
    let (mut compiled, mut sums, mut refused) = (0, 0, 0);
    for case in 0..400 {
        let side = random.random_range(6..20);
        let plan = random_plan(&mut random, side);
        let Ok(fused) = FusedPlan::of(&plan) else {
            refused += 1;
            continue;
        };
        let weights = random_weights(&mut random, &plan);
        let tuning = Tuning {
            weight_bytes_threshold: [0, 2_000, 4 << 20][case % 3],
            photos: [1, 16][case % 2],
            ..Tuning::default()
        };
        let network = CpuNetwork::compile(&plan, [side, side], tuning, |convolution| {
            convolution.folded(&weights)
        })
        .unwrap_or_else(|error| panic!("case {case}: {error}"));
        let photos = [1, 2, 5][case % 3];
        let values: Vec<f32> =
            (0..photos * 3 * side * side).map(|_| random.random_range(-2.0..2.0)).collect();
        let input = Numbers { shape: vec![photos, 3, side, side], values };
        let mut outputs: HashMap<String, Tensor<4>> = HashMap::new();
        plan.interpreted(&weights, input.on(&cpu()), |name, output| {
            outputs.insert(name.to_owned(), output.clone());
        });
        let map = outputs[&plan.steps[fused.map - 1].name].clone();
        let expected =
            Numbers { shape: map.dims().to_vec(), values: map.into_data().iter::<f32>().collect() };
        let actual = Numbers {
            shape: expected.shape.clone(),
            values: network.feature_map(Photos::Planes(&input.values)),
        };
        // A map of zeros has no scale.
        if expected.largest() > 0.0 {
            let error = relative_error(actual.on::<4>(&cpu()), &expected);
            assert!(error < TOLERANCE, "case {case}: {error}\n{plan:#?}");
        }
        compiled += 1;
        sums += fused.steps.iter().filter(|step| step.shortcut.is_some()).count();
    }
    println!("{compiled} plans with {sums} sums computed, {refused} refused");
    assert!(compiled > 100 && sums > 50 && refused > 20, "{compiled}, {sums}, {refused}");
}

/// Up to twenty random steps that fit each other, for photos of `side` pixels.
fn random_plan(random: &mut ChaCha8Rng, side: usize) -> Plan {
    let mut plan = Plan::default();
    push(&mut plan, convolve(random, Value::Input, 3, false));
    for _ in 0..random.random_range(1..10) {
        let shapes = plan.shapes([side, side]).unwrap();
        let at = random.random_range(0..shapes.len());
        let ([channels, height, _], input) = (shapes[at], Value::Output(at));
        let operation = match random.random_range(0..10) {
            0 if height > 2 => Operation::MaxPool {
                input,
                kernel: 3,
                stride: random.random_range(1..=2),
                padding: Padding::Each(1),
            },
            1 | 2 => convolve(random, input, channels, true),
            // A block with its shortcut.
            3..=6 => {
                let Operation::Convolution { convolution, .. } =
                    convolve(random, input, channels, false)
                else {
                    continue;
                };
                let convolution = Convolution {
                    out_channels: channels,
                    stride: 1,
                    activation: Activation::None,
                    ..convolution
                };
                push(&mut plan, Operation::Convolution { input, convolution });
                let sum = [Value::Output(plan.steps.len() - 1), input];
                let inputs = if at % 2 == 0 { sum } else { [sum[1], sum[0]] };
                let activation = [Activation::None, Activation::Relu][at % 2];
                Operation::Add { inputs, activation }
            }
            // Any sum, which fusion mostly refuses.
            7 => {
                let other = random.random_range(0..shapes.len());
                if shapes[other] != shapes[at] {
                    continue;
                }
                let inputs = [input, Value::Output(other)];
                Operation::Add { inputs, activation: Activation::None }
            }
            _ => convolve(random, input, channels, false),
        };
        push(&mut plan, operation);
    }
    if random.random_bool(0.7) {
        let last = plan.steps.len() - 1;
        push(&mut plan, Operation::GlobalAveragePool { input: Value::Output(last) });
    }
    plan
}

fn push(plan: &mut Plan, operation: Operation) {
    let name = format!("step{}", plan.steps.len());
    plan.steps.push(Step { name, operation });
}

fn convolve(
    random: &mut ChaCha8Rng,
    input: Value,
    in_channels: usize,
    depthwise: bool,
) -> Operation {
    let kernel = [1, 3, 3, 5][random.random_range(0..4)];
    // Mostly the same channels and size, so that there are values to add.
    let out_channels = match random.random_range(0..4) {
        0 if !depthwise => random.random_range(1..40),
        _ if input == Value::Input => 20,
        _ => in_channels,
    };
    let id = random.random_range(0..u32::MAX);
    let name = |part: &str| format!("{part}{id}");
    let convolution = Convolution {
        weight: name("weight"),
        norm: Norm {
            scale: name("scale"),
            shift: name("shift"),
            mean: name("mean"),
            variance: name("variance"),
            epsilon: 1e-5,
        },
        in_channels,
        out_channels,
        kernel,
        stride: if random.random_bool(0.2) { 2 } else { 1 },
        padding: match random.random_bool(0.3) {
            true => Padding::Same,
            false => Padding::Each(kernel / 2),
        },
        groups: if depthwise { in_channels } else { 1 },
        activation: match random.random_range(0..5) {
            0 => Activation::Relu,
            1 => Activation::Relu6,
            _ => Activation::None,
        },
    };
    Operation::Convolution { input, convolution }
}

fn random_weights(random: &mut ChaCha8Rng, plan: &Plan) -> Weights {
    let mut tensors = Vec::new();
    for step in &plan.steps {
        let Operation::Convolution { convolution, .. } = &step.operation else { continue };
        let shape = convolution.weight_shape();
        let bound = (3.0 / shape[1..].iter().product::<usize>() as f32).sqrt();
        let Norm { scale, shift, mean, variance, .. } = &convolution.norm;
        let channels = vec![convolution.out_channels];
        for (name, shape, low, high) in [
            (&convolution.weight, shape.to_vec(), -bound, bound),
            (scale, channels.clone(), 0.8, 1.2),
            (shift, channels.clone(), -0.2, 0.2),
            (mean, channels.clone(), -0.2, 0.2),
            (variance, channels, 0.5, 1.5),
        ] {
            let count = shape.iter().product::<usize>();
            let values: Vec<f32> = (0..count).map(|_| random.random_range(low..high)).collect();
            tensors.push(bridge::from_data(TensorData::new(values, shape), name.clone(), None));
        }
    }
    Weights::read(tensors).unwrap()
}
