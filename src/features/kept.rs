//! A feature cache shared by the threads that look things up and the one that adds to it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use super::cache::{CacheError, CachedPhoto, FeatureCache, PhotoDigest};

/// Photos that are kept in memory before they are put on the disk: what a run that is ended loses.
const AT_A_TIME: usize = 1024;

/// A feature cache in use. It never stops the work: where it cannot be written it is given up.
pub struct Kept {
    cache: RwLock<Option<FeatureCache>>,
    problem: Mutex<Option<CacheError>>,
    /// Photos whose features were there before.
    found: AtomicUsize,
    /// Photos whose features were put in.
    own: Mutex<HashSet<PhotoDigest>>,
}

impl Kept {
    /// Puts `cache` to use.
    pub fn new(cache: FeatureCache) -> Self {
        Self {
            cache: RwLock::new(Some(cache)),
            problem: Mutex::default(),
            found: AtomicUsize::new(0),
            own: Mutex::default(),
        }
    }

    /// A photo's features, where they are kept.
    pub fn get(&self, photo: &PhotoDigest) -> Option<CachedPhoto> {
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        let found = cache.as_ref()?.get(photo)?;
        // A copy of a photo that this run computed is none that was kept from before.
        if !self.own().contains(photo) {
            self.found.fetch_add(1, Ordering::Relaxed);
        }
        Some(found)
    }

    /// Keeps a photo's features.
    pub fn insert(&self, photo: PhotoDigest, size: (u32, u32), row: &[f32]) {
        self.own().insert(photo);
        let full = {
            let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
            let Some(cache) = cache.as_mut() else { return };
            cache.insert(photo, size, row);
            cache.pending() >= AT_A_TIME
        };
        if full {
            self.flush();
        }
    }

    /// Puts what is kept on the disk.
    pub fn flush(&self) {
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = cache.as_mut().map(FeatureCache::flush) {
            *cache = None;
            *self.problem() = Some(error);
        }
    }

    /// How many photos were found whose features were there before.
    pub fn found(&self) -> usize {
        self.found.load(Ordering::Relaxed)
    }

    /// Why the cache was given up: told once.
    pub fn take_problem(&self) -> Option<CacheError> {
        self.problem().take()
    }

    fn own(&self) -> MutexGuard<'_, HashSet<PhotoDigest>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn problem(&self) -> MutexGuard<'_, Option<CacheError>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
