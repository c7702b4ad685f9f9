//! A plan compiled for the processor.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::compile::{self, Compiled};
use super::floats::Floats;
use super::forward::{Batch, lock};
use super::layout::Layout;
use super::packed::Packer;
use super::photos::Photos;
use super::pool;
use super::schedule::Schedule;
use super::step::Step;
use super::tuning::{BATCH_SIZE, Tuning};
use crate::engine::NetworkSpec;
use crate::plan::{self, Folded, Plan, Unsupported};

/// A network compiled for the processor, for photos of one size.
pub struct CpuNetwork {
    pub(super) steps: Vec<Step>,
    /// The layouts of the photos and of the output of each step of the plan.
    pub(super) layouts: Vec<Layout>,
    /// The value that is the last feature map.
    pub(super) map: usize,
    /// For many photos: each thread computes its own photos, for the steps in which that is faster.
    pub(super) per_photo: Schedule,
    /// For few photos: all threads work on the same step.
    pub(super) cooperative: Schedule,
    pub(super) tuning: Tuning,
    // Buffers are taken out while they are in use, so that calls from several threads do not wait
    // for each other.
    /// Buffers of threads that are idle.
    pub(super) workspaces: Mutex<Vec<Vec<Floats>>>,
    /// Buffers for whole batches that are not in use.
    pub(super) batches: Mutex<Vec<Batch>>,
    /// Nanoseconds that all threads spent in each step.
    pub(super) nanoseconds: Vec<AtomicU64>,
}

/// A step of a compiled network, and the time that it took.
#[derive(Clone, Debug)]
pub struct StepTime {
    /// The kernel.
    pub kernel: &'static str,
    /// Number of the value that it reads: 0 for the photos, `n + 1` for the output of step `n` of
    /// the plan. A kernel may compute several steps of the plan.
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
    pub(super) fn is_per_photo(&self, photos: usize) -> bool {
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
}
