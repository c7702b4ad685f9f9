//! A plan as engines run it: each sum fused into the convolution before it.
//!
//! An engine that writes each activation once adds the shortcut and applies the sum's activation
//! before it writes a convolution's output. Fusion decides which convolution takes over which sum,
//! so that every engine's compiler has the same steps, and one place says which plans can be
//! compiled.

use super::{Activation, Convolution, Operation, Padding, Plan, Unsupported, Value};

/// The steps of a plan after fusion.
///
/// Values are numbered: 0 is the input, `n + 1` is the output of the plan's step `n`. A value that
/// was fused away has no step that writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedPlan {
    /// The steps, in an order in which they can be computed.
    pub steps: Vec<FusedStep>,
    /// The value that is the last feature map.
    pub map: usize,
    /// The number of values.
    pub values: usize,
}

/// A step that reads one or two values and writes one.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedStep {
    /// Its name in the plan; with the sum that it took over, `layer1.0.conv2 + layer1.0.add`.
    pub name: String,
    /// What it computes.
    pub operation: FusedOperation,
    /// The value that it reads.
    pub input: usize,
    /// The value that it adds before the activation.
    pub shortcut: Option<usize>,
    /// The value that it writes.
    pub output: usize,
}

/// What a fused step computes.
#[derive(Clone, Debug, PartialEq)]
pub enum FusedOperation {
    /// A convolution of all channels. Its activation follows the shortcut.
    Convolution(Convolution),
    /// A depthwise convolution, which has no shortcut.
    Depthwise(Convolution),
    /// The maximum under a square window.
    MaxPool {
        /// Side of the window.
        kernel: usize,
        /// Stride of the window.
        stride: usize,
        /// Padding around the input.
        padding: Padding,
    },
}

impl FusedPlan {
    /// Fuses the steps of `plan`.
    ///
    /// A plan that ends in the mean over height and width gives its last feature map; a plan that
    /// ends at a stage gives that stage's output.
    ///
    /// # Errors
    /// If the plan has no steps, does not take photos, or has a step that no compiled engine runs:
    /// a grouped convolution that is not depthwise, a sum that does not follow a full convolution,
    /// a mean that is not the last step, or a step that reads the photos and is not a full
    /// convolution at the start.
    pub fn of(plan: &Plan) -> Result<Self, Unsupported> {
        let Some(last) = plan.steps.last() else {
            return Err(Unsupported::new("", "the network has no steps"));
        };
        if plan.input_channels != 3 {
            return Err(Unsupported::new(&plan.steps[0].name, "it does not read photos"));
        }
        let (map, body) = match &last.operation {
            Operation::GlobalAveragePool { input } => {
                (input.number(), &plan.steps[..plan.steps.len() - 1])
            }
            _ => (plan.steps.len(), &plan.steps[..]),
        };
        let sums = sums(plan)?;
        let mut steps = Vec::with_capacity(body.len());
        for (at, step) in body.iter().enumerate() {
            let sum = sums[at].as_ref();
            let (input, operation) = match &step.operation {
                Operation::Convolution { input, convolution } => {
                    let full = convolution.groups == 1;
                    let depthwise = convolution.groups == convolution.in_channels
                        && convolution.groups == convolution.out_channels;
                    let activation = sum.map_or(convolution.activation, |sum| sum.activation);
                    let convolution = Convolution { activation, ..convolution.clone() };
                    let operation = match (full, depthwise) {
                        (true, _) => FusedOperation::Convolution(convolution),
                        (_, true) => FusedOperation::Depthwise(convolution),
                        _ => {
                            let reason = "its groups are neither one nor one per channel";
                            return Err(Unsupported::new(&step.name, reason));
                        }
                    };
                    (*input, operation)
                }
                Operation::MaxPool { input, kernel, stride, padding } => {
                    let (kernel, stride, padding) = (*kernel, *stride, *padding);
                    (*input, FusedOperation::MaxPool { kernel, stride, padding })
                }
                // Part of the convolution before it.
                Operation::Add { .. } => continue,
                Operation::GlobalAveragePool { .. } => {
                    return Err(Unsupported::new(&step.name, "a mean that is not the last step"));
                }
            };
            let is_stem = steps.is_empty() && matches!(operation, FusedOperation::Convolution(_));
            if input == Value::Input && !is_stem {
                let reason = "it reads photos and is not the first step, a full convolution";
                return Err(Unsupported::new(&step.name, reason));
            }
            steps.push(FusedStep {
                name: match sum {
                    Some(sum) => format!("{} + {}", step.name, plan.steps[sum.value - 1].name),
                    None => step.name.clone(),
                },
                operation,
                input: input.number(),
                shortcut: sum.map(|sum| sum.shortcut),
                output: sum.map_or(at + 1, |sum| sum.value),
            });
        }
        if map == 0 || steps.is_empty() {
            return Err(Unsupported::new(&last.name, "the network has no convolution"));
        }
        Ok(Self { steps, map, values: plan.steps.len() + 1 })
    }
}

/// A sum that a convolution takes over.
#[derive(Clone, Copy)]
struct Sum {
    /// The value that the convolution adds.
    shortcut: usize,
    /// The sum's own value.
    value: usize,
    /// The sum's activation.
    activation: Activation,
}

/// For each step, the sum that it takes over. Of the two steps that a sum reads, the later one
/// takes it over, because the other value exists by then.
fn sums(plan: &Plan) -> Result<Vec<Option<Sum>>, Unsupported> {
    let mut sums: Vec<Option<Sum>> = vec![None; plan.steps.len()];
    for (at, step) in plan.steps.iter().enumerate() {
        let Operation::Add { inputs, activation } = step.operation else { continue };
        let unsupported = |reason| Err(Unsupported::new(&step.name, reason));
        let [first, second] = inputs.map(Value::number);
        let (shortcut, last) = (first.min(second), first.max(second));
        let before = last.checked_sub(1).map(|step| &plan.steps[step].operation);
        let follows_a_convolution = matches!(before, Some(Operation::Convolution { convolution, .. })
            if convolution.activation == Activation::None && convolution.groups == 1);
        if !follows_a_convolution || shortcut == last {
            return unsupported("the sum does not follow a full convolution without activation");
        }
        // The convolution's own output is never written.
        let readers = plan.steps.iter().flat_map(|step| step.operation.inputs());
        let ends_a_stage = plan.stages.iter().any(|stage| stage.output.number() == last);
        if readers.filter(|value| value.number() == last).count() > 1 || ends_a_stage {
            return unsupported("another step reads a value that the sum takes over");
        }
        if shortcut == 0 {
            return unsupported("the sum adds photos");
        }
        sums[last - 1] = Some(Sum { shortcut, value: at + 1, activation });
    }
    Ok(sums)
}
