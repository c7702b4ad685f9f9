//! From a plan to steps: what is fused, how every value lies, which kernel does what.

use super::convolution::Convolution;
use super::depthwise::Depthwise;
use super::finish::Range;
use super::layout::{CHANNEL_BLOCK, Layout, Window};
use super::pool::MaxPool;
use super::step::{Kernel, Step};
use super::winograd::Winograd;
use crate::backbone::folding::Folded;
use crate::backbone::fusion::{Fused, fused, index, up_to_map};
use crate::backbone::plan::{self, Operation, Plan, Value};

/// What comes of a plan.
pub struct Compiled {
    /// In their order.
    pub steps: Vec<Step>,
    /// How the photos and what each step of the plan gives lie.
    pub layouts: Vec<Layout>,
    /// Which value is the last feature map.
    pub map: usize,
}

/// Compiles `plan` for photos of `[height, width]`, so many at a time.
///
/// # Panics
/// As [`CpuNetwork::compile`](super::CpuNetwork::compile).
pub fn compile(
    plan: &Plan,
    photo: [usize; 2],
    photos: usize,
    folded: impl Fn(&plan::Convolution) -> Folded,
) -> Compiled {
    let shapes = plan.shapes(photo);
    let fused = fused(plan);
    let layouts = layouts(plan, photo, &shapes, &fused, photos);
    let (map, body) = up_to_map(plan);
    let mut steps = Vec::with_capacity(body.len());
    for (at, step) in body.iter().enumerate() {
        let own = at + 1;
        let (input, kernel) = match &step.operation {
            Operation::Convolution { input, convolution } => {
                let winograd = is_winograd(*input, convolution, &layouts[index(*input)], photos);
                let input = index(*input);
                let (output, activation) = match fused[at] {
                    Some(Fused { sum, activation, .. }) => (sum, activation),
                    None => (own, convolution.activation),
                };
                let (from, to) = (layouts[input], layouts[output]);
                let range = activation.into();
                let kernel = kernel(convolution, winograd, from, to, range, &folded(convolution));
                (input, kernel)
            }
            Operation::MaxPool { input, kernel, stride, padding } => {
                let input = index(*input);
                let (from, to) = (layouts[input], layouts[own]);
                assert!(from.stored == to.stored, "no pool reads photos");
                let [padding, _] = padding.around(from.height, *kernel, *stride);
                let window = Window { kernel: *kernel, stride: *stride, padding };
                let pool = MaxPool { window, from, to };
                (input, Kernel::MaxPool(pool))
            }
            // Part of the convolution before it.
            Operation::Add { .. } => continue,
            Operation::GlobalAveragePool { .. } => panic!("the mean is the last step"),
        };
        let fused = fused[at].as_ref();
        steps.push(Step {
            kernel,
            input,
            shortcut: fused.map(|fused| fused.shortcut),
            output: fused.map_or(own, |fused| fused.sum),
        });
    }
    Compiled { steps, layouts, map }
}

/// How every value lies: with the border that its readers ask for. A sum and its shortcut lie alike.
fn layouts(
    plan: &Plan,
    photo: [usize; 2],
    shapes: &[[usize; 3]],
    fused: &[Option<Fused>],
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
    for step in &plan.steps {
        let Operation::Convolution { input, convolution } = &step.operation else { continue };
        let layout = &mut layouts[index(*input)];
        let winograd = is_winograd(*input, convolution, layout, photos);
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
    // From the last to the first and back: a sum may be the next one's shortcut.
    let pairs: Vec<_> = fused.iter().flatten().map(|fused| [fused.sum, fused.shortcut]).collect();
    for [one, other] in pairs.iter().rev().chain(&pairs) {
        let before = layouts[*one].before.max(layouts[*other].before);
        let after = layouts[*one].after.max(layouts[*other].after);
        for value in [*one, *other] {
            (layouts[value].before, layouts[value].after) = (before, after);
        }
    }
    layouts
}

/// Whether a convolution is computed by Winograd's way where so many photos come at a time. Its transforms take whole
/// registers of channels, which photos themselves do not have. Its filters are four times the weights: where they are met
/// by fewer tiles than the weights by pixels, reading them takes longer than the multiplications that they spare.
fn is_winograd(
    input: Value,
    convolution: &plan::Convolution,
    from: &Layout,
    photos: usize,
) -> bool {
    const FEWEST_TILES: usize = 12;
    let plan::Convolution { kernel, stride, padding, groups, .. } = convolution;
    input != Value::Photos
        && (*kernel, *stride, *padding, *groups) == (3, 1, plan::Padding::Each(1), 1)
        && photos * Winograd::tiles(from.height) * Winograd::tiles(from.width) >= FEWEST_TILES
}

fn kernel(
    convolution: &plan::Convolution,
    winograd: bool,
    from: Layout,
    to: Layout,
    range: Range,
    Folded { weight, bias }: &Folded,
) -> Kernel {
    let plan::Convolution { kernel, stride, groups, .. } = *convolution;
    let [padding, _] = convolution.padding.around(from.height, kernel, stride);
    let window = Window { kernel, stride, padding };
    let across = convolution.padding.around(from.width, kernel, stride)[0];
    assert_eq!(padding, across, "photos are square, or padding does not ask for it");
    match groups {
        1 if winograd => Kernel::Winograd(Winograd::new(weight, bias, from, to, range)),
        1 => Kernel::Convolution(Convolution::new(weight, bias, window, from, to, range)),
        _ => {
            assert!(groups == from.channels && groups == to.channels, "depthwise");
            assert!(from.stored == to.stored, "no depthwise convolution reads photos");
            Kernel::Depthwise(Depthwise::new(weight, bias, window, from, to, range))
        }
    }
}
