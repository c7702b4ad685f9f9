//! Photos through the frozen backbone, decoding ahead of it.

use std::convert::Infallible;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use crate::backbone::Backbone;
use crate::photos::{Batch, DecodeError, Recipe, for_each_batch};

/// What turns photos into features.
pub struct Extractor<'a> {
    /// The frozen network, on `device`.
    pub backbone: &'a Backbone,
    /// What it wants of a photo.
    pub recipe: Recipe,
    /// A plain device: there BatchNorm keeps its statistics, and nothing is recorded for gradients.
    pub device: &'a Device,
    /// Photos that go through the network at a time.
    pub batch_size: usize,
}

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

/// Why features could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The device gave nothing back.
    #[error("the device failed while it computed features: {0}")]
    Device(String),
    /// What it gave back cannot be right.
    #[error("the device computed features that are no finite numbers")]
    NotFinite,
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

impl Extractor<'_> {
    /// Computes the features of `paths` and hands them to `receive` in order, a batch at a time.
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
        let mut under_way: Option<Pending> = None;
        for_each_batch(paths, &self.recipe, self.batch_size, |batch| {
            let next = self.launch(batch);
            match under_way.replace(next) {
                Some(pending) => receive(pending.read()?).map_err(Stopped::Receiver),
                None => Ok(()),
            }
        })?;
        match under_way {
            Some(pending) => receive(pending.read()?).map_err(Stopped::Receiver),
            None => Ok(()),
        }
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

    fn launch(&self, batch: Batch) -> Pending {
        let Batch { photos, pixels, sizes, failed } = batch;
        let features = (!photos.is_empty()).then(|| self.backbone.forward(self.upload(pixels)));
        Pending { photos, features, sizes, failed }
    }

    /// The photos of a [`Batch`] on the device, `[photos, 3, crop, crop]`.
    pub(crate) fn upload(&self, pixels: Vec<f32>) -> Tensor<4> {
        let side = self.recipe.crop as usize;
        let photos = pixels.len() / self.recipe.values();
        Tensor::from_data(TensorData::new(pixels, [photos, 3, side, side]), self.device)
    }
}

/// A batch whose features the device may still be computing.
struct Pending {
    photos: Vec<usize>,
    features: Option<Tensor<2>>,
    sizes: Vec<(u32, u32)>,
    failed: Vec<(usize, DecodeError)>,
}

impl Pending {
    fn read(self) -> Result<FeatureBatch, ExtractError> {
        let rows = self.features.map_or(Ok(Vec::new()), read)?;
        Ok(FeatureBatch { photos: self.photos, rows, sizes: self.sizes, failed: self.failed })
    }
}

/// The values of a tensor, read back from the device; every one of them a finite number.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ExtractError> {
    let values: Vec<f32> = tensor
        .try_into_data()
        .map_err(|error| ExtractError::Device(one_line(&error)))?
        .try_into_vec_as()
        .map_err(|error| ExtractError::Device(one_line(&error)))?;
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(values),
        false => Err(ExtractError::NotFinite),
    }
}

fn one_line(error: &impl std::fmt::Debug) -> String {
    format!("{error:?}").split_whitespace().collect::<Vec<_>>().join(" ")
}
