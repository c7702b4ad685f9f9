//! Features with their labels.

use std::io;

use burn::tensor::{Device, Tensor, TensorData};

use super::target::EpochScores;
use super::{Head, Target};
use crate::FeatureRows;

/// Features and labels of a set of photos.
///
/// A photo may have several rows, one for each view (crop or flip) of it: the rows of a photo
/// follow each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Examples<L = usize> {
    /// Number of features of an example.
    pub width: usize,
    /// The features, `[photos * views, width]`.
    pub rows: FeatureRows,
    /// The label of each photo.
    pub labels: Vec<L>,
}

impl<L> Default for Examples<L> {
    fn default() -> Self {
        Self { width: 0, rows: FeatureRows::default(), labels: Vec::new() }
    }
}

impl<L> Examples<L> {
    /// Number of views of each photo, at least 1.
    pub fn views(&self) -> usize {
        (self.rows.len() / (self.width * self.labels.len()).max(1)).max(1)
    }

    /// The features of a photo, `[views, width]`.
    ///
    /// # Panics
    /// If there is no such photo, or the rows are in a file.
    pub fn of_photo(&self, photo: usize) -> &[f32] {
        let length = self.views() * self.width;
        &self.rows.values()[photo * length..][..length]
    }
}

impl<L: Clone> Examples<L> {
    /// The examples of these photos, in this order.
    ///
    /// # Panics
    /// If one of the photos does not exist, or the rows are in a file.
    #[must_use]
    pub fn subset(&self, photos: &[usize]) -> Self {
        Self {
            width: self.width,
            rows: photos.iter().flat_map(|photo| self.of_photo(*photo)).copied().collect(),
            labels: photos.iter().map(|photo| self.labels[*photo].clone()).collect(),
        }
    }

    /// The first view of each photo: the one that predictions use.
    ///
    /// # Panics
    /// If there are several views, and the rows are in a file.
    #[must_use]
    pub fn first_views(&self) -> Self {
        if self.views() == 1 {
            return self.clone();
        }
        let rows = (0..self.labels.len()).flat_map(|photo| &self.of_photo(photo)[..self.width]);
        Self { width: self.width, rows: rows.copied().collect(), labels: self.labels.clone() }
    }
}

impl<L: Target> Examples<L> {
    /// Rows of features, `[batch, width]`, as a tensor, and the labels of the rows `indices`, which
    /// they are.
    pub(super) fn batch(
        &self,
        rows: &[f32],
        indices: &[usize],
        device: &Device,
    ) -> (Tensor<2>, Vec<&L>) {
        let views = self.views();
        let labels = indices.iter().map(|index| &self.labels[index / views]).collect();
        let features = TensorData::new(rows.to_vec(), [indices.len(), self.width]);
        (Tensor::from_data(features, device), labels)
    }

    /// The scores of all rows.
    pub(super) fn scores(&self, head: &Head, device: &Device) -> io::Result<EpochScores> {
        let logits = head.logits_of(&self.rows, device)?;
        Ok(match self.views() {
            1 => L::scores(head.classes(), &logits, &self.labels),
            views => {
                let each = |label| std::iter::repeat_n(label, views);
                let labels: Vec<L> = self.labels.iter().flat_map(each).cloned().collect();
                L::scores(head.classes(), &logits, &labels)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_views_of_a_photo_stay_together_in_a_subset() {
        let rows: Vec<f32> = (0..12).map(|value| value as f32).collect();
        let examples = Examples { width: 2, rows: rows.into(), labels: vec!["a", "b", "c"] };
        assert_eq!(examples.views(), 2);
        let chosen = examples.subset(&[2, 0]);
        assert_eq!(chosen.rows.values(), [8.0, 9.0, 10.0, 11.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!((chosen.labels, chosen.width), (vec!["c", "a"], 2));
        assert_eq!(examples.first_views().rows.values(), [0.0, 1.0, 4.0, 5.0, 8.0, 9.0]);
        assert_eq!(Examples::<usize>::default().views(), 1);
    }
}
