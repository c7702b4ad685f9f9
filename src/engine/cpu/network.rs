//! A plan compiled for the processor, and its forward.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::compile::{self, Compiled};
use super::crew;
use super::floats::Floats;
use super::layout::Layout;
use super::packed::Packer;
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
    // Buffers are taken out while they are in use, so that calls from several threads do not wait
    // for each other.
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

/// Turns the last feature map of one photo into the photo's part of the result.
type Read<'a> = dyn Fn(&Layout, &[f32], &mut [f32]) + Sync + 'a;

/// Buffers for a whole batch.
#[derive(Default)]
struct Batch {
    /// For the schedule with which boundary they are, and for how many photos.
    made_for: Option<(usize, usize)>,
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
        Self::packed(plan, photo, tuning, &mut Packer::default(), folded)
    }

    /// As [`compile`](Self::compile), with the weights that `packer` packs or has. If it has them,
    /// those of `folded` are not used.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub(super) fn packed(
        plan: &Plan,
        photo: [usize; 2],
        tuning: Tuning,
        packer: &mut Packer,
        folded: impl Fn(&plan::Convolution) -> Folded,
    ) -> Result<Self, Unsupported> {
        let Compiled { steps, layouts, map } =
            compile::compile(plan, photo, tuning.photos, packer, folded)?;
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

    /// Frees the buffers of activations. The next forward makes new ones.
    pub(super) fn free_buffers(&self) {
        lock(&self.workspaces).clear();
        lock(&self.batches).clear();
    }

    /// The features of some photos, `[photos, features]`.
    ///
    /// # Panics
    /// If `photos` is not a whole number of photos of the size that the network was compiled for.
    pub fn features(&self, photos: Photos) -> Vec<f32> {
        self.run(photos, self.layouts[self.map].channels, &pool::means)
    }

    /// The last feature maps of some photos, `[photos, features, height, width]`.
    ///
    /// # Panics
    /// As [`features`](Self::features).
    pub fn feature_map(&self, photos: Photos) -> Vec<f32> {
        let Layout { channels, height, width, .. } = self.layouts[self.map];
        self.run(photos, channels * height * width, &|layout, photo, planes| {
            for (channel, plane) in planes.chunks_exact_mut(height * width).enumerate() {
                for (y, line) in plane.chunks_exact_mut(width).enumerate() {
                    for (x, value) in line.iter_mut().enumerate() {
                        *value = photo[layout.at(y as isize, x as isize) + channel];
                    }
                }
            }
        })
    }

    /// Runs all steps batch by batch, and lets `read` turn the last feature map of each photo into
    /// `length` values.
    fn run(&self, photos: Photos, length: usize, read: &Read) -> Vec<f32> {
        let layout = &self.layouts[0];
        let values = 3 * layout.height * layout.width;
        assert_eq!(
            photos.values() % values,
            0,
            "photos of another size than the network was compiled for"
        );
        let count = photos.values() / values;
        let mut result = vec![0.0; count * length];
        crew::assembled(|| {
            // Without a second part no step waits for a whole batch.
            let has_second_part = self.per_photo.boundary < self.steps.len();
            let max = if has_second_part { Self::batch_size() } else { count };
            for group in product::blocks(count, max.max(1)).filter(|group| !group.is_empty()) {
                let result = &mut result[group.start * length..group.end * length];
                match self.is_per_photo(group.len()) {
                    true => self.run_per_photo(photos, group, length, result, read),
                    false => self.run_together(photos, group, length, result, read),
                }
            }
        });
        result
    }

    /// Runs all steps on all photos of `group` together.
    fn run_together(
        &self,
        photos: Photos,
        group: Range<usize>,
        length: usize,
        result: &mut [f32],
        read: &Read,
    ) {
        let (schedule, layout) = (&self.cooperative, &self.layouts[0]);
        let mut batch = self.batch(schedule, group.len());
        let input = schedule.batch_slot(0);
        let lines = lines_per_piece(layout);
        Parallelism::Parallel.lines(
            layout,
            lines,
            &mut batch.buffers[input][..group.len() * layout.photo()],
            |photo, first, lines| photos.write(group.start + photo, layout, first, lines),
        );
        self.run_second_part(schedule, &mut batch, group.len(), length, result, read);
        lock(&self.batches).push(batch);
    }

    /// Runs the first part of the schedule for each photo of `group` on one thread, and the second
    /// part on all photos together.
    ///
    /// If the number of photos is not a multiple of the number of threads, all threads share
    /// each of the last photos.
    fn run_per_photo(
        &self,
        photos: Photos,
        group: Range<usize>,
        length: usize,
        result: &mut [f32],
        read: &Read,
    ) {
        let schedule = &self.per_photo;
        let count = group.len();
        let mut batch = self.batch(schedule, count);
        // Each photo's parts of the batch buffers that the second part reads, by buffer.
        let mut pieces: Vec<_> = group
            .zip(result.chunks_mut(length))
            .map(|(photo, result)| (photo, Vec::with_capacity(schedule.batch.len()), result))
            .collect();
        for (buffer, layout) in batch.buffers.iter_mut().zip(&schedule.batch) {
            for (piece, part) in pieces.iter_mut().zip(buffer.chunks_mut(layout.photo())) {
                piece.1.push(part);
            }
        }
        let shared = pieces.split_off(count - count % rayon::current_num_threads());
        let run = |parallelism, photo, parts, result: &mut [f32]| {
            self.run_first_part(parallelism, photos, photo, parts, result, read);
        };
        Parallelism::Parallel.each(pieces, |(photo, parts, result)| {
            run(Parallelism::Serial, photo, parts, result);
        });
        for (photo, parts, result) in shared {
            run(Parallelism::Parallel, photo, parts, result);
        }
        if schedule.boundary < self.steps.len() {
            self.run_second_part(schedule, &mut batch, count, length, result, read);
        }
        lock(&self.batches).push(batch);
    }

    /// Runs the first part of the schedule for one photo, whose `parts` of the batch buffers receive
    /// what the second part reads. If there is no second part, reads the result.
    fn run_first_part(
        &self,
        parallelism: Parallelism,
        photos: Photos,
        photo: usize,
        parts: Vec<&mut [f32]>,
        result: &mut [f32],
        read: &Read,
    ) {
        let schedule = &self.per_photo;
        let layout = &self.layouts[0];
        let workspace = lock(&self.workspaces).pop();
        let mut workspace: Vec<Floats> = workspace.unwrap_or_else(|| {
            schedule.photo.iter().map(|layout| Floats::zeros(layout.photo())).collect()
        });
        let slot = |value: usize| match schedule.slots[value] {
            BufferSlot::Photo(slot) => slot,
            BufferSlot::Batch(slot) => schedule.photo.len() + slot,
        };
        let mut buffers: Vec<&mut [f32]> =
            workspace.iter_mut().map(|buffer| &mut **buffer).chain(parts).collect();
        parallelism.lines(layout, lines_per_piece(layout), buffers[slot(0)], |_, first, lines| {
            photos.write(photo, layout, first, lines)
        });
        self.run_steps(parallelism, 0..schedule.boundary, &mut buffers, slot, None);
        if schedule.boundary == self.steps.len() {
            read(&self.layouts[self.map], buffers[slot(self.map)], result);
        }
        lock(&self.workspaces).push(workspace);
    }

    /// Runs the second part of a schedule for all photos of a batch, and reads the result.
    fn run_second_part(
        &self,
        schedule: &Schedule,
        batch: &mut Batch,
        count: usize,
        length: usize,
        result: &mut [f32],
        read: &Read,
    ) {
        let buffers = batch.buffers.iter_mut().zip(&schedule.batch);
        let mut buffers: Vec<&mut [f32]> =
            buffers.map(|(buffer, layout)| &mut buffer[..count * layout.photo()]).collect();
        let slot = |value| schedule.batch_slot(value);
        let steps = schedule.boundary..self.steps.len();
        let scratch = Some(&mut batch.scratch);
        self.run_steps(Parallelism::Parallel, steps, &mut buffers, slot, scratch);
        let (layout, map) = (&self.layouts[self.map], &*buffers[slot(self.map)]);
        Parallelism::Parallel.pieces(result, length, |photo, result| {
            read(layout, layout.one(map, photo), result);
        });
    }

    /// Takes buffers for `count` photos.
    fn batch(&self, schedule: &Schedule, count: usize) -> Batch {
        let mut batch = lock(&self.batches).pop().unwrap_or_default();
        if !batch
            .made_for
            .is_some_and(|(boundary, photos)| boundary == schedule.boundary && photos >= count)
        {
            // Frees the old ones before it allocates the new ones.
            batch.buffers.clear();
            batch
                .buffers
                .extend(schedule.batch.iter().map(|layout| Floats::zeros(count * layout.photo())));
            batch.made_for = Some((schedule.boundary, count));
        }
        batch
    }

    /// Runs some steps. `slot` gives the index of each value's buffer. With `scratch` the buffers
    /// hold a whole batch, without it one photo.
    fn run_steps(
        &self,
        parallelism: Parallelism,
        steps: Range<usize>,
        buffers: &mut [&mut [f32]],
        slot: impl Fn(usize) -> usize,
        mut scratch: Option<&mut winograd::Scratch>,
    ) {
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

/// Lines of the photos that a thread converts at a time.
fn lines_per_piece(layout: &Layout) -> usize {
    const PIECES: usize = 8;
    layout.height.div_ceil(PIECES)
}

/// Locks `mutex`, even if a panic poisoned it: the panic leaves nothing behind that is used later.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
