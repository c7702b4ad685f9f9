//! What a step of a compiled network computes and moves, counted from the plan.

use std::collections::BTreeSet;

use kindling::engine::cpu::StepTime;
use kindling::plan::{Operation, Plan, Value};

use crate::is_winograd;

/// The arithmetic and the bytes of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cost {
    /// The windows of the operations that the step computes, in order: `1x1 + 3x3/2` is a 1x1
    /// convolution and one of 3x3 with a stride of 2.
    pub windows: String,
    /// Multiplications per photo if every convolution is computed directly.
    pub direct_multiplications: usize,
    /// Multiplications per photo if 3x3 convolutions of stride 1 use Winograd's F(4x4, 3x3).
    pub winograd_multiplications: usize,
    /// Bytes of the activations, per photo: what the step reads, adds and writes, each once.
    pub activation_bytes: usize,
    /// Bytes of the weights in f32, which are read at least once per batch.
    pub weight_bytes: usize,
}

impl Cost {
    /// The cost of a step of `plan` for photos of `side`. The step may compute several steps of the
    /// plan: all those between the values that it reads and the value that it writes.
    pub fn of(plan: &Plan, side: usize, step: &StepTime) -> Self {
        let shapes = plan.shapes([side, side]).expect("a published network");
        let values = |number: usize| match number {
            0 => 3 * side * side,
            _ => shapes[number - 1].iter().product(),
        };
        let ends = [Some(step.reads), step.shortcut];
        let floats = values(step.writes)
            + values(step.reads)
            // A shortcut around the whole step is read together with its input.
            + step.shortcut.filter(|number| *number != step.reads).map_or(0, values);
        let mut cost = Self { activation_bytes: floats * size_of::<f32>(), ..Self::default() };
        let mut windows = Vec::new();
        for number in between(plan, &ends, step.writes) {
            let [_, height, width] = shapes[number - 1];
            let mut window = |kernel: usize, stride: usize| {
                let stride = if stride > 1 { format!("/{stride}") } else { String::new() };
                windows.push(format!("{kernel}x{kernel}{stride}"));
            };
            match &plan.steps[number - 1].operation {
                Operation::Convolution { input, convolution } => {
                    window(convolution.kernel, convolution.stride);
                    let per_pixel =
                        convolution.in_channels / convolution.groups * convolution.out_channels;
                    let weights = per_pixel * convolution.kernel * convolution.kernel;
                    cost.weight_bytes += weights * size_of::<f32>();
                    cost.direct_multiplications += height * width * weights;
                    cost.winograd_multiplications += match is_winograd(*input, convolution) {
                        true => height.div_ceil(4) * width.div_ceil(4) * 36 * per_pixel,
                        false => height * width * weights,
                    };
                }
                Operation::MaxPool { kernel, stride, .. } => window(*kernel, *stride),
                Operation::Add { .. } | Operation::GlobalAveragePool { .. } => {}
            }
        }
        cost.windows = windows.join(" + ");
        cost
    }
}

/// The numbers of the values that lead from `ends` to `last`, including `last`, in order.
fn between(plan: &Plan, ends: &[Option<usize>], last: usize) -> BTreeSet<usize> {
    let (mut found, mut open) = (BTreeSet::new(), vec![last]);
    while let Some(number) = open.pop() {
        if number == 0 || ends.contains(&Some(number)) || !found.insert(number) {
            continue;
        }
        open.extend(plan.steps[number - 1].operation.inputs().into_iter().map(
            |value| match value {
                Value::Input => 0,
                Value::Output(step) => step + 1,
            },
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use kindling::backbone::Architecture;
    use kindling::engine::NetworkSpec;
    use kindling::engine::cpu::{CpuNetwork, Photos, Tuning};
    use kindling::plan::Planned;

    use super::*;
    use crate::multiplications;

    #[test]
    fn the_steps_costs_add_up_to_the_networks() {
        let device = kindling::device::processor().expect("a processor");
        for name in ["resnet18", "efficientnet-lite0"] {
            let backbone = name.parse::<Architecture>().unwrap().init(&device);
            let plan = backbone.plan().unwrap();
            let spec = NetworkSpec::of(&backbone).unwrap();
            let network = CpuNetwork::of(&spec, [224, 224], Tuning::default()).unwrap();
            let photo = vec![0.0; 3 * 224 * 224];
            let costs: Vec<Cost> = network
                .step_times(Photos::Planes(&photo), 1)
                .iter()
                .map(|step| Cost::of(&plan, 224, step))
                .collect();
            let sum = |of: fn(&Cost) -> usize| costs.iter().map(of).sum::<usize>() as f64;
            let counted = [
                sum(|cost| cost.direct_multiplications),
                sum(|cost| cost.winograd_multiplications),
            ];
            assert_eq!(counted, multiplications(&plan, 224), "{name}");
            let stem = if name == "resnet18" { "7x7/2 + 3x3/2" } else { "3x3/2" };
            assert_eq!(costs[0].windows, stem);
        }
    }
}
