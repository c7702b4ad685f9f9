//! A feature cache shared by the threads that read it and the one that adds to it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::cache::{CacheError, CachedPhoto, FeatureCache, PhotoDigest, Space};
use crate::photos::View;

/// Rows that are held in memory before they are written.
const WRITE_AFTER: usize = 1024;
/// Time after which they are written in any case: what a killed run loses.
const WRITE_EVERY: Duration = Duration::from_secs(3);

/// A feature cache in use, for each view of a photo. It never stops the work: a cache that cannot
/// be written is closed.
pub struct SharedFeatureCache {
    folder: PathBuf,
    /// The space of the plain view, and its name for people.
    space: Space,
    label: String,
    /// The caches of the first views, in the order of [`View::ALL`]. `None` if they are closed.
    caches: RwLock<Option<Vec<FeatureCache>>>,
    problem: Mutex<Option<CacheError>>,
    /// Photos all of whose views were found.
    found: AtomicUsize,
    /// Photos of which this run added a view.
    added: Mutex<HashSet<PhotoDigest>>,
    written: Mutex<Instant>,
}

impl SharedFeatureCache {
    /// Opens the cache in `folder` for the plain view, whose features are in `space`. `label` names
    /// for people what computes them.
    ///
    /// # Errors
    /// If the cache cannot be opened.
    pub fn open(folder: &Path, space: Space, label: String) -> Result<Self, CacheError> {
        let shared = Self {
            folder: folder.to_owned(),
            space,
            label,
            caches: RwLock::new(Some(Vec::new())),
            problem: Mutex::default(),
            found: AtomicUsize::new(0),
            added: Mutex::default(),
            written: Mutex::new(Instant::now()),
        };
        shared.open_views(1)?;
        Ok(shared)
    }

    /// Makes sure that the first `views` views have a cache. If one cannot be opened, all are
    /// closed.
    pub fn use_views(&self, views: usize) {
        if let Err(error) = self.open_views(views) {
            self.close(error);
        }
    }

    fn open_views(&self, views: usize) -> Result<(), CacheError> {
        let mut caches = self.caches.write().unwrap_or_else(PoisonError::into_inner);
        let Some(caches) = caches.as_mut() else { return Ok(()) };
        for view in View::first(views).iter().skip(caches.len()) {
            let label = match *view {
                View::PLAIN => self.label.clone(),
                view => format!("{}, view {view}", self.label),
            };
            let cache = FeatureCache::open(&self.folder, self.space.of_view(*view))?;
            caches.push(cache.with_label(label));
        }
        Ok(())
    }

    /// The features of the first `views` views of a photo, `None` for each that is not in the
    /// cache.
    pub fn get(&self, photo: &PhotoDigest, views: usize) -> Vec<Option<CachedPhoto>> {
        let caches = self.caches.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Option<CachedPhoto>> = match caches.as_ref() {
            Some(caches) => caches.iter().take(views).map(|cache| cache.get(photo)).collect(),
            None => Vec::new(),
        };
        found.resize(views, None);
        // A copy of a photo that this run computed does not count as found.
        if found.iter().all(Option::is_some) && !self.added().contains(photo) {
            self.found.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Adds the features of a photo's view, an index into [`View::ALL`]. The next
    /// [`flush`](Self::flush) writes them.
    pub fn insert(&self, photo: PhotoDigest, view: usize, size: (u32, u32), row: &[f32]) {
        self.added().insert(photo);
        let mut caches = self.caches.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(cache) = caches.as_mut().and_then(|caches| caches.get_mut(view)) {
            cache.insert(photo, size, row);
        }
    }

    /// Whether the added features should be written now.
    pub fn is_due(&self) -> bool {
        let caches = self.caches.read().unwrap_or_else(PoisonError::into_inner);
        let pending: usize = caches.iter().flatten().map(FeatureCache::pending).sum();
        pending >= WRITE_AFTER || pending > 0 && self.written().elapsed() >= WRITE_EVERY
    }

    /// Forgets the added features that are not written yet.
    pub fn discard(&self) {
        let mut caches = self.caches.write().unwrap_or_else(PoisonError::into_inner);
        caches.iter_mut().flatten().for_each(FeatureCache::discard);
    }

    /// Writes the added features to the disk.
    pub fn flush(&self) {
        let flushed = {
            let mut caches = self.caches.write().unwrap_or_else(PoisonError::into_inner);
            caches.iter_mut().flatten().try_for_each(FeatureCache::flush)
        };
        if let Err(error) = flushed {
            self.close(error);
        }
        // The time that writing takes does not count.
        *self.written() = Instant::now();
    }

    fn close(&self, error: CacheError) {
        *self.caches.write().unwrap_or_else(PoisonError::into_inner) = None;
        *self.problem() = Some(error);
    }

    /// How many photos were found in the cache, with all their views.
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
