//! A plan that an engine cannot run is an error that names the step.

use burn::nn::conv::Conv2dConfig;
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{BatchNormConfig, PaddingConfig2d};
use kindling::engine::cpu::{CpuNetwork, Tuning};
use kindling::plan::{
    Activation, Convolution, Folded, FusedPlan, Norm, Operation, Padding, Plan, Step, Value,
};

use crate::reference::cpu;

fn convolution(in_channels: usize, out_channels: usize, groups: usize) -> Convolution {
    let name = String::new;
    Convolution {
        weight: name(),
        norm: Norm { scale: name(), shift: name(), mean: name(), variance: name(), epsilon: 0.0 },
        in_channels,
        out_channels,
        kernel: 3,
        stride: 1,
        padding: Padding::Each(1),
        groups,
        activation: Activation::None,
    }
}

fn convolve(input: Value, convolution: Convolution) -> Operation {
    Operation::Convolution { input, convolution }
}

fn pool(input: Value) -> Operation {
    Operation::MaxPool { input, kernel: 3, stride: 1, padding: Padding::Each(1) }
}

fn add(inputs: [usize; 2]) -> Operation {
    let inputs = inputs.map(Value::Output);
    Operation::Add { inputs, activation: Activation::Relu }
}

fn mean(input: usize) -> Operation {
    Operation::GlobalAveragePool { input: Value::Output(input) }
}

/// A plan whose steps are called `step0`, `step1`, ...
fn plan(operations: Vec<Operation>) -> Plan {
    let steps = operations.into_iter().enumerate();
    let steps = steps.map(|(at, operation)| Step { name: format!("step{at}"), operation });
    Plan { steps: steps.collect(), ..Plan::default() }
}

#[test]
fn a_step_that_no_compiled_engine_runs_is_an_error_with_its_name() {
    let stem = || convolve(Value::Input, convolution(3, 8, 1));
    let next = |input: usize| convolve(Value::Output(input), convolution(8, 8, 1));
    let cases = [
        ("step1", vec![stem(), convolve(Value::Output(0), convolution(8, 8, 2)), mean(1)]),
        ("step2", vec![stem(), pool(Value::Output(0)), add([0, 1]), mean(2)]),
        ("step3", vec![stem(), next(0), next(1), add([1, 1]), mean(3)]),
        // The sum would overwrite the output of `step1`, which `step3` also reads.
        ("step2", vec![stem(), next(0), add([0, 1]), next(1), mean(3)]),
        ("step1", vec![stem(), mean(0), next(0), mean(2)]),
        ("step0", vec![pool(Value::Input), convolve(Value::Output(0), convolution(3, 8, 1))]),
        ("step1", vec![stem(), convolve(Value::Input, convolution(3, 8, 1)), mean(1)]),
        ("", vec![]),
    ];
    for (step, operations) in cases {
        let plan = plan(operations);
        let error = FusedPlan::of(&plan).unwrap_err();
        assert_eq!(error.step, step, "{error}");
        let compiled = CpuNetwork::compile(&plan, [32, 32], Tuning::default(), |_| Folded {
            weight: Vec::new(),
            bias: Vec::new(),
        });
        assert_eq!(compiled.err(), Some(error));
    }
}

#[test]
fn steps_that_do_not_fit_each_other_are_an_error_with_the_steps_name() {
    let stem = || convolve(Value::Input, convolution(3, 8, 1));
    let narrow = convolve(Value::Output(0), convolution(8, 1, 1));
    let strided = convolve(Value::Output(0), Convolution { stride: 2, ..convolution(8, 8, 1) });
    let unpadded = convolve(
        Value::Output(0),
        Convolution { padding: Padding::Each(0), ..convolution(8, 8, 1) },
    );
    let wide = Operation::MaxPool {
        input: Value::Output(0),
        kernel: 2,
        stride: 1,
        padding: Padding::Each(2),
    };
    let cases = [
        // Burn would broadcast the one channel, and the row of four.
        ("step2", 32, vec![stem(), narrow, add([0, 1]), mean(2)], "two shapes"),
        ("step2", 32, vec![stem(), strided, add([0, 1]), mean(2)], "two shapes"),
        ("step1", 32, vec![stem(), convolve(Value::Output(0), convolution(4, 8, 1))], "channels"),
        ("step1", 2, vec![stem(), unpadded, mean(1)], "larger than its padded input"),
        ("step1", 32, vec![stem(), wide, mean(1)], "as wide as its window"),
    ];
    for (step, side, operations, reason) in cases {
        let plan = plan(operations);
        let error = plan.shapes([side, side]).unwrap_err();
        assert_eq!(error.step, step, "{error}");
        assert!(error.reason.contains(reason), "{error}");
        let compiled = CpuNetwork::compile(&plan, [side, side], Tuning::default(), |_| Folded {
            weight: Vec::new(),
            bias: Vec::new(),
        });
        assert_eq!(compiled.err(), Some(error));
    }
}

#[test]
fn a_plan_that_names_an_unknown_tensor_is_an_error() {
    let plan = plan(vec![convolve(Value::Input, convolution(3, 8, 1)), mean(0)]);
    assert!(plan.check_tensors(|_| None).unwrap_err().reason.contains("names a tensor"));
}

#[test]
fn padding_that_differs_between_the_sides_is_an_error() {
    let same = Convolution { stride: 2, padding: Padding::Same, ..convolution(3, 8, 1) };
    let plan = plan(vec![convolve(Value::Input, same), mean(0)]);
    let folded = |_: &Convolution| Folded { weight: vec![0.0; 8 * 3 * 9], bias: vec![0.0; 8] };
    let compile = |photo| CpuNetwork::compile(&plan, photo, Tuning::default(), folded);
    assert!(compile([32, 32]).is_ok());
    let error = compile([32, 31]).err().unwrap().to_string();
    assert!(error.contains("`step0`") && error.contains("not square"), "{error}");
}

#[test]
fn a_module_that_a_plan_cannot_express_is_an_error() {
    let device = cpu();
    let norm = BatchNormConfig::new(8).init(&device);
    let refused = |config: Conv2dConfig| {
        let conv = config.init(&device);
        let error = Plan::default()
            .convolution(Value::Input, ("stem", &conv), ("bn", &norm), Activation::Relu)
            .unwrap_err();
        assert_eq!(error.step, "stem");
        error.reason
    };
    let plain = || Conv2dConfig::new([3, 8], [3, 3]).with_bias(false);
    assert!(refused(plain().with_bias(true)).contains("bias"));
    assert!(refused(plain().with_dilation([2, 2])).contains("dilated"));
    assert!(refused(plain().with_stride([1, 2])).contains("square"));
    let uneven = PaddingConfig2d::Explicit(0, 0, 1, 1);
    assert!(refused(plain().with_padding(uneven)).contains("padding"));
    let pool = MaxPool2dConfig::new([3, 2]).init();
    assert_eq!(Plan::default().max_pool(Value::Input, "pool", &pool).unwrap_err().step, "pool");
}
