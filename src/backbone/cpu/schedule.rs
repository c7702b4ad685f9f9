//! What is computed in which order, and in which memory.

use super::layout::Layout;
use super::step::Step;

/// Where a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a buffer of the thread's, for one photo.
    Photo(usize),
    /// In a buffer for all photos.
    Batch(usize),
}

/// The steps of a network, divided into those that each thread does for photos of its own and those that all threads do
/// for all photos, and the memory that they use.
///
/// A photo's early activations are large and its early weights small: there a thread takes one photo through all
/// steps while it lies in its cache. Late, it is the other way round: there the weights pass once for all photos.
pub struct Schedule {
    /// The first step that is done for all photos.
    pub boundary: usize,
    /// Where each value lies: the photos, then what each step gives.
    pub places: Vec<Place>,
    /// The thread's buffers.
    pub photo: Vec<Layout>,
    /// The buffers for all photos.
    pub batch: Vec<Layout>,
}

impl Schedule {
    /// Gives every value a buffer, and keeps `result` to the end. A buffer that is read no more is taken again by a value
    /// that lies alike: its border of zeros is still there.
    pub fn new(steps: &[Step], layouts: &[Layout], result: usize, boundary: usize) -> Self {
        let count = layouts.len();
        // A step of this index makes a value; the photos are made before all steps.
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
            places: vec![Place::Photo(usize::MAX); count],
            photo: vec![],
            batch: vec![],
        };
        // The step after which each buffer is free.
        let (mut photo_free, mut batch_free): (Vec<usize>, Vec<usize>) = (vec![], vec![]);
        for value in order {
            let layout = layouts[value];
            let at = made(value);
            let alone = at.map_or(boundary > 0, |step| step < boundary);
            // What the second part reads is kept for all photos.
            let crossing = last_read[value] >= boundary;
            let (buffers, free) = match alone && !crossing {
                true => (&mut schedule.photo, &mut photo_free),
                false => (&mut schedule.batch, &mut batch_free),
            };
            // A step never writes what it reads.
            let found = (0..buffers.len())
                .find(|slot| buffers[*slot] == layout && at.is_some_and(|at| free[*slot] < at));
            // What crosses is written while other photos' values are read: it shares with none before it.
            let found = found.filter(|_| !(alone && crossing));
            let slot = found.unwrap_or_else(|| {
                buffers.push(layout);
                free.push(0);
                buffers.len() - 1
            });
            free[slot] = last_read[value];
            schedule.places[value] = match alone && !crossing {
                true => Place::Photo(slot),
                false => Place::Batch(slot),
            };
        }
        schedule
    }
}
