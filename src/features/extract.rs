//! Photos through the frozen backbone, decoding ahead of it.

use std::convert::Infallible;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use super::cache::{CacheError, FeatureCache, Space};
use super::executor::{Compiled, Executor, PrecisionError};
use super::group::{Found, Group, prepare};
use super::kept::Kept;
use crate::backbone::Backbone;
use crate::backbone::cpu::Photos;
use crate::device::{Backend, DeviceInfo};
use crate::photos::{DecodeError, Recipe, for_each_file};
use crate::precision::Precision;

/// What turns photos into features.
pub struct Extractor<'a> {
    pub(super) backbone: &'a Backbone,
    pub(super) recipe: Recipe,
    pub(super) device: &'a Device,
    pub(super) batch_size: usize,
    pub(super) executor: Executor,
    /// Whether that is on a GPU, or on what presents itself as one.
    pub(super) is_gpu: bool,
    kept: Option<Kept>,
}

/// Photos up to which they are few: compiling for many would take longer than it spares them.
const FEW: usize = 4;

/// Features of some photos.
#[derive(Debug, Default)]
pub struct FeatureBatch {
    /// Which photos: indices into the list that was asked for, ascending.
    pub photos: Vec<usize>,
    /// Their features, `[photos, width]`.
    pub rows: Vec<f32>,
    /// Width and height of each in its file, upright, in pixels.
    pub sizes: Vec<(u32, u32)>,
    /// Files met since the last batch that gave no photo.
    pub failed: Vec<(usize, DecodeError)>,
}

/// Features of every photo that could be decoded.
#[derive(Debug, Default)]
pub struct Extraction {
    /// Which photos: indices into the list that was asked for, ascending.
    pub photos: Vec<usize>,
    /// Their features, `[photos, width]`.
    pub rows: Vec<f32>,
    /// Width and height of each in its file, upright, in pixels.
    pub sizes: Vec<(u32, u32)>,
    /// Files that gave no photo.
    pub failed: Vec<(usize, DecodeError)>,
}

/// The last feature maps of some photos.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureMap {
    /// Channels: as many as there are features.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[photos, channels, height, width]`.
    pub values: Vec<f32>,
}

/// Why features could not be computed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExtractError {
    /// The device gave nothing back.
    #[error("the device failed while it computed features: {0}")]
    Device(String),
    /// What it gave back cannot be right.
    #[error("the device computed features that are no finite numbers")]
    NotFinite,
    /// Not even one photo at a time.
    #[error(
        "the device's memory does not hold one photo on its way through the network: end other programs that use it"
    )]
    OutOfMemory,
    /// Its driver does not come back.
    #[error("the device has not answered for {0} s: its driver hangs")]
    Hangs(u64),
}

/// Why the features of all photos were not handed over.
#[derive(Debug)]
pub enum Stopped<E> {
    /// They could not be computed.
    Extract(ExtractError),
    /// The receiver of the features stopped.
    Receiver(E),
}

impl<E> From<ExtractError> for Stopped<E> {
    fn from(error: ExtractError) -> Self {
        Self::Extract(error)
    }
}

impl<'a> Extractor<'a> {
    /// One that runs `backbone` with Burn's operations on its `device`, a plain one (there BatchNorm keeps its
    /// statistics and nothing is recorded for gradients), on photos prepared by `recipe`, `batch_size` at a
    /// time.
    ///
    /// # Panics
    /// Where that is none.
    pub fn new(
        backbone: &'a Backbone,
        recipe: Recipe,
        device: &'a Device,
        batch_size: usize,
    ) -> Self {
        assert!(batch_size > 0, "a batch holds at least one photo");
        Self {
            backbone,
            recipe,
            device,
            batch_size,
            executor: Executor::Burn,
            is_gpu: false,
            kept: None,
        }
    }

    /// The same, the network compiled for the processor.
    #[must_use]
    pub fn compiled(self) -> Self {
        Self { executor: Executor::cpu(), ..self }
    }

    /// The same, run by what is fastest on the device of `info`.
    #[must_use]
    pub fn suited_to(self, info: &DeviceInfo) -> Self {
        self.suited_to_in(info, Precision::F32).expect("every device computes in f32")
    }

    /// The same, its values stored in `precision` on their way through the network.
    ///
    /// # Errors
    /// Where the device does not compute in it.
    pub fn suited_to_in(
        self,
        info: &DeviceInfo,
        precision: Precision,
    ) -> Result<Self, PrecisionError> {
        let executor = Executor::suited_to(info, precision)?;
        Ok(Self { executor, is_gpu: matches!(info.backend, Backend::Wgpu | Backend::Cuda), ..self })
    }

    /// The same, with features that the device of `info` computed before taken from the cache in `folder`, and new
    /// ones kept there.
    ///
    /// # Errors
    /// Where the cache cannot be looked into, or the device does not give the weights back, by which its rows are
    /// found.
    pub fn with_cache(self, folder: &Path, info: &DeviceInfo) -> Result<Self, CacheError> {
        let weights =
            self.backbone.sha256().map_err(|error| CacheError::Weights(one_line(&error)))?;
        let width = self.backbone.architecture().features();
        let space = Space::new(&weights, &self.recipe, width, &self.executor.computed_by(info));
        Ok(Self { kept: Some(Kept::new(FeatureCache::open(folder, space)?)), ..self })
    }

    /// What it prepares photos by.
    pub fn recipe(&self) -> Recipe {
        self.recipe
    }

    /// The device that the network is on.
    pub fn device(&self) -> &'a Device {
        self.device
    }

    /// Photos that go through the network at a time.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// How many photos' features were in the cache so far.
    pub fn found_in_cache(&self) -> usize {
        self.kept.as_ref().map_or(0, Kept::found)
    }

    /// Photos that went through the network at a time, where the device's memory did not hold as many as were asked for.
    pub fn divided(&self) -> Option<usize> {
        match &self.executor {
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            Executor::Gpu(gpu) => gpu.most(),
            _ => None,
        }
    }

    /// Whether features are kept.
    pub fn is_cached(&self) -> bool {
        self.kept.is_some()
    }

    /// How values are stored on their way through the network.
    pub fn precision(&self) -> Precision {
        self.executor.precision()
    }

    /// Why the cache was given up, where it was: told once.
    pub fn cache_problem(&self) -> Option<CacheError> {
        self.kept.as_ref().and_then(Kept::take_problem)
    }

    /// Computes the features of `paths` and hands them to `receive` in order, a batch at a time.
    ///
    /// Up to four photos go through a network that is compiled for few; their features differ from those among many by
    /// rounding, and are not kept in a cache.
    ///
    /// A batch's features are read back only when the next batch is under way, so that a GPU never
    /// waits for the reading.
    ///
    /// # Errors
    /// Where the device fails, or the first error of `receive`.
    pub fn for_each<P: AsRef<Path> + Sync, E>(
        &self,
        paths: &[P],
        mut receive: impl FnMut(FeatureBatch) -> Result<(), E>,
    ) -> Result<(), Stopped<E>> {
        let (recipe, kept) = (&self.recipe, self.kept.as_ref());
        let few = paths.len() <= FEW;
        let mut under_way: Option<Pending> = None;
        let mut group = Group::default();
        let result = for_each_file(
            paths,
            2 * self.batch_size,
            |path| prepare(path, recipe, kept),
            |index, prepared| {
                group.push(index, prepared);
                if !group.is_full(self.batch_size) {
                    return Ok(());
                }
                let next = self.launch(std::mem::take(&mut group), few)?;
                match under_way.replace(next) {
                    Some(pending) => receive(self.read(pending)?).map_err(Stopped::Receiver),
                    None => Ok(()),
                }
            },
        )
        .and_then(|()| {
            let last = self.launch(group, few)?;
            for pending in under_way.take().into_iter().chain([last]) {
                let batch = self.read(pending)?;
                if !(batch.photos.is_empty() && batch.failed.is_empty()) {
                    receive(batch).map_err(Stopped::Receiver)?;
                }
            }
            Ok(())
        });
        // What was computed is kept, however it ended.
        if let Some(kept) = kept {
            kept.flush();
        }
        result
    }

    /// The features of all of `paths`; `progress` is told how many files have been dealt with.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn all<P: AsRef<Path> + Sync>(
        &self,
        paths: &[P],
        mut progress: impl FnMut(usize),
    ) -> Result<Extraction, ExtractError> {
        let mut extraction = Extraction::default();
        let result = self.for_each(paths, |batch| -> Result<(), Infallible> {
            extraction.photos.extend(batch.photos);
            extraction.rows.extend(batch.rows);
            extraction.sizes.extend(batch.sizes);
            extraction.failed.extend(batch.failed);
            progress(extraction.photos.len() + extraction.failed.len());
            Ok(())
        });
        match result {
            Ok(()) => Ok(extraction),
            Err(Stopped::Extract(error)) => Err(error),
        }
    }

    /// The last feature maps of some prepared photos, `[photos, crop, crop, 3]`: the features are their means
    /// over height and width.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn feature_map(&self, pixels: Vec<u8>) -> Result<FeatureMap, ExtractError> {
        let (values, [channels, height, width]) = match &self.executor {
            Executor::Cpu(networks) => {
                let Compiled { network, normalised } =
                    networks.get(self.backbone, &self.recipe, false)?;
                let values = network.feature_map(Photos::Bytes(&pixels, normalised));
                (values, network.map_shape())
            }
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            Executor::Gpu(gpu) => gpu.get(self.backbone, &self.recipe)?.feature_map(pixels)?,
            Executor::Burn => {
                let map = self.backbone.feature_map(self.upload(&pixels));
                let [_, channels, height, width] = map.dims();
                (read(map)?, [channels, height, width])
            }
        };
        Ok(FeatureMap { channels, height, width, values: finite(values)? })
    }

    fn launch(&self, mut group: Group, few: bool) -> Result<Pending, ExtractError> {
        let pixels = std::mem::take(&mut group.pixels);
        if pixels.is_empty() {
            return Ok(Pending { group, computed: Computed::Rows(Vec::new()), keep: false });
        }
        let computed = match &self.executor {
            Executor::Cpu(networks) => {
                let Compiled { network, normalised } =
                    networks.get(self.backbone, &self.recipe, few)?;
                Computed::Rows(network.features(Photos::Bytes(&pixels, normalised)))
            }
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            Executor::Gpu(gpu) => {
                Computed::OnGpu(gpu.get(self.backbone, &self.recipe)?.launch(pixels))
            }
            Executor::Burn => {
                Computed::OnDevice(Box::new(self.backbone.forward(self.upload(&pixels))))
            }
        };
        // Features do not depend on what else was asked for: those that are kept are of one network.
        let keep = !(few && matches!(self.executor, Executor::Cpu(_)));
        Ok(Pending { group, computed, keep })
    }

    /// A batch's features, read back and kept.
    fn read(&self, pending: Pending) -> Result<FeatureBatch, ExtractError> {
        let Pending { group, computed, keep } = pending;
        let computed = match computed {
            Computed::Rows(rows) => finite(rows)?,
            Computed::OnDevice(features) => read(*features)?,
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            Computed::OnGpu(ticket) => match &self.executor {
                Executor::Gpu(gpu) => {
                    finite(gpu.get(self.backbone, &self.recipe)?.features(ticket)?)?
                }
                _ => unreachable!("launched there"),
            },
        };
        let width = self.backbone.architecture().features();
        let mut new = computed.chunks_exact(width);
        let mut rows = Vec::with_capacity(group.photos.len() * width);
        for (found, size) in group.found.iter().zip(&group.sizes) {
            match found {
                Found::Row(row) => rows.extend(row),
                Found::New(digest) => {
                    let row = new.next().expect("a row for each photo that was computed");
                    if let (Some(kept), Some(digest), true) = (&self.kept, digest, keep) {
                        kept.insert(*digest, *size, row);
                    }
                    rows.extend(row);
                }
            }
        }
        let Group { photos, sizes, failed, .. } = group;
        Ok(FeatureBatch { photos, rows, sizes, failed })
    }

    /// Prepared photos on the device, `[photos, 3, crop, crop]`, normalised.
    pub(super) fn upload(&self, pixels: &[u8]) -> Tensor<4> {
        let (side, values) = (self.recipe.crop as usize, self.recipe.values());
        let photos = pixels.len() / values;
        let normalised: Vec<f32> =
            pixels.chunks_exact(values).flat_map(|photo| self.recipe.normalise(photo)).collect();
        Tensor::from_data(TensorData::new(normalised, [photos, 3, side, side]), self.device)
    }
}

/// A group whose features the device may still be computing.
struct Pending {
    group: Group,
    computed: Computed,
    /// Whether they go into the cache.
    keep: bool,
}

enum Computed {
    OnDevice(Box<Tensor<2>>),
    /// With its thread.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    OnGpu(super::gpu::Ticket),
    Rows(Vec<f32>),
}

/// The values of a tensor, read back from the device; every one of them a finite number.
pub(super) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ExtractError> {
    let values: Vec<f32> = tensor
        .try_into_data()
        .map_err(|error| ExtractError::Device(one_line(&error)))?
        .try_into_vec_as()
        .map_err(|error| ExtractError::Device(one_line(&error)))?;
    finite(values)
}

fn finite(values: Vec<f32>) -> Result<Vec<f32>, ExtractError> {
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(values),
        false => Err(ExtractError::NotFinite),
    }
}

pub(super) fn one_line(error: &impl std::fmt::Debug) -> String {
    format!("{error:?}").split_whitespace().collect::<Vec<_>>().join(" ")
}
