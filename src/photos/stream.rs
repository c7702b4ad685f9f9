//! Photos decoded on all cores, delivered in order, never far ahead of the consumer.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use image::RgbImage;

use super::{DecodeError, Recipe, decode};

/// Some photos ready for a backbone.
#[derive(Debug, Default)]
pub struct Batch {
    /// Which photos these are: indices into the list that was asked for, ascending.
    pub photos: Vec<usize>,
    /// Their pixels, resized and cropped: `[photos, crop, crop, 3]`.
    pub pixels: Vec<u8>,
    /// Files met since the last batch that gave no photo.
    pub failed: Vec<(usize, DecodeError)>,
}

/// What decoders and consumer share.
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
        // Nothing panics while it holds the lock, and a half-made change would be no worse than none.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(guard).unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Stops the decoders however the consumer leaves: at the end, with an error, or by a panic.
struct StopOnDrop<'a, T>(&'a Window<T>);

impl<T> Drop for StopOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_all();
    }
}

/// Decodes and preprocesses `paths` on all cores and hands them to `consume` in order, `batch_size`
/// photos at a time (the last batch may be smaller, and may hold nothing but failures). While
/// `consume` computes, the next photos are decoded; at most two batches wait for it.
///
/// # Errors
/// The first error of `consume`, after which nothing more is decoded.
///
/// # Panics
/// Where `batch_size` is zero.
pub fn for_each_batch<P, E>(
    paths: &[P],
    recipe: &Recipe,
    batch_size: usize,
    mut consume: impl FnMut(Batch) -> Result<(), E>,
) -> Result<(), E>
where
    P: AsRef<Path> + Sync,
{
    assert!(batch_size > 0, "a batch holds at least one photo");
    let prepare = |photo: RgbImage| recipe.crop(&photo);
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

/// Decodes `paths` and makes something of each photo with `prepare`, on all cores, and hands that to
/// `consume` in order, with the photo's index. At most `ahead` photos wait for `consume`.
///
/// # Errors
/// The first error of `consume`, after which nothing more is decoded.
pub fn for_each_photo<P, T, E>(
    paths: &[P],
    ahead: usize,
    prepare: impl Fn(RgbImage) -> T + Sync,
    consume: impl FnMut(usize, Result<T, DecodeError>) -> Result<(), E>,
) -> Result<(), E>
where
    P: AsRef<Path> + Sync,
    T: Send,
{
    for_each_file(paths, ahead, |path| decode(path).map(&prepare), consume)
}

/// Makes something of each of `paths` with `read`, on all cores, and hands that to `consume` in order,
/// with the path's index. At most `ahead` of them wait for `consume`.
///
/// # Errors
/// The first error of `consume`, after which nothing more is read.
pub fn for_each_file<P, T, E>(
    paths: &[P],
    ahead: usize,
    read: impl Fn(&Path) -> Result<T, DecodeError> + Sync,
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
            // Decoders meet arbitrary bytes. One that panics must not take the run with it, and the
            // consumer waits for every photo, so there is a result whatever happens.
            let prepared = catch_unwind(AssertUnwindSafe(|| read(path.as_ref())))
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

    use super::*;

    /// Photo `i` is grey of level `i`; every seventh file is no image.
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

    fn plain() -> Recipe {
        Recipe { resize: 4, crop: 2, mean: [0.0; 3], std: [1.0 / 255.0; 3], ..Recipe::IMAGENET }
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
