//! A plan compiled for the processor, and its forward.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::compile::{self, Compiled};
use super::floats::Floats;
use super::layout::Layout;
use super::parallelism::Parallelism;
use super::photos::Photos;
use super::schedule::{BufferSlot, Schedule};
use super::step::Step;
use super::tuning::{BATCH_SIZE, Tuning};
use super::{pool, product, winograd};
use crate::engine::NetworkSpec;
use crate::plan::{self, Folded, Plan, Unsupported};

/// A network compiled for the processor, for photos of one size.
pub struct CpuNetwork {
    steps: Vec<Step>,
    /// The layouts of the photos and of the output of each step of the plan.
    layouts: Vec<Layout>,
    /// The value that is the last feature map.
    map: usize,
    /// For many photos: each thread computes its own photos, for the steps in which that is faster.
    per_photo: Schedule,
    /// For few photos: all threads work on the same step.
    cooperative: Schedule,
    tuning: Tuning,
    // Buffers are taken out while they are in use: while a thread waits for others, rayon may run
    // another call of the same network on it, which must not wait for the first.
    /// Buffers of threads that are idle.
    workspaces: Mutex<Vec<Vec<Floats>>>,
    /// Buffers for whole batches that are not in use.
    batches: Mutex<Vec<Batch>>,
    /// Nanoseconds that all threads spent in each step.
    nanoseconds: Vec<AtomicU64>,
}

/// A step of a compiled network, and the time that it took.
#[derive(Clone, Debug)]
pub struct StepTime {
    /// The kernel.
    pub kernel: &'static str,
    /// Number of the value that it reads: 0 for the photos, `n + 1` for the output of step `n` of the
    /// plan. A kernel may compute several steps of the plan.
    pub reads: usize,
    /// Number of the shortcut that it adds.
    pub shortcut: Option<usize>,
    /// Number of the value that it writes.
    pub writes: usize,
    /// Shape of the input, `[channels, height, width]`.
    pub input: [usize; 3],
    /// Shape of the output, `[channels, height, width]`.
    pub output: [usize; 3],
    /// Time in which the photos passed this step. Where each thread runs the step on photos of its
    /// own, the sum over the threads.
    pub time: Duration,
    /// Whether each thread ran the step on photos of its own.
    pub is_per_photo: bool,
}

/// Buffers for a whole batch.
#[derive(Default)]
struct Batch {
    /// Whether the buffers belong to the schedule `per_photo`, and for how many photos.
    made_for: Option<(bool, usize)>,
    buffers: Vec<Floats>,
    scratch: winograd::Scratch,
}

impl CpuNetwork {
    /// Compiles `network` for photos of `[height, width]`.
    ///
    /// # Errors
    /// If no kernel runs a step.
    pub fn of(
        network: &NetworkSpec,
        photo: [usize; 2],
        tuning: Tuning,
    ) -> Result<Self, Unsupported> {
        Self::compile(&network.plan, photo, tuning, |convolution| network.folded(convolution))
    }

    /// Compiles `plan` for photos of `[height, width]`. `folded` returns the weights of a
    /// convolution, with its BatchNorm folded in.
    ///
    /// # Errors
    /// If no kernel runs a step (see [`FusedPlan::of`](crate::plan::FusedPlan::of)), or if photos
    /// are not square and `SAME` padding differs between their sides.
    pub fn compile(
        plan: &Plan,
        photo: [usize; 2],
        tuning: Tuning,
        folded: impl Fn(&plan::Convolution) -> Folded,
    ) -> Result<Self, Unsupported> {
        let Compiled { steps, layouts, map } =
            compile::compile(plan, photo, tuning.photos, folded)?;
        let boundary = steps
            .iter()
            .position(|step| step.bytes() > tuning.weight_bytes_threshold)
            .unwrap_or(steps.len());
        let per_photo = Schedule::new(&steps, &layouts, map, boundary);
        let cooperative = Schedule::new(&steps, &layouts, map, 0);
        Ok(Self {
            nanoseconds: steps.iter().map(|_| AtomicU64::new(0)).collect(),
            steps,
            layouts,
            map,
            per_photo,
            cooperative,
            tuning,
            workspaces: Mutex::default(),
            batches: Mutex::default(),
        })
    }

    /// The best batch size on this processor. Larger batches work too; they are divided.
    pub fn batch_size() -> usize {
        BATCH_SIZE.max(2 * rayon::current_num_threads())
    }

    /// The shape of the last feature map, `[features, height, width]`.
    pub fn map_shape(&self) -> [usize; 3] {
        let Layout { channels, height, width, .. } = self.layouts[self.map];
        [channels, height, width]
    }

    /// Runs `forwards` forwards of `photos` and returns each step's time in all of them.
    ///
    /// # Panics
    /// As [`features`](Self::features).
    pub fn step_times(&self, photos: Photos, forwards: usize) -> Vec<StepTime> {
        self.nanoseconds.iter().for_each(|time| time.store(0, Ordering::Relaxed));
        (0..forwards).for_each(|_| drop(self.features(photos)));
        let shape = |value: usize| {
            let Layout { channels, height, width, .. } = self.layouts[value];
            [channels, height, width]
        };
        let count = photos.values() / shape(0).iter().product::<usize>();
        let boundary = if self.is_per_photo(count) { self.per_photo.boundary } else { 0 };
        self.steps
            .iter()
            .zip(&self.nanoseconds)
            .enumerate()
            .map(|(index, (step, time))| StepTime {
                kernel: step.kernel.name(),
                reads: step.input,
                shortcut: step.shortcut,
                writes: step.output,
                input: shape(step.input),
                output: shape(step.output),
                time: Duration::from_nanos(time.load(Ordering::Relaxed)),
                is_per_photo: index < boundary,
            })
            .collect()
    }

    /// Whether each thread computes photos of its own, for this many photos.
    fn is_per_photo(&self, photos: usize) -> bool {
        photos >= rayon::current_num_threads() && self.per_photo.boundary > 0 && photos > 1
    }

    /// The features of some photos, `[photos, features]`.
    ///
    /// # Panics
    /// If `photos` is not a whole number of photos of the size that the network was compiled for.
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

    /// Runs all steps batch by batch, and joins the results of `read` on the last feature maps.
    fn run(&self, photos: Photos, read: impl Fn(&Layout, &[f32]) -> Vec<f32>) -> Vec<f32> {
        let layout = &self.layouts[0];
        let values = 3 * layout.height * layout.width;
        assert_eq!(
            photos.values() % values,
            0,
            "photos of another size than the network was compiled for"
        );
        let mut result = Vec::new();
        for group in product::blocks(photos.values() / values, Self::batch_size())
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
        let per_photo = self.is_per_photo(count);
        let schedule = if per_photo { &self.per_photo } else { &self.cooperative };

        let mut batch = lock(&self.batches).pop().unwrap_or_default();
        if !batch.made_for.is_some_and(|(kind, photos)| kind == per_photo && photos >= count) {
            // Frees the old ones before it allocates the new ones.
            batch.buffers.clear();
            batch
                .buffers
                .extend(schedule.batch.iter().map(|layout| Floats::zeros(count * layout.photo())));
            batch.made_for = Some((per_photo, count));
        }
        let slot = |value: usize| match schedule.slots[value] {
            BufferSlot::Batch(slot) => slot,
            // `Schedule::new` puts every value that the second part reads into a batch buffer.
            BufferSlot::Photo(_) => unreachable!("read by the second part, so in a batch buffer"),
        };
        match per_photo {
            true => self.each_photo(photos, group, schedule, &mut batch.buffers),
            false => {
                let buffer = &mut batch.buffers[slot(0)][..count * layout.photo()];
                Parallelism::Parallel.pieces(buffer, layout.photo(), |photo, buffer| {
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

    /// Runs the first part of a schedule for the photos of `group`, one photo per thread.
    fn each_photo(
        &self,
        photos: Photos,
        group: Range<usize>,
        schedule: &Schedule,
        batch: &mut [Floats],
    ) {
        // Each photo's part of the batch buffers that the second part reads, by buffer.
        let mut kept: Vec<Vec<&mut [f32]>> = group.clone().map(|_| Vec::new()).collect();
        for (buffer, layout) in batch.iter_mut().zip(&schedule.batch) {
            for (kept, part) in kept.iter_mut().zip(buffer.chunks_mut(layout.photo())) {
                kept.push(part);
            }
        }
        kept.into_par_iter().zip(group).for_each(|(kept, photo)| {
            let workspace = lock(&self.workspaces).pop();
            let mut workspace: Vec<Floats> = workspace.unwrap_or_else(|| {
                schedule.photo.iter().map(|layout| Floats::zeros(layout.photo())).collect()
            });
            let BufferSlot::Photo(slot) = schedule.slots[0] else {
                // Fusion lets only the first step read photos, and the first part has that step.
                unreachable!("only the first part reads the photos")
            };
            photos.write(photo, &self.layouts[0], &mut workspace[slot]);
            let mut buffers: Vec<&mut [f32]> =
                workspace.iter_mut().map(|buffer| &mut **buffer).chain(kept).collect();
            let slot = |value: usize| match schedule.slots[value] {
                BufferSlot::Photo(slot) => slot,
                BufferSlot::Batch(slot) => schedule.photo.len() + slot,
            };
            self.run_steps(0..schedule.boundary, &mut buffers, slot, None);
            lock(&self.workspaces).push(workspace);
        });
    }

    /// Runs some steps. `slot` gives the index of each value's buffer. With `scratch` the buffers
    /// hold a whole batch, without it one photo.
    fn run_steps(
        &self,
        steps: Range<usize>,
        buffers: &mut [&mut [f32]],
        slot: impl Fn(usize) -> usize,
        mut scratch: Option<&mut winograd::Scratch>,
    ) {
        let parallelism =
            if scratch.is_some() { Parallelism::Parallel } else { Parallelism::Serial };
        for index in steps {
            let (step, start) = (&self.steps[index], Instant::now());
            let output = std::mem::take(&mut buffers[slot(step.output)]);
            let values = |value: usize| &*buffers[slot(value)];
            // Without scratch a step works block by block, while its filters stay in the cache.
            let scratch = scratch
                .as_deref_mut()
                .filter(|_| step.bytes() > self.tuning.weight_bytes_threshold);
            let shortcut = step.shortcut.map(values);
            let input = values(step.input);
            step.run(self.tuning.instructions, parallelism, input, shortcut, output, scratch);
            buffers[slot(step.output)] = output;
            let time = start.elapsed().as_nanos() as u64;
            self.nanoseconds[index].fetch_add(time, Ordering::Relaxed);
        }
    }
}

/// Locks `mutex`, even if a panic poisoned it: the panic leaves nothing behind that is used later.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
