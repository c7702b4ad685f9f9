//! A feature cache shared by the threads that read it and the one that adds to it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::cache::{CacheError, CachedPhoto, FeatureCache, PhotoDigest};

/// Photos that are held in memory before they are written.
const WRITE_AFTER: usize = 1024;
/// Time after which they are written in any case: what a killed run loses.
const WRITE_EVERY: Duration = Duration::from_secs(3);

/// A feature cache in use. It never stops the work: a cache that cannot be written is closed.
pub struct SharedFeatureCache {
    cache: RwLock<Option<FeatureCache>>,
    problem: Mutex<Option<CacheError>>,
    /// Photos whose features were found.
    found: AtomicUsize,
    /// Photos whose features this run added.
    added: Mutex<HashSet<PhotoDigest>>,
    written: Mutex<Instant>,
}

impl SharedFeatureCache {
    /// Shares `cache`.
    pub fn new(cache: FeatureCache) -> Self {
        Self {
            cache: RwLock::new(Some(cache)),
            problem: Mutex::default(),
            found: AtomicUsize::new(0),
            added: Mutex::default(),
            written: Mutex::new(Instant::now()),
        }
    }

    /// A photo's features, if they are in the cache.
    pub fn get(&self, photo: &PhotoDigest) -> Option<CachedPhoto> {
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        let found = cache.as_ref()?.get(photo)?;
        // A copy of a photo that this run computed does not count as found.
        if !self.added().contains(photo) {
            self.found.fetch_add(1, Ordering::Relaxed);
        }
        Some(found)
    }

    /// Adds a photo's features.
    pub fn insert(&self, photo: PhotoDigest, size: (u32, u32), row: &[f32]) {
        self.added().insert(photo);
        let full = {
            let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
            let Some(cache) = cache.as_mut() else { return };
            cache.insert(photo, size, row);
            cache.pending() >= WRITE_AFTER || self.written().elapsed() >= WRITE_EVERY
        };
        if full {
            self.flush();
        }
    }

    /// Writes the added features to the disk.
    pub fn flush(&self) {
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = cache.as_mut().map(FeatureCache::flush) {
            *cache = None;
            *self.problem() = Some(error);
        }
        // The time that writing takes does not count.
        *self.written() = Instant::now();
    }

    /// How many photos were found in the cache.
    pub fn found(&self) -> usize {
        self.found.load(Ordering::Relaxed)
    }

    /// Why the cache was closed. Returned once.
    pub fn take_problem(&self) -> Option<CacheError> {
        self.problem().take()
    }

    fn added(&self) -> MutexGuard<'_, HashSet<PhotoDigest>> {
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) -> MutexGuard<'_, Instant> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn problem(&self) -> MutexGuard<'_, Option<CacheError>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
