//! What an extractor returns.

use crate::FeatureRows;
use crate::engine::EngineError;
use crate::photos::{DecodeError, DecodeWarning};

/// Features of a batch of photos.
#[derive(Debug, Default)]
pub struct FeatureBatch {
    /// The photos: indices into the list of files, ascending.
    pub photos: Vec<usize>,
    /// Their features, `[photos, width]`: of the plain view, or the mean over several views.
    pub rows: Vec<f32>,
    /// The features of further views, if they were asked for one by one: those of the first photo,
    /// then those of the second, and so on.
    pub further_views: Vec<f32>,
    /// Width and height of each photo in its file, upright, in pixels.
    pub sizes: Vec<(u32, u32)>,
    /// Photos that were decoded though their files are damaged or incomplete.
    pub warnings: Vec<(usize, DecodeWarning)>,
    /// Files since the last batch that could not be decoded.
    pub failed: Vec<(usize, DecodeError)>,
}

/// Features of every photo that could be decoded. The rows are a list, or [`FeatureRows`].
#[derive(Debug, Default)]
pub struct Extraction<R = Vec<f32>> {
    /// The photos: indices into the list of files, ascending.
    pub photos: Vec<usize>,
    /// Their features, `[photos, width]`: of the plain view, or the mean over several views.
    pub rows: R,
    /// The features of further views: see [`FeatureBatch::further_views`].
    pub further_views: Vec<f32>,
    /// Width and height of each photo in its file, upright, in pixels.
    pub sizes: Vec<(u32, u32)>,
    /// Photos that were decoded though their files are damaged or incomplete.
    pub warnings: Vec<(usize, DecodeWarning)>,
    /// Files that could not be decoded.
    pub failed: Vec<(usize, DecodeError)>,
}

impl<R> Extraction<R> {
    /// The same with these rows.
    pub fn with_rows<S>(self, rows: S) -> Extraction<S> {
        let Self { photos, further_views, sizes, warnings, failed, .. } = self;
        Extraction { photos, rows, further_views, sizes, warnings, failed }
    }

    /// The features of all views of the first `photos` photos, `[photos, views, width]`, if each of
    /// them has `views` views. `plain` are their rows, the plain views.
    ///
    /// # Panics
    /// If they have fewer.
    pub fn with_views(&self, plain: &[f32], photos: usize, views: usize, width: usize) -> Vec<f32> {
        let further = (views - 1) * width;
        let mut rows = Vec::with_capacity(photos * views * width);
        for photo in 0..photos {
            rows.extend(&plain[photo * width..][..width]);
            rows.extend(&self.further_views[photo * further..][..further]);
        }
        rows
    }
}

impl From<Extraction> for Extraction<FeatureRows> {
    fn from(mut extraction: Extraction) -> Self {
        let rows = std::mem::take(&mut extraction.rows);
        extraction.with_rows(rows.into())
    }
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
