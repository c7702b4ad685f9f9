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
    changed: Condvar,
}

struct State<T> {
    ready: BTreeMap<usize, Result<T, DecodeError>>,
    delivered: usize,
    stopped: bool,
}

impl<T> Window<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No thread panics while it holds the lock, and a partial change would do no harm.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(guard).unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Stops the decoders when the consumer ends, returns an error or panics.
struct StopOnDrop<'a, T>(&'a Window<T>);

impl<T> Drop for StopOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_all();
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
    for_each_file(paths, ahead, |_, path| decode(path).map(&prepare), consume)
}

/// Applies `read` to each of `paths`, with its index, on all cores, and passes the results to
/// `consume` in order, with the index too. At most `ahead` results wait for `consume`.
///
/// # Errors
/// Returns the first error of `consume`, and stops reading.
pub fn for_each_file<P, T, E>(
    paths: &[P],
    ahead: usize,
    read: impl Fn(usize, &Path) -> Result<T, DecodeError> + Sync,
    mut consume: impl FnMut(usize, Result<T, DecodeError>) -> Result<(), E>,
) -> Result<(), E>
where
    P: AsRef<Path> + Sync,
    T: Send,
{
    let window = Window {
        state: Mutex::new(State { ready: BTreeMap::new(), delivered: 0, stopped: false }),
        changed: Condvar::new(),
    };
    let next = AtomicUsize::new(0);
    let decoders = thread::available_parallelism().map_or(1, usize::from).min(paths.len());

    let decode_until_done = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(index) else { return };
            let mut state = window.lock();
            while index >= state.delivered + ahead.max(1) && !state.stopped {
                state = window.wait(state);
            }
            if state.stopped {
                return;
            }
            drop(state);
            // This thread holds no decoding memory while it waits above, and `read` may wait for
            // some here: the photo that the consumer waits for always gets it in the end.
            //
            // Decoders read arbitrary bytes. A panic must not end the run, and the consumer waits
            // for every photo, so a panic becomes an error.
            let prepared = catch_unwind(AssertUnwindSafe(|| read(index, path.as_ref())))
                .unwrap_or(Err(DecodeError::Panic));
            window.lock().ready.insert(index, prepared);
            window.changed.notify_all();
        }
    };

    thread::scope(|scope| {
        let _stop = StopOnDrop(&window);
        for _ in 0..decoders {
            scope.spawn(decode_until_done);
        }
        for index in 0..paths.len() {
            let prepared = {
                let mut state = window.lock();
                loop {
                    if let Some(prepared) = state.ready.remove(&index) {
                        state.delivered = index + 1;
                        break prepared;
                    }
                    state = window.wait(state);
                }
            };
            window.changed.notify_all();
            consume(index, prepared)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

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
