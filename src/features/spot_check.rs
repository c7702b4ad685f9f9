//! Spot checks: while a GPU computes features, the processor computes one photo of a batch too,
//! before any of the features since the last check are kept.
//!
//! The self-check before training compares the first batch. A driver may go wrong later: after a
//! reset, when memory is short, when other programs use it too. What has gone wrong and stays wrong
//! is found here, and nothing of it gets into the cache. The photo is one of the last batch, at
//! another place in each check.

use super::extract::Extractor;
use super::self_check::{CHECKED_DEPTH, bound, difference};
use crate::engine::{EngineError, ProcessorNetwork, Target};
use crate::plan::Planned;

/// A photo whose features will be compared.
pub(super) struct Sample {
    /// Index among the new views of its batch.
    view: usize,
    /// Preprocessed, `[crop, crop, 3]`.
    pixels: Vec<u8>,
}

/// The spot checks of one passage.
pub(super) struct SpotCheck<'a> {
    extractor: &'a Extractor<'a>,
    /// Compiled for the first check.
    network: Option<ProcessorNetwork<'a>>,
    /// A photo of the last batch, and its features.
    last: Option<(Sample, Vec<f32>)>,
    /// The number of batches that a photo was taken of.
    batches: usize,
}

impl<'a> SpotCheck<'a> {
    /// No photo yet.
    pub fn of(extractor: &'a Extractor<'a>) -> Self {
        Self { extractor, network: None, last: None, batches: 0 }
    }

    /// A photo of a batch, `[photos, crop, crop, 3]`. Its place differs from batch to batch.
    pub fn sample(&mut self, pixels: &[u8]) -> Option<Sample> {
        let photo = self.extractor.preprocessing().values();
        let count = pixels.len() / photo;
        // The prime 7919 divides no batch size, so that every place has its turn.
        let view = (self.batches * 7919).checked_rem(count)?;
        self.batches += 1;
        Some(Sample { view, pixels: pixels[view * photo..][..photo].to_vec() })
    }

    /// Keeps the features of a sample, out of those of its batch, `[photos, width]`.
    pub fn computed(&mut self, sample: Option<Sample>, rows: &[f32], width: usize) {
        let Some(sample) = sample else { return };
        if let Some(row) = rows.chunks_exact(width).nth(sample.view) {
            self.last = Some((sample, row.to_vec()));
        }
    }

    /// Compares the features of the last sample with the processor's, if there is a new one.
    ///
    /// # Errors
    /// If they differ by more than rounding explains, or the weights cannot be read.
    pub fn check(&mut self) -> Result<(), EngineError> {
        let Some((sample, actual)) = self.last.take() else { return Ok(()) };
        let Target { backbone, preprocessing, .. } = self.extractor.target;
        let network = match &mut self.network {
            Some(network) => network,
            none => none.insert(ProcessorNetwork::of(backbone, preprocessing)?),
        };
        let expected = network.features(&sample.pixels)?;
        let depth = backbone.plan().map_or(CHECKED_DEPTH, |plan| plan.depth());
        let bound = bound(self.extractor.precision(), depth);
        let error = difference(&actual, &expected);
        log::debug!("spot check: off by {error:.1e}, where {bound:.0e} is allowed");
        match error <= bound {
            true => Ok(()),
            false => Err(EngineError::WrongNumbers { error, bound }),
        }
    }
}
