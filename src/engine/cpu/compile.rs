//! Compiles a plan to steps: chooses the layout of each value and the kernel of each step.

use super::convolution::Convolution;
use super::depthwise::{Depthwise, Taps};
use super::groups::{self, is_pointwise, panels, window};
use super::layout::{CHANNEL_BLOCK, Layout};
use super::packed::Packer;
use super::pointwise::Pointwise;
use super::pool::MaxPool;
use super::step::{Kernel, Step};
use super::winograd::Winograd;
use crate::plan::{self, Folded, FusedOperation, FusedPlan, FusedStep, Plan, Unsupported};

/// A plan compiled for the processor.
pub struct Compiled {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The layouts of the photos and of the output of each step of the plan.
    pub layouts: Vec<Layout>,
    /// The value that is the last feature map.
    pub map: usize,
}

/// The number of the value that holds the photos.
pub(super) const PHOTOS: usize = 0;

/// Compiles `plan` for `photos` photos at a time, each of `[height, width]`.
///
/// # Errors
/// If no kernel runs a step.
pub fn compile(
    plan: &Plan,
    photo: [usize; 2],
    photos: usize,
    packer: &mut Packer,
    folded: impl Fn(&plan::Convolution) -> Folded,
) -> Result<Compiled, Unsupported> {
    let fused = FusedPlan::of(plan)?;
    let shapes = plan.shapes(photo)?;
    let layouts = layouts(photo, &shapes, &fused.steps, photos);
    let mut steps = Vec::with_capacity(fused.steps.len());
    let mut rest = &fused.steps[..];
    while let Some(first) = rest.first() {
        let (stem, bottleneck) =
            (groups::stem(rest, &fused, &layouts)?, groups::bottleneck(rest, &fused));
        let (kernel, count) = match [stem, bottleneck] {
            [0, 0] => (kernel(packer, first, &layouts, photos, &folded)?, 1),
            [0, count] => {
                let group = &rest[..count];
                (
                    Kernel::Bottleneck(groups::pack_bottleneck(packer, group, &layouts, &folded)?),
                    count,
                )
            }
            [count, _] => {
                let group = &rest[..count];
                (Kernel::Stem(groups::pack_stem(packer, group, &layouts, &folded)?), count)
            }
        };
        let FusedStep { shortcut, output, .. } = rest[count - 1];
        steps.push(Step { kernel, input: first.input, shortcut, output });
        rest = &rest[count..];
    }
    Ok(Compiled { steps, layouts, map: fused.map })
}

/// The layout of each value: with the border that its readers need. A sum and its shortcut have the
/// same layout.
fn layouts(
    photo: [usize; 2],
    shapes: &[[usize; 3]],
    steps: &[FusedStep],
    photos: usize,
) -> Vec<Layout> {
    let of = |[channels, height, width]: [usize; 3], stored: usize| Layout {
        channels,
        stored,
        height,
        width,
        before: 0,
        after: 0,
    };
    // Three channels are too few to pad.
    let mut layouts = vec![of([3, photo[0], photo[1]], 3)];
    layouts.extend(shapes.iter().map(|shape| of(*shape, shape[0].next_multiple_of(CHANNEL_BLOCK))));
    for step in steps {
        let (FusedOperation::Convolution(convolution) | FusedOperation::Depthwise(convolution)) =
            &step.operation
        else {
            continue;
        };
        let layout = &mut layouts[step.input];
        let winograd = is_winograd(step.input, convolution, layout, photos);
        for side in [layout.height, layout.width] {
            let around = convolution.padding.around(side, convolution.kernel, convolution.stride);
            let after = match winograd {
                true => Winograd::after(side),
                false => around[1],
            };
            layout.before = layout.before.max(around[0]);
            layout.after = layout.after.max(after);
        }
    }
    // Backwards, then forwards, because a sum may be the shortcut of the next one.
    let pairs: Vec<[usize; 2]> = steps
        .iter()
        .filter_map(|step| step.shortcut.map(|shortcut| [step.output, shortcut]))
        .collect();
    for [one, other] in pairs.iter().rev().chain(&pairs) {
        let before = layouts[*one].before.max(layouts[*other].before);
        let after = layouts[*one].after.max(layouts[*other].after);
        for value in [*one, *other] {
            (layouts[value].before, layouts[value].after) = (before, after);
        }
    }
    layouts
}

/// Whether to compute a convolution with Winograd's algorithm, for this many photos at a time. Its
/// transforms need whole registers of channels, which photos do not have. Its filters are four
/// times as large as the weights: with few tiles, reading them takes longer than the saved
/// multiplications would.
fn is_winograd(
    input: usize,
    convolution: &plan::Convolution,
    input_layout: &Layout,
    photos: usize,
) -> bool {
    const FEWEST_TILES: usize = 12;
    let plan::Convolution { kernel, stride, padding, groups, .. } = convolution;
    let tiles = Winograd::tiles(input_layout.height) * Winograd::tiles(input_layout.width);
    input != PHOTOS
        && (*kernel, *stride, *padding, *groups) == (3, 1, plan::Padding::Each(1), 1)
        && photos * tiles >= FEWEST_TILES
}

/// The kernel of a step, its weights packed.
fn kernel(
    packer: &mut Packer,
    step: &FusedStep,
    layouts: &[Layout],
    photos: usize,
    folded: impl Fn(&plan::Convolution) -> Folded,
) -> Result<Kernel, Unsupported> {
    let [input, output] = [step.input, step.output].map(|value| layouts[value]);
    let window = window(step, &input)?;
    Ok(match &step.operation {
        FusedOperation::Convolution(convolution) if is_pointwise(step) => {
            let panels = panels(packer, step, convolution, layouts, folded);
            Kernel::Pointwise(Pointwise { panels, input_layout: input, output_layout: output })
        }
        FusedOperation::Convolution(convolution) => {
            let Folded { weight, bias } = folded(convolution);
            let clamp = convolution.activation.into();
            match is_winograd(step.input, convolution, &input, photos) {
                true => {
                    Kernel::Winograd(Winograd::new(packer, &weight, &bias, input, output, clamp))
                }
                false => Kernel::Convolution(Convolution::new(
                    packer, &weight, &bias, window, input, output, clamp,
                )),
            }
        }
        FusedOperation::Depthwise(convolution) => {
            let Folded { weight, bias } = folded(convolution);
            let clamp = convolution.activation.into();
            let taps = Taps::new(packer, &weight, &bias, window, &output, clamp);
            Kernel::Depthwise(Depthwise { taps, input_layout: input, output_layout: output })
        }
        FusedOperation::MaxPool { .. } => {
            Kernel::MaxPool(MaxPool { window, input_layout: input, output_layout: output })
        }
    })
}
