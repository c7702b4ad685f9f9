//! A plan compiled for the processor.
//!
//! At compile time each convolution takes its BatchNorm in, a sum with a shortcut becomes part of the convolution before
//! it, weights are packed as the kernels read them, and every value gets its place in memory. At run time each
//! activation is then written once and read by those steps that need it.
//!
//! | file | |
//! | --- | --- |
//! | `layout` | how activations lie: channels last, with borders of zeros |
//! | `product` | the kernel under every convolution |
//! | `convolution` | strided and 1x1 convolutions, the stem |
//! | `winograd` | 3x3 convolutions |
//! | `depthwise`, `pool`, `finish` | the rest |
//! | `instructions` | AVX-512, AVX2, NEON or none, seen at run time |
//! | `team`, `schedule` | who computes what, and where it lies |

mod convolution;
mod depthwise;
mod finish;
mod instructions;
mod layout;
mod pool;
mod product;
mod schedule;
mod team;
mod winograd;

use std::sync::{Mutex, MutexGuard};

use rayon::prelude::*;

use super::folding::Folded;
use super::plan::{self, Activation, Operation, Plan, Value};
use convolution::Convolution;
use depthwise::Depthwise;
pub use instructions::Instructions;
use layout::{CHANNEL_BLOCK, Layout};
use pool::MaxPool;
use schedule::{Place, Schedule};
use team::Team;
use winograd::Winograd;

/// Weights of a step, in bytes, from which on the steps are done for all photos at once: more than a core's cache holds
/// beside a photo's activations.
const HEAVY: usize = 4 << 20;

/// A backbone compiled for the processor, for photos of one size.
pub struct CpuNetwork {
    steps: Vec<Step>,
    /// How the photos and what each step of the plan gives lie.
    layouts: Vec<Layout>,
    /// Which value is the last feature map.
    map: usize,
    /// For many photos: each thread takes some, as far as that goes.
    spread: Schedule,
    /// For few: all threads work on the same step.
    joined: Schedule,
    instructions: Instructions,
    /// Memory of threads that are not at work.
    workspaces: Mutex<Vec<Vec<Vec<f32>>>>,
    /// Memory for all photos.
    batch: Mutex<Batch>,
}

/// Memory for all photos.
#[derive(Default)]
struct Batch {
    /// Which schedule's buffers these are, and for how many photos.
    made_for: Option<(bool, usize)>,
    buffers: Vec<Vec<f32>>,
    scratch: winograd::Scratch,
}

/// A step of a compiled network.
struct Step {
    kernel: Kernel,
    /// Value that is read.
    input: usize,
    /// Value that is added.
    shortcut: Option<usize>,
    /// Value that is written.
    output: usize,
}

enum Kernel {
    Convolution(Convolution),
    Winograd(Winograd),
    Depthwise(Depthwise),
    MaxPool(MaxPool),
}

/// Photos that a network takes.
#[derive(Clone, Copy)]
pub enum Photos<'a> {
    /// Pixels of three bytes, `[photos, height, width, 3]`, and what each channel's values stand for, `[channel][byte]`.
    Bytes(&'a [u8], &'a [[f32; 256]; 3]),
    /// Normalised values, `[photos, 3, height, width]`.
    Planes(&'a [f32]),
}

impl Step {
    fn reads(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.input).chain(self.shortcut)
    }

    fn bytes(&self) -> usize {
        match &self.kernel {
            Kernel::Convolution(convolution) => convolution.bytes(),
            Kernel::Winograd(winograd) => winograd.bytes(),
            Kernel::Depthwise(_) | Kernel::MaxPool(_) => 0,
        }
    }

    /// Does it. `scratch` is there where it is done for all photos.
    fn run(
        &self,
        instructions: Instructions,
        team: Team,
        input: &[f32],
        shortcut: Option<&[f32]>,
        output: &mut [f32],
        scratch: Option<&mut winograd::Scratch>,
    ) {
        match (&self.kernel, scratch) {
            (Kernel::Convolution(convolution), _) => {
                convolution.run(instructions, team, input, output, shortcut);
            }
            (Kernel::Winograd(winograd), Some(scratch)) => {
                winograd.by_position(instructions, team, input, output, shortcut, scratch);
            }
            (Kernel::Winograd(winograd), None) => {
                winograd.by_block(instructions, team, input, output, shortcut);
            }
            (Kernel::Depthwise(depthwise), _) => depthwise.run(instructions, team, input, output),
            (Kernel::MaxPool(pool), _) => pool.run(instructions, team, input, output),
        }
    }
}

impl CpuNetwork {
    /// Compiles `plan` for photos of `[height, width]`; `folded` gives a convolution's weights, BatchNorm worked into
    /// them.
    ///
    /// # Panics
    /// Where the plan has what no network here has: grouped convolutions that are not depthwise, a sum that does
    /// not follow a convolution, an end other than the mean over height and width.
    pub fn compile(
        plan: &Plan,
        photo: [usize; 2],
        instructions: Instructions,
        folded: impl Fn(&plan::Convolution) -> Folded,
    ) -> Self {
        let shapes = plan.shapes(photo);
        let fused = fused(plan);
        let layouts = layouts(plan, photo, &shapes, &fused);
        let (map, body) = match plan.steps.split_last() {
            Some((last, body)) => match last.operation {
                Operation::GlobalAveragePool { input } => (index(input), body),
                _ => panic!("every network ends in the mean over height and width"),
            },
            None => panic!("a plan has steps"),
        };
        let mut steps = Vec::with_capacity(body.len());
        for (at, step) in body.iter().enumerate() {
            let own = at + 1;
            let (input, kernel) = match &step.operation {
                Operation::Convolution { input, convolution } => {
                    let input = index(*input);
                    let (output, activation) = match fused[at] {
                        Some(Fused { sum, activation, .. }) => (sum, activation),
                        None => (own, convolution.activation),
                    };
                    let (from, to) = (layouts[input], layouts[output]);
                    let kernel = kernel(convolution, from, to, activation, &folded(convolution));
                    (input, kernel)
                }
                Operation::MaxPool { input, kernel, stride, padding } => {
                    let input = index(*input);
                    let (from, to) = (layouts[input], layouts[own]);
                    let [padding, _] = padding.around(from.height, *kernel, *stride);
                    let pool = MaxPool { kernel: *kernel, stride: *stride, padding, from, to };
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
        let boundary = steps.iter().position(|step| step.bytes() > HEAVY).unwrap_or(steps.len());
        let spread = Schedule::new(&steps, &layouts, boundary);
        let joined = Schedule::new(&steps, &layouts, 0);
        Self {
            steps,
            layouts,
            map,
            spread,
            joined,
            instructions,
            workspaces: Mutex::default(),
            batch: Mutex::default(),
        }
    }

    /// The shape of the last feature map, `[features, height, width]`.
    pub fn map_shape(&self) -> [usize; 3] {
        let Layout { channels, height, width, .. } = self.layouts[self.map];
        [channels, height, width]
    }

    /// The features of some photos, `[photos, features]`.
    ///
    /// # Panics
    /// Where the photos are of another size than it was compiled for.
    pub fn features(&self, photos: Photos) -> Vec<f32> {
        self.run(photos, |layout, values| pool::means(layout, values))
    }

    /// The last feature maps of some photos, `[photos, features, height, width]`.
    ///
    /// # Panics
    /// As [`features`](Self::features).
    pub fn feature_map(&self, photos: Photos) -> Vec<f32> {
        self.run(photos, |layout, values| {
            let mut planes = Vec::with_capacity(values.len());
            for photo in values.chunks_exact(layout.photo()) {
                for channel in 0..layout.channels {
                    for y in 0..layout.height {
                        planes.extend(
                            (0..layout.width)
                                .map(|x| photo[layout.at(y as isize, x as isize) + channel]),
                        );
                    }
                }
            }
            planes
        })
    }

    /// Takes photos through all steps and shows `read` the last feature map.
    fn run<T>(&self, photos: Photos, read: impl FnOnce(&Layout, &[f32]) -> T) -> T {
        let layout = &self.layouts[0];
        let values = 3 * layout.height * layout.width;
        let given = photos.values();
        assert_eq!(given % values, 0, "photos of the size that the network was compiled for");
        let count = given / values;
        let spread = count >= 2 * rayon::current_num_threads() && self.spread.boundary > 0;
        let schedule = if spread { &self.spread } else { &self.joined };

        let mut batch = lock(&self.batch);
        let batch = &mut *batch;
        if batch.made_for != Some((spread, count)) {
            batch.made_for = None;
            // The old ones go before the new ones come.
            batch.buffers.clear();
            batch.buffers =
                schedule.batch.iter().map(|layout| zeros(count * layout.photo())).collect();
            batch.made_for = Some((spread, count));
        }
        match spread {
            true => self.each_photo(photos, schedule, &mut batch.buffers),
            false => {
                let Place::Batch(slot) = schedule.places[0] else {
                    unreachable!("without a first part everything is kept for all photos")
                };
                let buffer = &mut batch.buffers[slot];
                buffer
                    .par_chunks_mut(layout.photo())
                    .enumerate()
                    .for_each(|(photo, buffer)| photos.write(photo, layout, buffer));
            }
        }
        for step in &self.steps[schedule.boundary..] {
            let slot = |value: usize| match schedule.places[value] {
                Place::Batch(slot) => slot,
                Place::Photo(_) => {
                    unreachable!("what the second part reads is kept for all photos")
                }
            };
            let mut output = std::mem::take(&mut batch.buffers[slot(step.output)]);
            let input = &batch.buffers[slot(step.input)];
            let shortcut = step.shortcut.map(|value| &*batch.buffers[slot(value)]);
            // A block at a time where the filters stay in the cache.
            let scratch = (step.bytes() > HEAVY).then_some(&mut batch.scratch);
            step.run(self.instructions, Team::Together, input, shortcut, &mut output, scratch);
            batch.buffers[slot(step.output)] = output;
        }
        let Place::Batch(slot) = schedule.places[self.map] else {
            unreachable!("the result is kept for all photos")
        };
        read(&self.layouts[self.map], &batch.buffers[slot])
    }

    /// The first part of a schedule, a photo a thread.
    fn each_photo(&self, photos: Photos, schedule: &Schedule, batch: &mut [Vec<f32>]) {
        // What each photo leaves for the second part, by buffer.
        let mut kept: Vec<Vec<Option<&mut [f32]>>> = Vec::new();
        for (slot, buffer) in batch.iter_mut().enumerate() {
            let made = self.steps[..schedule.boundary]
                .iter()
                .any(|step| schedule.places[step.output] == Place::Batch(slot));
            for (photo, part) in buffer.chunks_mut(schedule.batch[slot].photo()).enumerate() {
                if kept.len() <= photo {
                    kept.push(Vec::new());
                }
                kept[photo].push(made.then_some(part));
            }
        }
        kept.into_par_iter().enumerate().for_each(|(photo, mut kept)| {
            let workspace = lock(&self.workspaces).pop();
            let mut workspace = workspace.unwrap_or_else(|| {
                schedule.photo.iter().map(|layout| zeros(layout.photo())).collect()
            });
            if let Place::Photo(slot) = schedule.places[0] {
                photos.write(photo, &self.layouts[0], &mut workspace[slot]);
            }
            for step in &self.steps[..schedule.boundary] {
                let place = schedule.places[step.output];
                let mut own = Vec::new();
                let mut given = None;
                match place {
                    Place::Photo(slot) => own = std::mem::take(&mut workspace[slot]),
                    Place::Batch(slot) => given = kept[slot].take(),
                }
                let read = |value: usize| -> &[f32] {
                    match schedule.places[value] {
                        Place::Photo(slot) => &workspace[slot],
                        Place::Batch(slot) => kept[slot].as_deref().expect("written before"),
                    }
                };
                let output = given.as_deref_mut().unwrap_or(&mut own);
                let shortcut = step.shortcut.map(read);
                step.run(self.instructions, Team::Alone, read(step.input), shortcut, output, None);
                match place {
                    Place::Photo(slot) => workspace[slot] = own,
                    Place::Batch(slot) => kept[slot] = given,
                }
            }
            lock(&self.workspaces).push(workspace);
        });
    }
}

impl Photos<'_> {
    fn values(&self) -> usize {
        match self {
            Self::Bytes(bytes, _) => bytes.len(),
            Self::Planes(planes) => planes.len(),
        }
    }

    /// Writes a photo as `layout` says.
    fn write(&self, photo: usize, layout: &Layout, buffer: &mut [f32]) {
        let plane = layout.height * layout.width;
        for y in 0..layout.height {
            let line = &mut buffer[layout.at(y as isize, 0)..][..3 * layout.width];
            match self {
                Self::Bytes(bytes, tables) => {
                    let bytes = &bytes[3 * (photo * plane + y * layout.width)..][..line.len()];
                    for (pixel, bytes) in line.chunks_exact_mut(3).zip(bytes.chunks_exact(3)) {
                        for channel in 0..3 {
                            pixel[channel] = tables[channel][usize::from(bytes[channel])];
                        }
                    }
                }
                Self::Planes(planes) => {
                    for (x, pixel) in line.chunks_exact_mut(3).enumerate() {
                        for (channel, value) in pixel.iter_mut().enumerate() {
                            let at = (3 * photo + channel) * plane + y * layout.width + x;
                            *value = planes[at];
                        }
                    }
                }
            }
        }
    }
}

fn zeros(count: usize) -> Vec<f32> {
    vec![0.0; count]
}

/// A panic while it was held leaves numbers behind that the next photos overwrite.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A value's index: the photos, then what each step of the plan gives.
fn index(value: Value) -> usize {
    match value {
        Value::Photos => 0,
        Value::Output(step) => step + 1,
    }
}

/// A sum that a convolution takes over.
#[derive(Clone, Copy)]
struct Fused {
    /// What it adds.
    shortcut: usize,
    /// The sum's value.
    sum: usize,
    /// The sum's activation.
    activation: Activation,
}

/// For each step the sum that it takes over: the later one of the two that the sum reads, so that the other is there.
fn fused(plan: &Plan) -> Vec<Option<Fused>> {
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

/// How every value lies: with the border that its readers ask for. A sum and its shortcut lie alike.
fn layouts(
    plan: &Plan,
    photo: [usize; 2],
    shapes: &[[usize; 3]],
    fused: &[Option<Fused>],
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
        for side in [layout.height, layout.width] {
            let around = convolution.padding.around(side, convolution.kernel, convolution.stride);
            let after = match is_winograd(convolution) {
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

fn is_winograd(convolution: &plan::Convolution) -> bool {
    let plan::Convolution { kernel, stride, padding, groups, .. } = convolution;
    (*kernel, *stride, *padding, *groups) == (3, 1, plan::Padding::Each(1), 1)
}

fn kernel(
    convolution: &plan::Convolution,
    from: Layout,
    to: Layout,
    activation: Activation,
    Folded { weight, bias }: &Folded,
) -> Kernel {
    let range = activation.into();
    let plan::Convolution { kernel, stride, groups, .. } = *convolution;
    let [padding, _] = convolution.padding.around(from.height, kernel, stride);
    let window = (kernel, stride, padding);
    let across = convolution.padding.around(from.width, kernel, stride)[0];
    assert_eq!(padding, across, "photos are square, or padding does not ask for it");
    match groups {
        1 if is_winograd(convolution) => {
            Kernel::Winograd(Winograd::new(weight, bias, from, to, range))
        }
        1 => Kernel::Convolution(Convolution::new(weight, bias, window, from, to, range)),
        _ => {
            assert!(groups == from.channels && groups == to.channels, "depthwise");
            Kernel::Depthwise(Depthwise::new(weight, bias, window, from, to, range))
        }
    }
}
