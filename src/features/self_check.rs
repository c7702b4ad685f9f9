//! One photo through a GPU and through the processor, before a GPU is believed.
//!
//! Kernels are compiled by the driver of the user's machine, and a wrong one does not stop anything: a classifier would just
//! train a little worse. (Burn's kernels have been wrong so: <https://github.com/tracel-ai/burn/issues/5626>.) The photo goes
//! through at the head and at the end of a whole batch, since kernels also depend on its size.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

#[cfg(any(feature = "wgpu", feature = "cuda"))]
use super::executor::Executor;
use super::extract::{ExtractError, Extractor, one_line};
use crate::backbone::Planned;
use crate::backbone::cpu::{Photos, Tuning};
use crate::backbone::folding::Weights;
use crate::precision::Precision;

/// What a self-check saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfCheck {
    /// Whose kernels were checked: `own` or `Burn`.
    pub kernels: String,
    /// How they stored values.
    pub precision: String,
    /// Photos in the batch.
    pub photos: usize,
    /// The largest difference of a feature from the processor's, as a share of the largest feature.
    pub error: f32,
    /// What rounding explains.
    pub bound: f32,
}

/// Why a GPU is not believed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SelfCheckError {
    /// It computes something else.
    #[error(
        "the device computes wrong numbers: the features of a photo are off by {error:.1e} of the largest, and rounding \
         explains {bound:.0e}{}", place(.layer)
    )]
    Disagrees {
        /// The first step of the network that is wrong, where one is.
        layer: Option<String>,
        /// The difference, as a share of the largest feature.
        error: f32,
        /// What rounding explains.
        bound: f32,
    },
    /// It computes nothing.
    #[error(transparent)]
    Extract(#[from] ExtractError),
}

fn place(layer: &Option<String>) -> String {
    match layer {
        Some(layer) => format!("; it begins in the layer `{layer}`"),
        None => String::new(),
    }
}

/// What rounding explains, as a share of the largest value: in f32 what is promised for logits; in f16, 2^-11 a rounding,
/// twice the square root of 49 layers, and four for the largest of many values.
fn bound(precision: Precision) -> f32 {
    match precision {
        Precision::F32 => 1e-4,
        Precision::F16 => 4.0 * 2.0 * 7.0 / 2048.0,
    }
}

impl Extractor<'_> {
    /// Whether it computes on a GPU, so that a [`self_check`](Self::self_check) does something.
    pub fn is_on_gpu(&self) -> bool {
        self.is_gpu
    }

    /// Compares the features of a prepared photo, `[crop, crop, 3]`, with those that the network compiled for the processor
    /// gives. Nothing is checked, and nothing told, where no GPU computes.
    ///
    /// # Errors
    /// Where they differ by more than rounding explains; says in which layer that begins. And where the device fails.
    pub fn self_check(&self, photo: &[u8]) -> Result<Option<SelfCheck>, SelfCheckError> {
        if !self.is_gpu {
            return Ok(None);
        }
        let photos = batch(photo, self.batch_size);
        let ends = [&photos[..photo.len()], &photos[photos.len() - photo.len()..]].concat();
        let failed = |error: &dyn std::fmt::Debug| ExtractError::Device(one_line(&error));

        let side = self.recipe.crop as usize;
        let reference = self
            .backbone
            .compiled_with([side; 2], Tuning::for_one_photo())
            .map_err(|error| failed(&error))?;
        let expected = reference.features(Photos::Bytes(&ends, &self.recipe.normalised()));
        drop(reference);

        let precision = self.executor.precision();
        let actual = self.features_of(photos.clone())?;
        let width = self.backbone.architecture().features();
        let actual = [&actual[..width], &actual[actual.len() - width..]].concat();
        let (error, bound) = (difference(&actual, &expected), bound(precision));
        if error <= bound {
            return Ok(Some(SelfCheck {
                kernels: self.executor.kernels().to_owned(),
                precision: precision.to_string(),
                photos: self.batch_size,
                error,
                bound,
            }));
        }
        if precision == Precision::F16 && !error.is_finite() {
            // Beyond 65504, which is the network's and no driver's fault.
            return Err(ExtractError::NotFinite.into());
        }
        // Where that cannot be told, what was seen is told all the same.
        let layer = self.first_wrong_step(photos, &ends, bound).unwrap_or(None);
        Err(SelfCheckError::Disagrees { layer, error, bound })
    }

    /// The features of photos, whatever runs the network.
    fn features_of(&self, photos: Vec<u8>) -> Result<Vec<f32>, ExtractError> {
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        if let Executor::Gpu(gpu) = &self.executor {
            let thread = gpu.get(self.backbone, &self.recipe)?;
            return thread.features(thread.launch(photos));
        }
        super::extract::read(self.backbone.forward(self.upload(&photos)))
    }

    /// The first step of the plan whose values differ by more than `bound` of its largest. `None` where that cannot be told:
    /// Burn's operations are not observed, and a fault may not come twice.
    fn first_wrong_step(
        &self,
        photos: Vec<u8>,
        ends: &[u8],
        bound: f32,
    ) -> Result<Option<String>, ExtractError> {
        let (Some(steps), Some(processor)) = (self.steps(photos)?, crate::device::processor())
        else {
            return Ok(None);
        };
        let weights =
            Weights::of(self.backbone).map_err(|error| ExtractError::Device(one_line(&error)))?;
        let side = self.recipe.crop as usize;
        let values: Vec<f32> = ends
            .chunks_exact(self.recipe.values())
            .flat_map(|photo| self.recipe.normalise(photo))
            .collect();
        let ends = Tensor::<4>::from_data(TensorData::new(values, [2, 3, side, side]), &processor);
        let mut wrong = None;
        self.backbone.plan().interpreted(&weights, ends, |name, expected| {
            // A sum comes with the convolution that it is part of.
            let own = |step: &&(String, Vec<f32>)| {
                step.0.rsplit(" + ").next().is_some_and(|last| last == name)
            };
            if wrong.is_none()
                && let Some((_, actual)) = steps.iter().find(own)
            {
                let expected: Vec<f32> = expected.to_data().iter::<f32>().collect();
                if difference(actual, &expected) > bound {
                    wrong = Some(name.to_owned());
                }
            }
        });
        Ok(wrong)
    }

    /// What each step of our own kernels gives for the first and the last of some photos.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    fn steps(&self, photos: Vec<u8>) -> Result<Option<StepValues>, ExtractError> {
        match &self.executor {
            Executor::Gpu(gpu) => gpu.get(self.backbone, &self.recipe)?.steps(photos).map(Some),
            _ => Ok(None),
        }
    }

    /// This build has no kernels.
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    fn steps(&self, _photos: Vec<u8>) -> Result<Option<StepValues>, ExtractError> {
        Ok(None)
    }
}

/// What each step gives, by its name in the plan.
type StepValues = Vec<(String, Vec<f32>)>;

/// So many photos made of one: itself, and then each turned by some bytes, so that none is like another.
fn batch(photo: &[u8], count: usize) -> Vec<u8> {
    let mut photos = Vec::with_capacity(photo.len() * count);
    for at in 0..count {
        let (head, tail) = photo.split_at(at * 3001 % photo.len());
        photos.extend(tail.iter().chain(head));
    }
    photos
}

/// The largest difference as a share of the largest expected value. What is no number differs from everything.
fn difference(actual: &[f32], expected: &[f32]) -> f32 {
    let larger = |largest: f32, value: f32| match value > largest || value.is_nan() {
        true => value,
        false => largest,
    };
    let pairs = actual.iter().zip(expected);
    let worst = pairs.map(|(actual, expected)| (actual - expected).abs()).fold(0.0, larger);
    let largest = expected.iter().map(|value| value.abs()).fold(f32::MIN_POSITIVE, larger);
    match worst.is_nan() || actual.len() != expected.len() {
        true => f32::INFINITY,
        false => worst / largest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_differs_from_everything() {
        assert_eq!(difference(&[1.0, f32::NAN, 3.0], &[1.0, 2.0, 3.0]), f32::INFINITY);
        assert_eq!(difference(&[1.0], &[1.0, 2.0]), f32::INFINITY);
        assert_eq!(difference(&[1.0, 2.5], &[1.0, 2.0]), 0.25);
        assert_eq!(difference(&[0.0], &[0.0]), 0.0);
    }

    #[test]
    fn a_batch_for_the_check_begins_with_the_photo_and_has_no_two_alike() {
        let photo: Vec<u8> = (0..24u8).collect();
        let photos = batch(&photo, 3);
        assert_eq!(&photos[..24], &photo[..]);
        assert_ne!(photos[..24], photos[24..48]);
        assert_ne!(photos[24..48], photos[48..]);
    }
}
