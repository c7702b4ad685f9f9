//! The forward of a compiled network: which thread computes which photos, in which buffers.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::floats::Floats;
use super::layout::Layout;
use super::network::CpuNetwork;
use super::parallelism::Parallelism;
use super::photos::Photos;
use super::schedule::{BufferSlot, Schedule};
use super::{crew, product, winograd};

/// Turns the last feature map of one photo into the photo's part of the result.
pub type Read<'a> = dyn Fn(&Layout, &[f32], &mut [f32]) + Sync + 'a;

/// Buffers for a whole batch.
#[derive(Default)]
pub struct Batch {
    /// For the schedule with which boundary they are, and for how many photos.
    made_for: Option<(usize, usize)>,
    buffers: Vec<Floats>,
    scratch: winograd::Scratch,
}

impl CpuNetwork {
    /// Runs all steps batch by batch, and lets `read` turn the last feature map of each photo into
    /// `length` values.
    pub(super) fn run(&self, photos: Photos, length: usize, read: &Read) -> Vec<f32> {
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

    /// Runs the first part of the schedule for one photo, whose `parts` of the batch buffers
    /// receive what the second part reads. If there is no second part, reads the result.
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
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
