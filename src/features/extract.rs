//! Photos through the frozen backbone: batches in, rows of features out.

use std::convert::Infallible;
use std::path::Path;

use burn::tensor::Device;

use super::batch::{Extraction, FeatureBatch, Stopped};
use super::cache::{CacheError, FeatureCache, Space};
use super::pending_batch::{FeatureSource, PendingBatch, prepare};
use super::shared_cache::SharedFeatureCache;
use crate::backbone::Backbone;
use crate::device::DeviceInfo;
use crate::engine::{
    self, Chosen, Engine, EngineError, FeatureMap, Pending, PrecisionError, Target, Unsupported,
    Workload,
};
use crate::photos::{Preprocessing, for_each_file};
use crate::precision::Precision;

/// Turns photos into features.
pub struct Extractor<'a> {
    pub(super) target: Target<'a>,
    pub(super) batch_size: usize,
    pub(super) engine: Box<dyn Engine + 'a>,
    unsupported: Option<Unsupported>,
    cache: Option<SharedFeatureCache>,
}

impl<'a> Extractor<'a> {
    /// The largest crop, in pixels, for which an engine's best batch size is meant.
    const USUAL_CROP: u32 = 320;

    /// An extractor that runs `backbone` with Burn's operations on its `device`, on `batch_size`
    /// photos at a time. The device is a plain one: on an autodiff device BatchNorm would update
    /// its statistics, and gradients would be recorded.
    ///
    /// # Panics
    /// If `batch_size` is 0.
    pub fn new(
        backbone: &'a Backbone,
        preprocessing: Preprocessing,
        device: &'a Device,
        batch_size: usize,
    ) -> Self {
        assert!(batch_size > 0, "a batch holds at least one photo");
        let target = Target { backbone, preprocessing, device };
        let engine = engine::plain(target);
        Self { target, batch_size, engine, unsupported: None, cache: None }
    }

    /// The same on the fastest engine for the device that `info` describes, with values stored in
    /// `precision`. Burn's engine takes over if that one cannot run the network: see
    /// [`unsupported`](Self::unsupported).
    ///
    /// # Errors
    /// If the device does not compute in `precision`.
    pub fn on(self, info: &DeviceInfo, precision: Precision) -> Result<Self, PrecisionError> {
        let Chosen { engine, unsupported } = engine::choose(self.target, info, precision)?;
        Ok(Self { engine, unsupported, ..self })
    }

    /// The same with the best batch size for its engine. Photos that are cropped larger than
    /// networks usually see them come in smaller batches, which take the same memory.
    #[must_use]
    pub fn with_best_batch_size(self) -> Self {
        let best = self.engine.batch_size();
        let crop = self.target.preprocessing.crop.max(Self::USUAL_CROP) as usize;
        let batch_size = (best * (Self::USUAL_CROP as usize).pow(2) / crop.pow(2)).max(1);
        Self { batch_size, ..self }
    }

    /// The same with a feature cache in `folder`: known features are read from it, new ones are
    /// added.
    ///
    /// # Errors
    /// If the cache cannot be opened, or the device does not return the weights, which are part of
    /// the cache's key.
    pub fn with_cache(self, folder: &Path) -> Result<Self, CacheError> {
        let Target { backbone, preprocessing, .. } = self.target;
        let weights =
            backbone.sha256().map_err(|error| CacheError::Weights(engine::one_line(&error)))?;
        let width = backbone.architecture().features();
        let space = Space::new(&weights, &preprocessing, width, &self.engine.fingerprint());
        let label = format!("{} ({})", backbone.architecture(), self.engine.fingerprint());
        let cache = FeatureCache::open(folder, space)?.with_label(label);
        let cache = SharedFeatureCache::new(cache);
        Ok(Self { cache: Some(cache), ..self })
    }

    /// The preprocessing of the photos.
    pub fn preprocessing(&self) -> Preprocessing {
        self.target.preprocessing
    }

    /// The device of the backbone's weights.
    pub fn device(&self) -> &'a Device {
        self.target.device
    }

    /// The batch size that was asked for.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// The batch size in use, if the device's memory was too small for the one that was asked for.
    pub fn reduced_batch_size(&self) -> Option<usize> {
        self.engine.max_batch()
    }

    /// The step that the device's compiled engine lacks, if Burn's engine took over.
    pub fn unsupported(&self) -> Option<&Unsupported> {
        self.unsupported.as_ref()
    }

    /// Whether the engine runs on a GPU, so that a [`self_check`](Self::self_check) checks
    /// something.
    pub fn is_on_gpu(&self) -> bool {
        self.engine.is_on_gpu()
    }

    /// How the engine stores values.
    pub fn precision(&self) -> Precision {
        self.engine.precision()
    }

    /// Whether there is a cache.
    pub fn is_cached(&self) -> bool {
        self.cache.is_some()
    }

    /// The number of photos that were found in the cache so far.
    pub fn found_in_cache(&self) -> usize {
        self.cache.as_ref().map_or(0, SharedFeatureCache::found)
    }

    /// Why the cache was closed, if it was. Returned once.
    pub fn cache_problem(&self) -> Option<CacheError> {
        self.cache.as_ref().and_then(SharedFeatureCache::take_problem)
    }

    /// Computes the features of `paths` and hands them to `receive` in order, batch by batch.
    ///
    /// Up to [`Workload::FEW`] photos are computed in another order than many: their features
    /// differ by rounding, and are not cached.
    ///
    /// A batch is read back only after the next one was launched, so that a GPU never waits for the
    /// reading.
    ///
    /// # Errors
    /// If the device fails, or the first error of `receive`.
    pub fn for_each<P: AsRef<Path> + Sync, E>(
        &self,
        paths: &[P],
        mut receive: impl FnMut(FeatureBatch) -> Result<(), E>,
    ) -> Result<(), Stopped<E>> {
        let (preprocessing, cache) = (&self.target.preprocessing, self.cache.as_ref());
        let workload = Workload::of(paths.len());
        let mut launched: Option<Launched> = None;
        let mut batch = PendingBatch::default();
        let result = for_each_file(
            paths,
            2 * self.batch_size,
            |path| prepare(path, preprocessing, cache),
            |index, prepared| {
                batch.push(index, prepared);
                if !batch.is_full(self.batch_size) {
                    return Ok(());
                }
                let next = self.launch(std::mem::take(&mut batch), workload)?;
                match launched.replace(next) {
                    Some(previous) => receive(self.read(previous)?).map_err(Stopped::Receiver),
                    None => Ok(()),
                }
            },
        )
        .and_then(|()| {
            let last = self.launch(batch, workload)?;
            for launched in launched.take().into_iter().chain([last]) {
                let batch = self.read(launched)?;
                if !(batch.photos.is_empty() && batch.failed.is_empty()) {
                    receive(batch).map_err(Stopped::Receiver)?;
                }
            }
            Ok(())
        });
        // Whatever happened, the computed features are kept: those of the batch that the device is
        // computing, too.
        if let Some(launched) = launched.filter(|_| result.is_err()) {
            let _ = self.read(launched);
        }
        if let Some(cache) = cache {
            cache.flush();
        }
        result
    }

    /// The features of all of `paths`. `progress` gets the number of files that are done.
    ///
    /// # Errors
    /// If the device fails.
    pub fn all<P: AsRef<Path> + Sync>(
        &self,
        paths: &[P],
        mut progress: impl FnMut(usize),
    ) -> Result<Extraction, EngineError> {
        let result = self.all_unless(paths, |done| -> Result<(), Infallible> {
            progress(done);
            Ok(())
        });
        match result {
            Ok(extraction) => Ok(extraction),
            Err(Stopped::Extract(error)) => Err(error),
        }
    }

    /// The features of all of `paths`, as [`all`](Self::all), unless `progress` returns an error.
    ///
    /// # Errors
    /// If the device fails, or the first error of `progress`.
    pub fn all_unless<P: AsRef<Path> + Sync, E>(
        &self,
        paths: &[P],
        mut progress: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Extraction, Stopped<E>> {
        let mut extraction = Extraction::default();
        self.for_each(paths, |batch| {
            extraction.photos.extend(batch.photos);
            extraction.rows.extend(batch.rows);
            extraction.sizes.extend(batch.sizes);
            extraction.warnings.extend(batch.warnings);
            extraction.failed.extend(batch.failed);
            progress(extraction.photos.len() + extraction.failed.len())
        })?;
        Ok(extraction)
    }

    /// The last feature maps of some preprocessed photos, `[photos, crop, crop, 3]`. The features
    /// are their means over height and width.
    ///
    /// # Errors
    /// If the device fails.
    pub fn feature_map(&self, pixels: Vec<u8>) -> Result<FeatureMap, EngineError> {
        let map = self.engine.feature_map(pixels)?;
        Ok(FeatureMap { values: engine::finite(map.values)?, ..map })
    }

    fn launch(
        &self,
        mut batch: PendingBatch,
        workload: Workload,
    ) -> Result<Launched<'_>, EngineError> {
        let pixels = std::mem::take(&mut batch.pixels);
        let features = match pixels.is_empty() {
            true => Pending::ready(Vec::new()),
            false => self.engine.launch(pixels, workload)?,
        };
        Ok(Launched { batch, features })
    }

    /// Reads a batch's features back, and adds them to the cache.
    fn read(&self, launched: Launched) -> Result<FeatureBatch, EngineError> {
        let Launched { batch, features } = launched;
        let PendingBatch { photos, sizes, sources, warnings, failed, .. } = batch;
        let cache = self.cache.as_ref().filter(|_| features.is_cacheable);
        let computed = engine::finite(features.wait()?)?;
        let width = self.target.backbone.architecture().features();
        let mut new = computed.chunks_exact(width);
        let mut rows = Vec::with_capacity(photos.len() * width);
        for (source, size) in sources.iter().zip(&sizes) {
            match source {
                FeatureSource::Cached(row) => rows.extend(row),
                FeatureSource::New(digest) => {
                    let row = new.next().ok_or_else(missing_row)?;
                    if let (Some(cache), Some(digest)) = (cache, digest) {
                        cache.insert(*digest, *size, row);
                    }
                    rows.extend(row);
                }
            }
        }
        Ok(FeatureBatch { photos, rows, sizes, warnings, failed })
    }
}

/// A batch whose features the device may still be computing.
struct Launched<'a> {
    batch: PendingBatch,
    features: Pending<'a>,
}

fn missing_row() -> EngineError {
    EngineError::Device("it returned fewer features than photos".into())
}
