//! Photos through the frozen backbone: batches in, rows of features out.

use std::convert::Infallible;
use std::path::Path;

use burn::tensor::Device;

use super::batch::{Extraction, FeatureBatch, Stopped};
use super::cache::{CacheError, Space};
use super::passage::Views;
use super::shared_cache::SharedFeatureCache;
use crate::backbone::Backbone;
use crate::device::DeviceInfo;
#[cfg(doc)]
use crate::engine::Workload;
use crate::engine::{
    self, Chosen, Engine, EngineError, FeatureMap, PackedCache, PrecisionError, Target, Unsupported,
};
use crate::photos::{Fit, PhotoSource, Preprocessing, View};
use crate::precision::Precision;
use crate::{FeatureRows, RowWriter, RowsError};

/// Turns photos into features.
pub struct Extractor<'a> {
    pub(super) target: Target<'a>,
    pub(super) batch_size: usize,
    pub(super) engine: Box<dyn Engine + 'a>,
    unsupported: Option<Unsupported>,
    pub(super) cache: Option<SharedFeatureCache>,
    pub(super) has_spot_checks: bool,
    averaged_views: usize,
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
        Self {
            target,
            batch_size,
            engine,
            unsupported: None,
            cache: None,
            has_spot_checks: true,
            averaged_views: 1,
        }
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
    /// added. The engine keeps its packed weights beside them.
    ///
    /// # Errors
    /// If the cache cannot be opened, or the device does not return the weights, which are part of
    /// the cache's key.
    pub fn with_cache(self, folder: &Path) -> Result<Self, CacheError> {
        let space = self.space(&self.engine.fingerprint())?;
        let Target { backbone, preprocessing, .. } = self.target;
        let architecture = backbone.architecture();
        let mut label = format!("{architecture} ({})", self.engine.fingerprint());
        // People who try several sizes see which is which.
        if preprocessing.fit != Fit::Crop || preprocessing.crop != architecture.preprocessing().crop
        {
            label.push_str(&format!(", {}", preprocessing.geometry()));
        }
        let cache = SharedFeatureCache::open(folder, space, label)?;
        let mut engine = self.engine;
        engine.keep_packed_weights(PackedCache::beside(folder));
        Ok(Self { cache: Some(cache), engine, ..self })
    }

    /// The same, with the features of each photo averaged over its first `views` views. The head is
    /// linear, so this averages the logits.
    ///
    /// # Panics
    /// If there are not 1 to 10 views.
    #[must_use]
    pub fn with_averaged_views(self, views: usize) -> Self {
        assert!((1..=View::ALL.len()).contains(&views), "a photo has 1 to 10 views");
        Self { averaged_views: views, ..self }
    }

    /// The same without the spot checks of features that a GPU computes: of more than
    /// [`Workload::FEW`] photos, one is computed on the processor too, at the end and each time
    /// before features are written to the cache. Without them, whatever a GPU computes is cached.
    #[must_use]
    pub fn without_spot_checks(self) -> Self {
        Self { has_spot_checks: false, ..self }
    }

    /// The space of the features of plain views, computed by the device of this name.
    fn space(&self, computed_by: &str) -> Result<Space, CacheError> {
        let Target { backbone, preprocessing, .. } = self.target;
        let weights =
            backbone.sha256().map_err(|error| CacheError::Weights(engine::one_line(&error)))?;
        Ok(Space::new(&weights, &preprocessing, self.width(), computed_by))
    }

    /// Identifies what the features mean: the weights, the preprocessing, the decoders of photos
    /// and the averaged views, but not the device. Features with different fingerprints cannot be
    /// compared.
    ///
    /// # Errors
    /// If the device does not return the weights.
    pub fn model_fingerprint(&self) -> Result<String, CacheError> {
        let name = self.space("")?.name();
        Ok(match self.averaged_views {
            1 => name,
            views => format!("{name}-{views}"),
        })
    }

    /// Identifies the device and the kernels, on which the features' rounding depends.
    pub fn engine_fingerprint(&self) -> String {
        self.engine.fingerprint()
    }

    /// The name of the backbone's architecture.
    pub fn backbone_name(&self) -> String {
        self.target.backbone.architecture().to_string()
    }

    /// Over how many views the features of a photo are averaged: 1 is the plain view alone.
    pub fn averaged_views(&self) -> usize {
        self.averaged_views
    }

    /// The preprocessing of the photos.
    pub fn preprocessing(&self) -> Preprocessing {
        self.target.preprocessing
    }

    /// The number of features of a photo.
    pub fn width(&self) -> usize {
        self.target.backbone.architecture().features()
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

    /// The number of photos that were found in the cache so far, with all their views.
    pub fn found_in_cache(&self) -> usize {
        self.cache.as_ref().map_or(0, SharedFeatureCache::found)
    }

    /// Why the cache was closed, if it was. Returned once.
    pub fn cache_problem(&self) -> Option<CacheError> {
        self.cache.as_ref().and_then(SharedFeatureCache::take_problem)
    }

    /// Computes the features of `paths` and hands them to `receive` in order, batch by batch.
    ///
    /// Up to [`Workload::FEW`] views are computed in another order than many: their features
    /// differ by rounding, and are not cached.
    ///
    /// # Errors
    /// If the device fails or computes wrong numbers, or the first error of `receive`.
    pub fn for_each<P: PhotoSource, E>(
        &self,
        paths: &[P],
        receive: impl FnMut(FeatureBatch) -> Result<(), E>,
    ) -> Result<(), Stopped<E>> {
        let averaged = self.averaged_views;
        let views = Views { of: &|_| averaged, are_averaged: true };
        self.pass(paths, views, receive)
    }

    /// The features of all of `paths`. `progress` gets the number of files that are done.
    ///
    /// # Errors
    /// If the device fails.
    pub fn all<P: PhotoSource>(
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
    pub fn all_unless<P: PhotoSource, E>(
        &self,
        paths: &[P],
        mut progress: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Extraction, Stopped<E>> {
        let averaged = self.averaged_views;
        let views = Views { of: &|_| averaged, are_averaged: true };
        self.collect_in_memory(paths, views, &mut progress)
    }

    /// The features of all of `paths`, as [`all`](Self::all), in `rows`, unless `progress` returns
    /// an error.
    ///
    /// # Errors
    /// If the device fails, the rows cannot be kept, or the first error of `progress`.
    pub fn all_into<P: PhotoSource, E: From<RowsError>>(
        &self,
        paths: &[P],
        mut rows: RowWriter,
        mut progress: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Extraction<FeatureRows>, Stopped<E>> {
        let averaged = self.averaged_views;
        let views = Views { of: &|_| averaged, are_averaged: true };
        let mut keep = |more: Vec<f32>| Ok(rows.extend(&more)?);
        let extraction = self.collect(paths, views, &mut keep, &mut progress)?;
        let rows = rows.finish().map_err(|error| Stopped::Receiver(error.into()))?;
        Ok(extraction.with_rows(rows))
    }

    /// The features of the first `views(index)` views of each of `paths`, one by one, unless
    /// `progress` returns an error. A photo is decoded once for all its views.
    ///
    /// # Errors
    /// If the device fails, or the first error of `progress`.
    pub fn views_unless<P: PhotoSource, E>(
        &self,
        paths: &[P],
        views: impl Fn(usize) -> usize + Sync,
        mut progress: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Extraction, Stopped<E>> {
        let views = Views { of: &views, are_averaged: false };
        self.collect_in_memory(paths, views, &mut progress)
    }

    fn collect_in_memory<P: PhotoSource, E>(
        &self,
        paths: &[P],
        views: Views,
        progress: &mut dyn FnMut(usize) -> Result<(), E>,
    ) -> Result<Extraction, Stopped<E>> {
        let mut rows = Vec::new();
        let mut keep = |more: Vec<f32>| {
            rows.extend(more);
            Ok(())
        };
        let extraction = self.collect(paths, views, &mut keep, progress)?;
        Ok(extraction.with_rows(rows))
    }

    /// Everything but the rows, which `keep` gets batch by batch.
    fn collect<P: PhotoSource, E>(
        &self,
        paths: &[P],
        views: Views,
        keep: &mut dyn FnMut(Vec<f32>) -> Result<(), E>,
        progress: &mut dyn FnMut(usize) -> Result<(), E>,
    ) -> Result<Extraction<()>, Stopped<E>> {
        let mut extraction = Extraction::<()>::default();
        self.pass(paths, views, |batch| {
            extraction.photos.extend(batch.photos);
            keep(batch.rows)?;
            extraction.further_views.extend(batch.further_views);
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
}
