//! Decodes photos on all cores and delivers them in order, a limited number ahead of the consumer.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use super::{DecodeError, Photo, Preprocessing, decode};

/// A batch of preprocessed photos.
#[derive(Debug, Default)]
pub struct Batch {
    /// Indices of the photos in the list of paths, ascending.
    pub photos: Vec<usize>,
    /// Resized and cropped pixels, `[photos, crop, crop, 3]`.
    pub pixels: Vec<u8>,
    /// Files since the last batch that could not be decoded.
    pub failed: Vec<(usize, DecodeError)>,
}

/// State shared by the decoder threads and the consumer.
struct Window<T> {
    state: Mutex<State<T>>,
    /// The result that the consumer waits for was added.
    arrived: Condvar,
    /// There is room for further results.
    drained: Condvar,
}

struct State<T> {
    ready: BTreeMap<usize, Result<T, DecodeError>>,
    delivered: usize,
    /// The number of deliveries after which the decoders that wait go on.
    wake_at: usize,
    stopped: bool,
}

impl<T> Window<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No thread panics while it holds the lock, and a partial change would do no harm.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits until the result with this index is there, and takes it.
    fn take(&self, index: usize) -> Result<T, DecodeError> {
        let mut state = self.lock();
        loop {
            if let Some(result) = state.ready.remove(&index) {
                state.delivered = index + 1;
                if state.delivered >= state.wake_at {
                    state.wake_at = usize::MAX;
                    self.drained.notify_all();
                }
                return result;
            }
            state = self.arrived.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// Waits until fewer than `ahead` results before this one wait for the consumer. Returns
    /// whether to go on.
    ///
    /// A decoder that had to wait goes on when the consumer has taken half of the results: waking
    /// it for each of them would interrupt the consumer's computations more often.
    fn wait_for_room(&self, index: usize, ahead: usize) -> bool {
        let mut state = self.lock();
        while index >= state.delivered + ahead && !state.stopped {
            state.wake_at = state.wake_at.min(index + 1 - ahead + ahead / 2);
            state = self.drained.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        !state.stopped
    }

    fn add(&self, index: usize, result: Result<T, DecodeError>) {
        let mut state = self.lock();
        state.ready.insert(index, result);
        if index == state.delivered {
            self.arrived.notify_one();
        }
    }
}

/// Stops the decoders when the consumer ends, returns an error or panics.
struct StopOnDrop<'a, T>(&'a Window<T>);

impl<T> Drop for StopOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.drained.notify_all();
    }
}

/// Decodes and preprocesses `paths` on all cores and passes them to `consume` in order, in batches
/// of `batch_size` photos. The last batch may be smaller, and may contain only failures. The next
/// photos are decoded while `consume` runs; at most two batches wait for it.
///
/// # Errors
/// Returns the first error of `consume`, and stops decoding.
///
/// # Panics
/// If `batch_size` is 0.
pub fn for_each_batch<P, E>(
    paths: &[P],
    preprocessing: &Preprocessing,
    batch_size: usize,
    mut consume: impl FnMut(Batch) -> Result<(), E>,
) -> Result<(), E>
where
    P: AsRef<Path> + Sync,
{
    assert!(batch_size > 0, "a batch holds at least one photo");
    let prepare = |photo: Photo| preprocessing.crop(&photo);
    let mut batch = Batch::default();
    for_each_photo(paths, 2 * batch_size, prepare, |index, prepared| {
        match prepared {
            Ok(pixels) => {
                batch.photos.push(index);
                batch.pixels.extend(pixels);
            }
            Err(error) => batch.failed.push((index, error)),
        }
        match batch.photos.len() == batch_size {
            true => consume(std::mem::take(&mut batch)),
            false => Ok(()),
        }
    })?;
    match batch.photos.is_empty() && batch.failed.is_empty() {
        true => Ok(()),
        false => consume(batch),
    }
}

/// Decodes `paths` on all cores, applies `prepare` to each photo, and passes the results to
/// `consume` in order, with the index of the photo. At most `ahead` photos wait for `consume`.
///
/// # Errors
/// Returns the first error of `consume`, and stops decoding.
pub fn for_each_photo<P, T, E>(
    paths: &[P],
    ahead: usize,
    prepare: impl Fn(Photo) -> T + Sync,
    consume: impl FnMut(usize, Result<T, DecodeError>) -> Result<(), E>,
) -> Result<(), E>
where
    P: AsRef<Path> + Sync,
    T: Send,
{
    for_each_item(paths, ahead, |_, path| decode(path.as_ref()).map(&prepare), consume)
}

/// Applies `read` to each of `items`, such as paths, with its index, on all cores, and passes the
/// results to `consume` in order, with the index too. At most `ahead` results wait for `consume`.
///
/// # Errors
/// Returns the first error of `consume`, and stops reading.
pub fn for_each_item<I, T, E>(
    items: &[I],
    ahead: usize,
    read: impl Fn(usize, &I) -> Result<T, DecodeError> + Sync,
    mut consume: impl FnMut(usize, Result<T, DecodeError>) -> Result<(), E>,
) -> Result<(), E>
where
    I: Sync,
    T: Send,
{
    let (ready, wake_at) = (BTreeMap::new(), usize::MAX);
    let window = Window {
        state: Mutex::new(State { ready, delivered: 0, wake_at, stopped: false }),
        arrived: Condvar::new(),
        drained: Condvar::new(),
    };
    let ahead = ahead.max(1);
    let next = AtomicUsize::new(0);
    let decoders = thread::available_parallelism().map_or(1, usize::from).min(items.len());

    let decode_until_done = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return };
            if !window.wait_for_room(index, ahead) {
                return;
            }
            // This thread holds no decoding memory while it waits above, and `read` may wait for
            // some here: the photo that the consumer waits for always gets it in the end.
            //
            // Decoders read arbitrary bytes. A panic must not end the run, and the consumer waits
            // for every photo, so a panic becomes an error.
            let prepared = catch_unwind(AssertUnwindSafe(|| read(index, item)))
                .unwrap_or(Err(DecodeError::Panic));
            window.add(index, prepared);
        }
    };

    thread::scope(|scope| {
        let _stop = StopOnDrop(&window);
        for _ in 0..decoders {
            scope.spawn(decode_until_done);
        }
        for index in 0..items.len() {
            consume(index, window.take(index))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use image::RgbImage;

    use super::*;

    /// Every pixel of photo `i` is grey with value `i`; every seventh file is not an image.
    fn some_photos(folder: &Path, count: usize) -> Vec<PathBuf> {
        (0..count)
            .map(|index| {
                let path = folder.join(format!("{index}.png"));
                match index % 7 {
                    3 => std::fs::write(&path, b"no image").unwrap(),
                    _ => RgbImage::from_pixel(4, 4, image::Rgb([index as u8; 3]))
                        .save(&path)
                        .unwrap(),
                }
                path
            })
            .collect()
    }

    fn plain() -> Preprocessing {
        Preprocessing {
            resize: 4,
            crop: 2,
            mean: [0.0; 3],
            std: [1.0 / 255.0; 3],
            ..Preprocessing::IMAGENET
        }
    }

    #[test]
    fn photos_arrive_in_order_in_full_batches_with_failures_named() {
        let folder = tempfile::tempdir().unwrap();
        let paths = some_photos(folder.path(), 40);
        let (mut seen, mut failed, mut sizes) = (vec![], vec![], vec![]);
        for_each_batch(&paths, &plain(), 8, |batch| {
            for (at, index) in batch.photos.iter().enumerate() {
                let values = &batch.pixels[at * 12..(at + 1) * 12];
                assert!(values.iter().all(|value| usize::from(*value) == *index));
            }
            sizes.push(batch.photos.len());
            seen.extend(batch.photos);
            failed.extend(batch.failed.into_iter().map(|(index, _)| index));
            Ok::<_, ()>(())
        })
        .unwrap();
        assert_eq!(seen, (0..40).filter(|index| index % 7 != 3).collect::<Vec<_>>());
        assert_eq!(failed, [3, 10, 17, 24, 31, 38]);
        assert_eq!(sizes, [8, 8, 8, 8, 2]);
    }

    #[test]
    fn results_arrive_in_order_however_few_may_wait_and_whoever_is_slower() {
        let paths: Vec<PathBuf> = (0..60).map(|index| index.to_string().into()).collect();
        let pause = |is_slow: bool| thread::sleep(Duration::from_micros(200 * u64::from(is_slow)));
        for (ahead, slow_reader) in (0..6).chain([64]).flat_map(|it| [(it, false), (it, true)]) {
            let (reading, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let mut seen = Vec::new();
            let read = |index: usize, _: &PathBuf| {
                pause(slow_reader);
                let waiting = reading.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(waiting, Ordering::SeqCst);
                Ok(index)
            };
            for_each_item(&paths, ahead, read, |index, result| {
                assert_eq!(result.unwrap(), index);
                pause(!slow_reader);
                reading.fetch_sub(1, Ordering::SeqCst);
                seen.push(index);
                Ok::<_, ()>(())
            })
            .unwrap();
            assert_eq!(seen, (0..60).collect::<Vec<_>>());
            // Those that wait, and the one that is consumed.
            assert!(most.into_inner() <= ahead.max(1) + 1, "{ahead}");
        }
    }

    #[test]
    fn an_error_of_the_consumer_ends_the_stream_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let paths = some_photos(folder.path(), 40);
        let mut calls = 0;
        let result = for_each_batch(&paths, &plain(), 4, |_| {
            calls += 1;
            if calls == 2 { Err("enough") } else { Ok(()) }
        });
        assert_eq!((result, calls), (Err("enough"), 2));
    }
}
