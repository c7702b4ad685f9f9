//! Which steps run for one photo and which for a whole batch, and the buffer of each value.

use super::layout::Layout;
use super::step::Step;

/// The buffer of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferSlot {
    /// A thread's own buffer, for one photo.
    Photo(usize),
    /// A buffer for the whole batch.
    Batch(usize),
}

/// The steps of a network, divided into a first part that each thread runs for its own photos and a
/// second part that all threads run for the whole batch, with their buffers.
///
/// Early activations are large and early weights small: one thread runs all these steps
/// on one photo, whose activations stay in its cache. Later it is the other way round: the weights
/// are read once for the whole batch.
pub struct Schedule {
    /// The first step of the second part.
    pub boundary: usize,
    /// The buffer of each value: of the photos, then of the output of each step.
    pub slots: Vec<BufferSlot>,
    /// The layouts of a thread's buffers.
    pub photo: Vec<Layout>,
    /// The layouts of the batch buffers.
    pub batch: Vec<Layout>,
}

impl Schedule {
    /// Assigns every value a buffer, and keeps `result` to the end. A value of the same layout
    /// reuses a buffer that is no longer read: its border of zeros is still there.
    pub fn new(steps: &[Step], layouts: &[Layout], result: usize, boundary: usize) -> Self {
        let count = layouts.len();
        // The last step that reads each value.
        let mut last_read = vec![0; count];
        for (index, step) in steps.iter().enumerate() {
            for value in step.reads() {
                last_read[value] = index;
            }
        }
        last_read[result] = steps.len();
        let made = |value: usize| steps.iter().position(|step| step.output == value);
        let mut order: Vec<usize> =
            (0..count).filter(|value| *value == 0 || made(*value).is_some()).collect();
        order.sort_by_key(|value| made(*value).map_or(0, |step| step + 1));

        let mut schedule = Self {
            boundary,
            slots: vec![BufferSlot::Photo(usize::MAX); count],
            photo: vec![],
            batch: vec![],
        };
        // The step after which each buffer is free.
        let (mut photo_free, mut batch_free): (Vec<usize>, Vec<usize>) = (vec![], vec![]);
        for value in order {
            let layout = layouts[value];
            let at = made(value);
            let alone = at.map_or(boundary > 0, |step| step < boundary);
            // The second part, if there is one, reads it, so it is stored for the whole batch.
            let crossing = last_read[value] >= boundary && boundary < steps.len();
            let (buffers, free) = match alone && !crossing {
                true => (&mut schedule.photo, &mut photo_free),
                false => (&mut schedule.batch, &mut batch_free),
            };
            // A step never writes a buffer that it reads.
            let found = (0..buffers.len())
                .find(|slot| buffers[*slot] == layout && at.is_some_and(|at| free[*slot] < at));
            // A crossing value is written while other photos' values are read, so it gets its own
            // buffer.
            let found = found.filter(|_| !(alone && crossing));
            let slot = found.unwrap_or_else(|| {
                buffers.push(layout);
                free.push(0);
                buffers.len() - 1
            });
            free[slot] = last_read[value];
            schedule.slots[value] = match alone && !crossing {
                true => BufferSlot::Photo(slot),
                false => BufferSlot::Batch(slot),
            };
        }
        schedule
    }

    /// The batch buffer of a value that the second part reads.
    pub fn batch_slot(&self, value: usize) -> usize {
        match self.slots[value] {
            BufferSlot::Batch(slot) => slot,
            // `new` puts every value that the second part reads into a batch buffer.
            BufferSlot::Photo(_) => unreachable!("read by the second part, so in a batch buffer"),
        }
    }
}
