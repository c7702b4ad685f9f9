//! One passage of a list of photos through the backbone: reading ahead, launching batches, reading
//! them back, and putting the views of a photo together.

use super::batch::{FeatureBatch, Stopped};
use super::extract::Extractor;
use super::pending_batch::{FeatureSource, NewFeatures, PendingBatch, PendingPhoto, prepare};
use super::shared_cache::SharedFeatureCache;
use super::spot_check::{Sample, SpotCheck};
use crate::engine::{self, EngineError, Pending, Workload};
use crate::photos::{PhotoSource, View, for_each_item};

/// Which views of each photo go through the network, and what becomes of them.
#[derive(Clone, Copy)]
pub(super) struct Views<'a> {
    /// The number of views of the photo with this index.
    pub of: &'a (dyn Fn(usize) -> usize + Sync),
    /// Whether a photo has one row, the mean over its views.
    pub are_averaged: bool,
}

impl Extractor<'_> {
    /// Computes the features of `paths` and hands them to `receive` in order, batch by batch.
    ///
    /// A batch is read back only after the next one was launched, so that a GPU never waits for the
    /// reading.
    pub(super) fn pass<P: PhotoSource, E>(
        &self,
        paths: &[P],
        views: Views,
        mut receive: impl FnMut(FeatureBatch) -> Result<(), E>,
    ) -> Result<(), Stopped<E>> {
        let count = |index: usize| (views.of)(index).clamp(1, View::ALL.len());
        let (mut all, mut most) = (0, 1);
        for views in (0..paths.len()).map(count) {
            all += views;
            most = most.max(views);
        }
        let (preprocessing, cache) = (&self.target.preprocessing, self.cache.as_ref());
        if let Some(cache) = cache {
            cache.use_views(most);
        }
        let workload = Workload::of(all);
        let mut rows = Rows::of(self, workload, views.are_averaged);
        let mut launched: Option<Launched> = None;
        let mut pending = PendingBatch::default();
        let result = for_each_item(
            paths,
            // The views of two batches wait at most, and always those of two photos.
            (2 * self.batch_size).div_ceil(most).max(2),
            |index, source| prepare(source.place(), preprocessing, count(index), cache),
            |index, prepared| {
                pending.push(index, prepared, self.batch_size, |batch| {
                    let next = rows.launch(batch)?;
                    match launched.replace(next) {
                        Some(previous) => rows.deliver(previous, &mut receive),
                        None => Ok(()),
                    }
                })
            },
        )
        .and_then(|()| {
            let last = rows.launch(std::mem::take(&mut pending))?;
            for launched in launched.take().into_iter().chain([last]) {
                rows.deliver(launched, &mut receive)?;
            }
            Ok(())
        });
        // Whatever happened, the computed features are kept: those of the batch that the device is
        // computing, too, unless it does not answer or computes wrong numbers.
        let is_answering = !matches!(
            result,
            Err(Stopped::Extract(EngineError::Hangs(_) | EngineError::WrongNumbers { .. }))
        );
        if let Some(launched) = launched.filter(|_| result.is_err() && is_answering) {
            let _ = rows.read(launched);
        }
        let checked = rows.check();
        self.engine.rest();
        if let Some(cache) = cache {
            cache.flush();
        }
        checked?;
        result
    }
}

/// A batch whose features the device may still be computing.
struct Launched<'a> {
    batch: PendingBatch,
    features: Pending<'a>,
    /// A photo for a spot check.
    sample: Option<Sample>,
}

/// Launches batches, and puts the rows of each photo's views together.
struct Rows<'a> {
    extractor: &'a Extractor<'a>,
    workload: Workload,
    width: usize,
    averaged: bool,
    /// The rows of a photo whose other views are in the next batch.
    begun: Vec<f32>,
    /// `None` if the features are the processor's own, or are not to be checked.
    spot_check: Option<SpotCheck<'a>>,
    /// `None` if there is no cache, or the features are not to be kept.
    cache: Option<&'a SharedFeatureCache>,
}

impl<'a> Rows<'a> {
    fn of(extractor: &'a Extractor<'a>, workload: Workload, averaged: bool) -> Self {
        let width = extractor.width();
        let is_checked = extractor.is_on_gpu() && extractor.has_spot_checks;
        // The processor would take longer for its check than a GPU for a few photos. What is not
        // checked is not kept.
        let has_few = workload == Workload::Few;
        let spot_check = (is_checked && !has_few).then(|| SpotCheck::of(extractor));
        let cache = extractor.cache.as_ref().filter(|_| !(is_checked && has_few));
        Self { extractor, workload, width, averaged, begun: Vec::new(), spot_check, cache }
    }

    fn launch(&mut self, mut batch: PendingBatch) -> Result<Launched<'a>, EngineError> {
        let pixels = std::mem::take(&mut batch.pixels);
        let sample = self.spot_check.as_mut().and_then(|check| check.sample(&pixels));
        let features = match pixels.is_empty() {
            true => Pending::ready(Vec::new()),
            false => self.extractor.engine.launch(pixels, self.workload)?,
        };
        Ok(Launched { batch, features, sample })
    }

    /// Checks the features since the last check, as far as they are not written yet.
    ///
    /// # Errors
    /// If the device computes wrong numbers. None of these features are kept then.
    fn check(&mut self) -> Result<(), EngineError> {
        let Some(spot_check) = &mut self.spot_check else { return Ok(()) };
        spot_check.check().inspect_err(|_| {
            if let Some(cache) = self.cache {
                cache.discard();
            }
        })
    }

    /// Reads a batch and hands the photos that are complete to `receive`.
    fn deliver<E>(
        &mut self,
        launched: Launched,
        receive: &mut impl FnMut(FeatureBatch) -> Result<(), E>,
    ) -> Result<(), Stopped<E>> {
        let batch = self.read(launched)?;
        match batch.photos.is_empty() && batch.failed.is_empty() {
            true => Ok(()),
            false => receive(batch).map_err(Stopped::Receiver),
        }
    }

    /// Reads a batch's features back, and adds them to the cache.
    fn read(&mut self, launched: Launched) -> Result<FeatureBatch, EngineError> {
        let Launched { batch, features, sample } = launched;
        let PendingBatch { sources, photos, failed, .. } = batch;
        let cache = self.cache.filter(|_| features.is_cacheable);
        let computed = engine::finite(features.wait()?)?;
        if let Some(spot_check) = &mut self.spot_check {
            spot_check.computed(sample, &computed, self.width);
        }
        let mut new = computed.chunks_exact(self.width);
        for source in sources {
            match source {
                FeatureSource::Cached(row) => self.begun.extend(row),
                FeatureSource::New(key) => {
                    let row = new.next().ok_or_else(missing_row)?;
                    if let (Some(cache), Some(key)) = (cache, key) {
                        let NewFeatures { photo, view, size } = key;
                        cache.insert(photo, view, size, row);
                    }
                    self.begun.extend(row);
                }
            }
        }
        if let Some(cache) = cache.filter(|cache| cache.is_due()) {
            self.check()?;
            cache.flush();
        }
        let mut batch = FeatureBatch { failed, ..FeatureBatch::default() };
        let mut at = 0;
        for PendingPhoto { index, size, warning, views } in photos {
            let rows = &self.begun[at..at + views * self.width];
            at += rows.len();
            if self.averaged && views > 1 {
                batch.rows.extend(mean(rows, self.width));
            } else {
                batch.rows.extend(&rows[..self.width]);
                batch.further_views.extend(&rows[self.width..]);
            }
            batch.photos.push(index);
            batch.sizes.push(size);
            batch.warnings.extend(warning.map(|warning| (index, warning)));
        }
        self.begun.drain(..at);
        Ok(batch)
    }
}

/// The mean of some rows, `[rows, width]`.
fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; width];
    for row in rows.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let count = (rows.len() / width) as f64;
    sums.into_iter().map(|sum| (sum / count) as f32).collect()
}

fn missing_row() -> EngineError {
    EngineError::Device("it returned fewer features than photos".into())
}
