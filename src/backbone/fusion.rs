//! Which sums of a plan become part of the convolution before them, for executors that write each activation once.

use super::plan::{Activation, Operation, Plan, Step, Value};

/// A value's index: the photos, then what each step of the plan gives.
pub fn index(value: Value) -> usize {
    match value {
        Value::Photos => 0,
        Value::Output(step) => step + 1,
    }
}

/// A sum that a convolution takes over.
#[derive(Clone, Copy)]
pub struct Fused {
    /// What it adds.
    pub shortcut: usize,
    /// The sum's value.
    pub sum: usize,
    /// The sum's activation.
    pub activation: Activation,
}

/// For each step the sum that it takes over: the later one of the two that the sum reads, so that the other is there.
pub fn fused(plan: &Plan) -> Vec<Option<Fused>> {
    let mut fused = vec![None; plan.steps.len()];
    for (at, step) in plan.steps.iter().enumerate() {
        let Operation::Add { inputs, activation } = step.operation else { continue };
        let [first, second] = inputs.map(index);
        let (shortcut, last) = (first.min(second), first.max(second));
        let convolution = plan.steps.get(last.wrapping_sub(1)).map(|step| &step.operation);
        let alone = matches!(convolution, Some(Operation::Convolution { convolution, .. })
            if convolution.activation == Activation::None && convolution.groups == 1);
        assert!(alone && shortcut != last, "`{}` adds to a convolution", step.name);
        fused[last - 1] = Some(Fused { shortcut, sum: at + 1, activation });
    }
    fused
}

/// Which value is the last feature map, and the steps up to it: all but the mean over height and width.
///
/// # Panics
/// Where the plan does not end in that.
pub fn up_to_map(plan: &Plan) -> (usize, &[Step]) {
    match plan.steps.split_last() {
        Some((last, body)) => match last.operation {
            Operation::GlobalAveragePool { input } => (index(input), body),
            _ => panic!("every network ends in the mean over height and width"),
        },
        None => panic!("a plan has steps"),
    }
}
