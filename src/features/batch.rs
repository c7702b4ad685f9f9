//! What an extractor returns.

use crate::engine::EngineError;
use crate::photos::{DecodeError, DecodeWarning};

/// Features of a batch of photos.
#[derive(Debug, Default)]
pub struct FeatureBatch {
    /// The photos: indices into the list of files, ascending.
    pub photos: Vec<usize>,
    /// Their features, `[photos, width]`.
    pub rows: Vec<f32>,
    /// Width and height of each photo in its file, upright, in pixels.
    pub sizes: Vec<(u32, u32)>,
    /// Photos that were decoded though their files are damaged or incomplete.
    pub warnings: Vec<(usize, DecodeWarning)>,
    /// Files since the last batch that could not be decoded.
    pub failed: Vec<(usize, DecodeError)>,
}

/// Features of every photo that could be decoded.
#[derive(Debug, Default)]
pub struct Extraction {
    /// The photos: indices into the list of files, ascending.
    pub photos: Vec<usize>,
    /// Their features, `[photos, width]`.
    pub rows: Vec<f32>,
    /// Width and height of each photo in its file, upright, in pixels.
    pub sizes: Vec<(u32, u32)>,
    /// Photos that were decoded though their files are damaged or incomplete.
    pub warnings: Vec<(usize, DecodeWarning)>,
    /// Files that could not be decoded.
    pub failed: Vec<(usize, DecodeError)>,
}

/// Why extraction stopped early.
#[derive(Debug)]
pub enum Stopped<E> {
    /// The features could not be computed.
    Extract(EngineError),
    /// The receiver of the features returned an error.
    Receiver(E),
}

impl<E> From<EngineError> for Stopped<E> {
    fn from(error: EngineError) -> Self {
        Self::Extract(error)
    }
}
