//! The GPU self-check: one photo through the GPU and through the processor, before training.
//!
//! The driver of the user's machine compiles the kernels, and a wrong kernel does not fail: the
//! classifier just becomes a little worse. (Burn's kernels have been wrong in this way:
//! <https://github.com/tracel-ai/burn/issues/5626>.) The photo is the first and the last of a whole
//! batch, since kernels depend on the batch's size.

use serde::{Deserialize, Serialize};

use super::extract::Extractor;
use crate::engine::{
    EngineError, NetworkSpec, ProcessorNetwork, StepValues, Target, Workload, normalised,
};
use crate::plan::Planned;
use crate::precision::Precision;

/// The result of a self-check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfCheck {
    /// Whose kernels were checked: `own` or `Burn`.
    pub kernels: String,
    /// How they stored values.
    pub precision: String,
    /// Photos in the batch.
    pub photos: usize,
    /// The largest difference from the processor's features, as a fraction of the largest feature.
    pub error: f32,
    /// The largest difference that rounding explains.
    pub bound: f32,
}

/// Why a GPU failed the self-check.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SelfCheckError {
    /// Its features differ from the processor's.
    #[error(
        "the device computes wrong numbers: a photo's features differ by {error:.1e} of the largest \
         one, and rounding explains at most {bound:.0e}{}", location(.layer)
    )]
    Disagrees {
        /// The first step of the network whose output is wrong, if it could be found.
        layer: Option<String>,
        /// The difference, as a fraction of the largest feature.
        error: f32,
        /// The largest difference that rounding explains.
        bound: f32,
    },
    /// The features could not be computed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

fn location(layer: &Option<String>) -> String {
    match layer {
        Some(layer) => format!("; the first wrong layer is `{layer}`"),
        None => String::new(),
    }
}

/// The depth of EfficientNet-Lite0, the deepest network that the bound in f16 was checked on:
/// shallower ones get its bound too.
pub(super) const CHECKED_DEPTH: usize = 49;

/// The largest difference that rounding explains, as a fraction of the largest value. In f32: what
/// is promised for logits. In f16: 2^-11 per rounding, twice the square root of the number of
/// layers, and four for the largest of many values.
pub(super) fn bound(precision: Precision, depth: usize) -> f32 {
    match precision {
        Precision::F32 => 1e-4,
        Precision::F16 => 4.0 * 2.0 * (depth.max(CHECKED_DEPTH) as f32).sqrt() / 2048.0,
    }
}

impl Extractor<'_> {
    /// Compares the features of a preprocessed photo, `[crop, crop, 3]`, with those that the
    /// processor computes. `None` if the engine does not run on a GPU.
    ///
    /// # Errors
    /// If they differ by more than rounding explains (the error names the first wrong layer), or if
    /// the device fails.
    pub fn self_check(&self, photo: &[u8]) -> Result<Option<SelfCheck>, SelfCheckError> {
        if !self.is_on_gpu() {
            return Ok(None);
        }
        let Target { backbone, preprocessing, .. } = &self.target;
        let photos = batch(photo, self.batch_size);
        let ends = [&photos[..photo.len()], &photos[photos.len() - photo.len()..]].concat();
        let expected = ProcessorNetwork::of(backbone, *preprocessing)?.features(&ends)?;
        let precision = self.precision();
        let actual = self.engine.launch(photos.clone(), Workload::Many)?.wait()?;
        let width = backbone.architecture().features();
        let actual = [&actual[..width], &actual[actual.len() - width..]].concat();
        let depth = backbone.plan().map_or(CHECKED_DEPTH, |plan| plan.depth());
        let (error, bound) = (difference(&actual, &expected), bound(precision, depth));
        if error <= bound {
            return Ok(Some(SelfCheck {
                kernels: self.engine.kernels().to_owned(),
                precision: precision.to_string(),
                photos: self.batch_size,
                error,
                bound,
            }));
        }
        if precision == Precision::F16 && !error.is_finite() {
            // A value exceeds 65504, which is the network's fault, not the driver's.
            return Err(EngineError::NotFinite.into());
        }
        // The difference is reported even if its layer cannot be found.
        let layer = match (self.engine.steps(photos), NetworkSpec::of(backbone)) {
            (Ok(Some(steps)), Ok(spec)) => self.first_wrong_step(&steps, &spec, &ends, bound),
            _ => None,
        };
        Err(SelfCheckError::Disagrees { layer, error, bound })
    }

    /// The first step whose values differ by more than `bound` of its largest value. `None` if
    /// there is no such step: a fault may not occur twice.
    fn first_wrong_step(
        &self,
        steps: &StepValues,
        spec: &NetworkSpec,
        ends: &[u8],
        bound: f32,
    ) -> Option<String> {
        let ends = normalised(ends, &self.target.preprocessing, &crate::device::processor()?);
        let mut wrong = None;
        spec.plan.interpreted(&spec.weights, ends, |name, expected| {
            // A fused sum comes with its convolution.
            let is_own = |step: &&(String, Vec<f32>)| {
                step.0.rsplit(" + ").next().is_some_and(|last| last == name)
            };
            if wrong.is_none()
                && let Some((_, actual)) = steps.iter().find(is_own)
            {
                let expected: Vec<f32> = expected.to_data().iter::<f32>().collect();
                if difference(actual, &expected) > bound {
                    wrong = Some(name.to_owned());
                }
            }
        });
        wrong
    }
}

/// A batch made of one photo: itself, then copies that are each rotated by some bytes, so that all
/// differ.
fn batch(photo: &[u8], count: usize) -> Vec<u8> {
    let mut photos = Vec::with_capacity(photo.len() * count);
    for at in 0..count {
        let (head, tail) = photo.split_at(at * 3001 % photo.len());
        photos.extend(tail.iter().chain(head));
    }
    photos
}

/// The largest difference as a fraction of the largest expected value. NaN differs from everything.
pub(super) fn difference(actual: &[f32], expected: &[f32]) -> f32 {
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
    fn nan_differs_from_everything() {
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
