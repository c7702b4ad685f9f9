//! Steps of a plan that one kernel computes together, so that the values between them never leave
//! the cache: the stem with its pooling, and inverted bottlenecks.

use super::bottleneck::Bottleneck;
use super::compile::PHOTOS;
use super::depthwise::Taps;
use super::expanded::{Expanded, MAX_KERNEL};
use super::layout::{Layout, Window};
use super::packed::Packer;
use super::pointwise::Panels;
use super::stem::Stem;
use crate::plan::{self, Folded, FusedOperation, FusedPlan, FusedStep, Unsupported};

/// How many steps at the start of `steps` are the stem: a convolution that reads the photos, and
/// the max pooling after it if nothing else reads what the convolution writes.
///
/// # Errors
/// If the padding of a window differs between the sides.
pub fn stem(
    steps: &[FusedStep],
    plan: &FusedPlan,
    layouts: &[Layout],
) -> Result<usize, Unsupported> {
    let FusedStep { operation, input, shortcut, output, .. } = &steps[0];
    if !matches!(operation, FusedOperation::Convolution(_)) || (*input, *shortcut) != (PHOTOS, None)
    {
        return Ok(0);
    }
    if !Stem::computes(window(&steps[0], &layouts[*input])?, &layouts[*input]) {
        return Ok(0);
    }
    let is_pooled = steps.get(1).is_some_and(|pool| {
        matches!(pool.operation, FusedOperation::MaxPool { .. })
            && pool.input == *output
            && is_inner(&steps[0], plan)
    });
    Ok(if is_pooled { 2 } else { 1 })
}

/// Packs the weights of the stem's steps.
pub fn pack_stem(
    packer: &mut Packer,
    steps: &[FusedStep],
    layouts: &[Layout],
    folded: impl Fn(&plan::Convolution) -> Folded,
) -> Result<Stem, Unsupported> {
    let first = &steps[0];
    let FusedOperation::Convolution(convolution) = &first.operation else {
        return Err(Unsupported::new(&first.name, "a stem starts with a convolution"));
    };
    let window = |step: &FusedStep| window(step, &layouts[step.input]);
    let pooled = match steps.get(1) {
        Some(pool) => Some((window(pool)?, layouts[pool.output])),
        None => None,
    };
    let Folded { weight, bias } = folded(convolution);
    let ends = [first.input, first.output].map(|value| layouts[value]);
    let clamp = convolution.activation.into();
    Ok(Stem::new(packer, [&weight, &bias], window(first)?, ends, clamp, pooled))
}

/// Whether exactly one step reads what `step` writes, and nothing else needs it.
fn is_inner(step: &FusedStep, plan: &FusedPlan) -> bool {
    let reads = plan.steps.iter().flat_map(|reader| [Some(reader.input), reader.shortcut]);
    step.output != plan.map && reads.filter(|read| *read == Some(step.output)).count() == 1
}

/// How many steps at the start of `steps` are an inverted bottleneck: a 1x1 convolution that
/// expands, or none, a depthwise convolution, and a 1x1 convolution that projects. Nothing else may
/// read the values between them.
pub fn bottleneck(steps: &[FusedStep], plan: &FusedPlan) -> usize {
    let is_inner = |step: &FusedStep| is_inner(step, plan);
    let is_pair = |depthwise: &FusedStep, project: &FusedStep| {
        let FusedOperation::Depthwise(convolution) = &depthwise.operation else { return false };
        convolution.kernel <= MAX_KERNEL
            && is_inner(depthwise)
            && project.input == depthwise.output
            && is_pointwise(project)
    };
    match steps {
        [expand, depthwise, project, ..]
            if is_pointwise(expand)
                && expand.shortcut.is_none()
                && is_inner(expand)
                && depthwise.input == expand.output
                && is_pair(depthwise, project) =>
        {
            3
        }
        [depthwise, project, ..] if is_pair(depthwise, project) => 2,
        _ => 0,
    }
}

/// Whether a step is a 1x1 convolution of each pixel. Photos have too few channels for its kernel.
pub fn is_pointwise(step: &FusedStep) -> bool {
    let FusedOperation::Convolution(convolution) = &step.operation else { return false };
    let plan::Convolution { kernel, stride, padding, groups, .. } = convolution;
    step.input != PHOTOS
        && (*kernel, *stride, *groups) == (1, 1, 1)
        && padding.around(1, 1, 1) == [0, 0]
}

/// Packs the weights of a bottleneck's steps.
pub fn pack_bottleneck(
    packer: &mut Packer,
    steps: &[FusedStep],
    layouts: &[Layout],
    folded: impl Fn(&plan::Convolution) -> Folded,
) -> Result<Bottleneck, Unsupported> {
    let (mut expand, mut taps) = (None, None);
    for step in steps {
        let output_layout = layouts[step.output];
        match &step.operation {
            FusedOperation::Depthwise(convolution) => {
                let window = window(step, &layouts[step.input])?;
                let Folded { weight, bias } = folded(convolution);
                let clamp = convolution.activation.into();
                let packed = Taps::new(packer, &weight, &bias, window, &output_layout, clamp);
                taps = Some((packed, output_layout));
            }
            FusedOperation::Convolution(convolution) => {
                let panels = panels(packer, step, convolution, layouts, &folded);
                let Some((taps, wide)) = taps.take() else {
                    expand = Some(panels);
                    continue;
                };
                let input_layout = layouts[steps[0].input];
                let expanded = Expanded { expand, taps, input_layout, output_layout: wide };
                return Ok(Bottleneck { expanded, project: panels, output_layout });
            }
            FusedOperation::MaxPool { .. } => break,
        }
    }
    Err(Unsupported::new(&steps[0].name, "its steps do not form a bottleneck"))
}

/// Packs the weights of a 1x1 convolution.
pub fn panels(
    packer: &mut Packer,
    step: &FusedStep,
    convolution: &plan::Convolution,
    layouts: &[Layout],
    folded: impl Fn(&plan::Convolution) -> Folded,
) -> Panels {
    let Folded { weight, bias } = folded(convolution);
    let layouts = [step.input, step.output].map(|value| &layouts[value]);
    Panels::new(packer, &weight, &bias, layouts, convolution.activation.into())
}

/// The window of a step.
///
/// # Errors
/// If the padding differs between the sides.
pub fn window(step: &FusedStep, input: &Layout) -> Result<Window, Unsupported> {
    let (kernel, stride, padding) = match &step.operation {
        FusedOperation::Convolution(convolution) | FusedOperation::Depthwise(convolution) => {
            (convolution.kernel, convolution.stride, convolution.padding)
        }
        FusedOperation::MaxPool { kernel, stride, padding } => (*kernel, *stride, *padding),
    };
    let [down, across] =
        [input.height, input.width].map(|side| padding.around(side, kernel, stride)[0]);
    if down != across {
        let reason = "its padding differs between the sides of photos that are not square";
        return Err(Unsupported::new(&step.name, reason));
    }
    Ok(Window { kernel, stride, padding: down })
}
