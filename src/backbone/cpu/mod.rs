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
//! | `photos` | how photos come in |
//! | `instructions` | AVX-512, AVX2, NEON or none, seen at run time |
//! | `compile`, `step` | from a plan to steps |
//! | `team`, `schedule` | who computes what, and where it lies |

// Iterators' closures are not always compiled into the function that has the vector instructions; plain loops are.
#![allow(clippy::needless_range_loop)]

mod compile;
mod convolution;
mod depthwise;
mod finish;
mod instructions;
mod layout;
mod photos;
mod pool;
mod product;
mod schedule;
mod step;
mod team;
mod winograd;

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::folding::Folded;
use super::plan::{self, Plan};
use compile::Compiled;
pub use instructions::Instructions;
use layout::Layout;
pub use photos::Photos;
use schedule::{Place, Schedule};
use step::Step;
use team::Team;

/// Photos that go through a network together, on a processor of a few threads: with more their activations no longer lie
/// in the last cache, with fewer the weights are read more often (benches/RESULTS.md).
const AT_A_TIME: usize = 16;

/// How a network is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The vector instructions of its kernels.
    pub instructions: Instructions,
    /// Bytes of a step's weights beyond which it is done for all photos at once, and all steps after it: more than a core's
    /// cache holds beside a photo's activations.
    pub heavy: usize,
    /// Photos that come at a time: what is best for one is not for sixteen. More or fewer may come.
    pub photos: usize,
}

impl Tuning {
    /// For a photo at a time, as they come: fewer bytes of weights, more multiplications.
    pub fn for_one_photo() -> Self {
        Self { photos: 1, ..Self::default() }
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self { instructions: Instructions::Best, heavy: 4 << 20, photos: AT_A_TIME }
    }
}

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
    tuning: Tuning,
    // Taken out while in use: a thread that waits for others may meanwhile be given another call of the same network,
    // which must not wait for the first.
    /// Memory of threads that are not at work.
    workspaces: Mutex<Vec<Vec<Vec<f32>>>>,
    /// Memory for all photos that is not in use.
    batches: Mutex<Vec<Batch>>,
}

/// Memory for all photos.
#[derive(Default)]
struct Batch {
    /// Whether the buffers are those of the schedule that spreads photos over threads, and for how many photos.
    made_for: Option<(bool, usize)>,
    buffers: Vec<Vec<f32>>,
    scratch: winograd::Scratch,
}

impl CpuNetwork {
    /// Compiles `plan` for photos of `[height, width]`; `folded` gives a convolution's weights, BatchNorm worked into
    /// them.
    ///
    /// # Panics
    /// Where the plan has what no network here has: grouped convolutions that are not depthwise, a sum that does
    /// not follow a convolution, anything but a convolution of all channels on the photos themselves, an end other than the
    /// mean over height and width; and where `SAME` padding differs between the sides of photos that are not square.
    pub fn compile(
        plan: &Plan,
        photo: [usize; 2],
        tuning: Tuning,
        folded: impl Fn(&plan::Convolution) -> Folded,
    ) -> Self {
        let Compiled { steps, layouts, map } = compile::compile(plan, photo, tuning.photos, folded);
        let boundary =
            steps.iter().position(|step| step.bytes() > tuning.heavy).unwrap_or(steps.len());
        let spread = Schedule::new(&steps, &layouts, map, boundary);
        let joined = Schedule::new(&steps, &layouts, map, 0);
        Self {
            steps,
            layouts,
            map,
            spread,
            joined,
            tuning,
            workspaces: Mutex::default(),
            batches: Mutex::default(),
        }
    }

    /// Photos that go through a network together on this processor. More may be given; they are divided.
    pub fn photos_at_a_time() -> usize {
        AT_A_TIME.max(2 * rayon::current_num_threads())
    }

    /// The shape of the last feature map, `[features, height, width]`.
    pub fn map_shape(&self) -> [usize; 3] {
        let Layout { channels, height, width, .. } = self.layouts[self.map];
        [channels, height, width]
    }

    /// The features of some photos, `[photos, features]`.
    ///
    /// # Panics
    /// Where there are not the values of a whole number of photos of the size that it was compiled for.
    pub fn features(&self, photos: Photos) -> Vec<f32> {
        self.run(photos, pool::means)
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

    /// Takes photos through all steps, some at a time, and joins what `read` makes of their last feature maps.
    fn run(&self, photos: Photos, read: impl Fn(&Layout, &[f32]) -> Vec<f32>) -> Vec<f32> {
        let layout = &self.layouts[0];
        let values = 3 * layout.height * layout.width;
        assert_eq!(photos.values() % values, 0, "photos of the size that it was compiled for");
        let mut result = Vec::new();
        for group in product::blocks(photos.values() / values, Self::photos_at_a_time())
            .filter(|group| !group.is_empty())
        {
            result.extend(self.run_group(photos, group, &read));
        }
        result
    }

    fn run_group<T>(
        &self,
        photos: Photos,
        group: Range<usize>,
        read: impl Fn(&Layout, &[f32]) -> T,
    ) -> T {
        let layout = &self.layouts[0];
        let count = group.len();
        let spread = count >= rayon::current_num_threads() && self.spread.boundary > 0 && count > 1;
        let schedule = if spread { &self.spread } else { &self.joined };

        let mut batch = lock(&self.batches).pop().unwrap_or_default();
        if !batch.made_for.is_some_and(|(kind, most)| kind == spread && most >= count) {
            // The old ones go before the new ones come.
            batch.buffers.clear();
            batch.buffers.extend(schedule.batch.iter().map(|layout| zeros(count * layout.photo())));
            batch.made_for = Some((spread, count));
        }
        let slot = |value: usize| match schedule.places[value] {
            Place::Batch(slot) => slot,
            Place::Photo(_) => unreachable!("what the second part reads is kept for all photos"),
        };
        match spread {
            true => self.each_photo(photos, group, schedule, &mut batch.buffers),
            false => {
                let buffer = &mut batch.buffers[slot(0)][..count * layout.photo()];
                Team::Together.pieces(buffer, layout.photo(), |photo, buffer| {
                    photos.write(group.start + photo, layout, buffer);
                });
            }
        }
        let buffers = batch.buffers.iter_mut().zip(&schedule.batch);
        let mut buffers: Vec<&mut [f32]> =
            buffers.map(|(buffer, layout)| &mut buffer[..count * layout.photo()]).collect();
        self.run_steps(
            schedule.boundary..self.steps.len(),
            &mut buffers,
            slot,
            Some(&mut batch.scratch),
        );
        let map = &self.layouts[self.map];
        let result = read(map, &batch.buffers[slot(self.map)][..count * map.photo()]);
        lock(&self.batches).push(batch);
        result
    }

    /// The first part of a schedule for the photos of `group`, a photo a thread.
    fn each_photo(
        &self,
        photos: Photos,
        group: Range<usize>,
        schedule: &Schedule,
        batch: &mut [Vec<f32>],
    ) {
        // Each photo's part of what is kept for the second part, by buffer.
        let mut kept: Vec<Vec<&mut [f32]>> = group.clone().map(|_| Vec::new()).collect();
        for (buffer, layout) in batch.iter_mut().zip(&schedule.batch) {
            for (kept, part) in kept.iter_mut().zip(buffer.chunks_mut(layout.photo())) {
                kept.push(part);
            }
        }
        kept.into_par_iter().zip(group).for_each(|(kept, photo)| {
            let workspace = lock(&self.workspaces).pop();
            let mut workspace: Vec<Vec<f32>> = workspace.unwrap_or_else(|| {
                schedule.photo.iter().map(|layout| zeros(layout.photo())).collect()
            });
            let Place::Photo(slot) = schedule.places[0] else {
                unreachable!("the photos are read by the first part alone")
            };
            photos.write(photo, &self.layouts[0], &mut workspace[slot]);
            let mut buffers: Vec<&mut [f32]> =
                workspace.iter_mut().map(Vec::as_mut_slice).chain(kept).collect();
            let place = |value: usize| match schedule.places[value] {
                Place::Photo(slot) => slot,
                Place::Batch(slot) => schedule.photo.len() + slot,
            };
            self.run_steps(0..schedule.boundary, &mut buffers, place, None);
            lock(&self.workspaces).push(workspace);
        });
    }

    /// Does some steps on `buffers`, in which each value is where `place` says: for all photos where there is `scratch`, else
    /// for one.
    fn run_steps(
        &self,
        steps: Range<usize>,
        buffers: &mut [&mut [f32]],
        place: impl Fn(usize) -> usize,
        mut scratch: Option<&mut winograd::Scratch>,
    ) {
        let team = if scratch.is_some() { Team::Together } else { Team::Alone };
        for step in &self.steps[steps] {
            let output = std::mem::take(&mut buffers[place(step.output)]);
            let values = |value: usize| &*buffers[place(value)];
            // A block at a time where the filters stay in the cache.
            let scratch = scratch.as_deref_mut().filter(|_| step.bytes() > self.tuning.heavy);
            let shortcut = step.shortcut.map(values);
            let input = values(step.input);
            step.run(self.tuning.instructions, team, input, shortcut, output, scratch);
            buffers[place(step.output)] = output;
        }
    }
}

fn zeros(count: usize) -> Vec<f32> {
    vec![0.0; count]
}

/// A panic while it was held leaves nothing behind that is used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
