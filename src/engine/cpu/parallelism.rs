//! Whether the calling thread or the whole crew runs a step, and how the step is divided.
//!
//! A step is divided into pieces, each of which writes a part of the output that is its own. Which
//! thread runs which piece does not change the result. See [`crew`] for the threads.

use std::marker::PhantomData;
use std::ops::Range;
use std::slice;

use super::crew;
use super::layout::Layout;

/// Which threads run a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parallelism {
    /// The calling thread. The other threads work on other photos.
    Serial,
    /// All threads of the pool that have nothing else to do.
    Parallel,
}

impl Parallelism {
    /// Calls `work` once with each index below `count`.
    pub fn times(self, count: usize, work: impl Fn(usize) + Sync) {
        match self {
            Self::Serial => (0..count).for_each(work),
            Self::Parallel => crew::run(count, &work),
        }
    }

    /// Calls `work` on each of `items`.
    pub fn each<T: Send>(self, items: Vec<T>, work: impl Fn(T) + Sync) {
        let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
        let count = items.len();
        let items = Parts::of(&mut items);
        self.times(count, |index| {
            // SAFETY: each index comes once.
            let item = unsafe { items.part(index..index + 1) };
            item.iter_mut().filter_map(Option::take).for_each(&work);
        });
    }

    /// Splits `data` into pieces of `piece` floats and calls `work` with each piece's index and the
    /// piece.
    pub fn pieces(self, data: &mut [f32], piece: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
        let length = data.len();
        let data = Parts::of(data);
        self.times(length.div_ceil(piece), |index| {
            let start = index * piece;
            // SAFETY: each index comes once, and the ranges of two indices do not overlap.
            work(index, unsafe { data.part(start..(start + piece).min(length)) });
        });
    }

    /// Splits the lines of each photo in `output` into groups of `count` and calls `work` with the
    /// photo's index, the index of the first line, and the lines including their borders.
    pub fn lines(
        self,
        layout: &Layout,
        count: usize,
        output: &mut [f32],
        work: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) {
        let (photos, groups) = (output.len() / layout.photo(), layout.height.div_ceil(count));
        let (rows, row) = (layout.rows(), layout.row());
        let output = Parts::of(output);
        self.times(photos * groups, |index| {
            let (photo, first) = (index / groups, index % groups * count);
            let start = rows.start + first * row;
            let end = (start + count * row).min(rows.end);
            let photo_start = photo * layout.photo();
            // SAFETY: each index comes once; groups of lines, and photos, do not overlap.
            let lines = unsafe { output.part(photo_start + start..photo_start + end) };
            work(photo, first, lines);
        });
    }
}

/// A mutable slice, of which several threads use disjoint parts at the same time.
struct Parts<'a, T> {
    start: *mut T,
    length: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: threads share this only to take disjoint parts, and a part is what `&mut [T]` is, which
// may be sent to another thread if `T` may.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    fn of(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), length: slice.len(), slice: PhantomData }
    }

    /// A part of the slice.
    ///
    /// # Safety
    /// The ranges of any two calls are disjoint.
    #[allow(clippy::mut_from_ref)]
    unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.length, "a part of the slice");
        // SAFETY: the range lies within the slice, which is borrowed mutably for as long as `self`
        // exists, and the caller promises that no other part overlaps it.
        unsafe { slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{self, AssertUnwindSafe};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Calls `work` on a thread of a pool of 1, 2 and 16 threads.
    fn with_threads(work: impl Fn(usize) + Send + Sync) {
        for threads in [1, 2, 16] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| work(threads));
        }
    }

    /// Runs phases of 0 to 8 pieces, each of which reads what the phase before wrote.
    fn phases(count: usize) {
        const PIECE: usize = 3;
        let mut values = [1.0f32; 8 * PIECE];
        for phase in 1..=count {
            let previous = values;
            let pieces = phase % 9;
            Parallelism::Parallel.pieces(&mut values[..pieces * PIECE], PIECE, |index, piece| {
                assert_eq!(piece.len(), PIECE);
                for (at, value) in piece.iter_mut().enumerate() {
                    *value = previous[(index * PIECE + at + 1) % previous.len()] + 1.0;
                }
            });
            for (at, value) in values.iter().enumerate() {
                let read = previous[(at + 1) % previous.len()] + 1.0;
                let expected = if at < pieces * PIECE { read } else { previous[at] };
                assert_eq!(*value, expected, "phase {phase}, value {at}");
            }
        }
    }

    #[test]
    fn each_piece_of_many_phases_runs_once_and_sees_the_phase_before() {
        with_threads(|_| {
            crew::assembled(|| phases(20_000));
            // Each phase with a crew of its own.
            phases(1_000);
        });
    }

    #[test]
    fn crews_of_several_threads_do_not_disturb_each_other() {
        with_threads(|threads| {
            rayon::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|_| {
                        for _ in 0..200 {
                            crew::assembled(|| phases(20));
                        }
                    });
                }
            });
            assert_eq!(rayon::current_num_threads(), threads);
        });
        // Threads that belong to no pool use the global one.
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| crew::assembled(|| phases(2_000)));
            }
        });
    }

    #[test]
    fn a_panic_in_a_piece_reaches_the_caller_after_all_other_pieces() {
        with_threads(|_| {
            crew::assembled(|| {
                for round in 0..500 {
                    let finished = AtomicUsize::new(0);
                    let result = panic::catch_unwind(AssertUnwindSafe(|| {
                        Parallelism::Parallel.times(5, |index| {
                            if index == round % 5 {
                                panic::resume_unwind(Box::new(round));
                            }
                            finished.fetch_add(1, Ordering::Relaxed);
                        });
                    }));
                    assert_eq!(result.unwrap_err().downcast_ref(), Some(&round));
                    // Alone, the thread stops at the piece that panicked.
                    let alone = rayon::current_num_threads() == 1;
                    let expected = if alone { round % 5 } else { 4 };
                    assert_eq!(finished.into_inner(), expected);
                    phases(10);
                }
            });
            // A forward that panics leaves its threads as they were.
            let forward = || crew::assembled(|| panic::resume_unwind(Box::new(())));
            assert!(panic::catch_unwind(forward).is_err());
            crew::assembled(|| phases(100));
        });
    }

    #[test]
    fn a_piece_may_run_steps_of_its_own() {
        with_threads(|_| {
            crew::assembled(|| {
                let inner = AtomicUsize::new(0);
                Parallelism::Parallel.times(7, |_| {
                    crew::assembled(|| phases(30));
                    Parallelism::Parallel.each(vec![1, 2, 3], |item| {
                        inner.fetch_add(item, Ordering::Relaxed);
                    });
                });
                assert_eq!(inner.into_inner(), 7 * 6);
            });
        });
    }

    #[test]
    fn a_forward_does_not_wait_for_a_pool_that_is_busy() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let (release, released) = mpsc::channel::<()>();
        let (busy, is_busy) = mpsc::channel();
        pool.install(move || {
            // The other thread waits until the forward has ended.
            rayon::spawn(move || {
                busy.send(()).unwrap();
                released.recv().unwrap();
            });
            is_busy.recv().unwrap();
            crew::assembled(|| phases(1_000));
            release.send(()).unwrap();
        });
    }

    #[test]
    fn threads_that_fell_asleep_wake_up() {
        let long = || thread::sleep(Duration::from_millis(1));
        with_threads(|_| {
            crew::assembled(|| {
                for _ in 0..50 {
                    // The helpers fall asleep.
                    long();
                    let sum = AtomicUsize::new(0);
                    // The thread that finishes first falls asleep.
                    Parallelism::Parallel.times(3, |index| {
                        long();
                        sum.fetch_add(index, Ordering::Relaxed);
                    });
                    assert_eq!(sum.into_inner(), 3);
                }
            });
        });
    }

    #[test]
    fn lines_come_in_groups_that_cover_each_photo_without_its_border() {
        let layout = Layout { channels: 1, stored: 2, height: 7, width: 3, before: 1, after: 2 };
        for count in 1..=8 {
            for parallelism in [Parallelism::Serial, Parallelism::Parallel] {
                let mut output = vec![0.0f32; 3 * layout.photo()];
                parallelism.lines(&layout, count, &mut output, |photo, first, lines| {
                    for (at, line) in lines.chunks_exact_mut(layout.row()).enumerate() {
                        line.fill((100 * (photo + 1) + first + at) as f32);
                    }
                });
                for (photo, output) in output.chunks_exact(layout.photo()).enumerate() {
                    for (y, line) in output.chunks_exact(layout.row()).enumerate() {
                        let is_inside = (layout.before..layout.before + 7).contains(&y);
                        let expected = if is_inside { 100 * (photo + 1) + y - 1 } else { 0 };
                        assert!(line.iter().all(|value| *value == expected as f32));
                    }
                }
            }
        }
    }
}
