//! How far a photo is from everything that a model was trained on: the score of strangers.
//!
//! The score of a photo is its mean cosine distance to the five nearest training photos, measured
//! between the backbone's features: 0 for a photo that was trained on five times, and 1 for one
//! whose features have nothing in common with any of them. It needs no labels and no training, and
//! so works the same for one class a photo and for several. Sun, Ming, Zhu, Li: *Out-of-Distribution
//! Detection with Deep Nearest Neighbors*, 2022, <https://arxiv.org/abs/2204.06507>; that paper
//! takes the distance to the k-th neighbour, and the mean of all k separates better here.
//!
//! [`Neighbours`] holds the training photos' features, L2-normalised and rounded to f16, each
//! distinct row once. [`KEPT_VALUES`] bounds the memory and the time of a score: of more photos, a
//! random sample of each class is kept. A sample rather than a cover (greedy k-centre), because the
//! distances within a sample are those that unseen photos have to it, and so give the threshold.

mod file;
mod sample;

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use burn::tensor::{Device, Tensor, TensorData};
use half::f16;
use half::slice::HalfFloatSliceExt;
use serde::{Deserialize, Serialize};

use crate::device;
pub use file::{NeighboursError, model_digest};
use sample::{Kept, sample};

/// Number of nearest training photos whose distances are averaged. Measured with 1 to 20
/// (docs/unknown.md): 3 to 10 differ by less than noise.
pub const NEAREST: usize = 5;
/// Share of photos like those trained on that the threshold refuses.
pub const REFUSED: f64 = 0.05;
/// The most values that are kept of all photos together: 8 MiB of f16, which are 8192 photos of 512
/// features, or 3276 of 1280. A score then takes 4 million multiplications, where the smallest
/// backbone takes 400 million.
pub const KEPT_VALUES: usize = 4 << 20;
/// Rows that are compared with all neighbours at a time: 16 MiB of similarities for 8192 photos.
const ROWS_AT_ONCE: usize = 512;
/// Rows for which no copy of the neighbours is made.
const FEW_ROWS: usize = 4;

/// The photos that a model was trained on.
#[derive(Clone, Copy, Debug)]
pub struct TrainedOn<'a> {
    /// Number of features of a photo.
    pub width: usize,
    /// Their features, `[photos, width]`.
    pub rows: &'a [f32],
    /// The class of each photo. Of each class as many photos are kept, if not all can be.
    pub classes: &'a [usize],
    /// The group of each photo, such as a burst. Photos of one group are not each other's
    /// neighbours when the threshold is chosen, because no unseen photo has such a neighbour.
    pub groups: &'a [Option<usize>],
}

/// Features of training photos, with the distance beyond which a photo is a stranger.
#[derive(Clone, Debug)]
pub struct Neighbours {
    width: usize,
    /// `[photos, width]`, each row of length 1, or all zeros.
    rows: Vec<f16>,
    /// Number of nearest photos that are averaged.
    nearest: usize,
    threshold: f64,
    /// The rows in f32, `[photos, width]`, on the processor.
    tensor: OnceLock<Tensor<2>>,
}

/// How many photos are unlike those trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrangerCount {
    /// The score above which a photo is a stranger.
    pub stranger_threshold: f64,
    /// Number of photos with a higher score.
    pub unknown: usize,
}

impl PartialEq for Neighbours {
    fn eq(&self, other: &Self) -> bool {
        (self.width, self.nearest, &self.rows) == (other.width, other.nearest, &other.rows)
            && self.threshold == other.threshold
    }
}

impl Neighbours {
    /// Keeps the features of `photos` (the first view of each), and chooses the threshold from
    /// their distances to each other. Returns `None` if there are not two distinct photos outside
    /// one group.
    ///
    /// The threshold is the smallest score of a kept photo, left out of the others, that is not
    /// exceeded by 95 % of them and of one more: so an unseen photo of the same kind exceeds it in
    /// at most 5 % of cases (the argument of conformal prediction: Vovk, Gammerman, Shafer, 2005,
    /// section 2). Of fewer than 20 photos it is the largest.
    ///
    /// # Panics
    /// If the lengths in `photos` do not agree, or the device fails.
    pub fn of(photos: TrainedOn, seed: u64, device: &Device) -> Option<Self> {
        let TrainedOn { width, rows, classes, groups } = photos;
        assert_eq!(rows.len(), width * classes.len(), "a row for each photo");
        assert_eq!(groups.len(), classes.len(), "a group or none for each photo");
        let units: Vec<f16> = rows.chunks_exact(width.max(1)).flat_map(unit_f16).collect();
        let row = |photo: usize| &units[photo * width..][..width];
        // Copies of a photo would be its nearest neighbours, and hide how far the others are.
        let mut seen: HashSet<&[u16]> = HashSet::new();
        let distinct: Vec<usize> = (0..classes.len())
            .filter(|photo| seen.insert(row(*photo).reinterpret_cast()))
            .collect();
        drop(seen);
        let strata: Vec<usize> = distinct.iter().map(|photo| classes[*photo]).collect();
        let kept: Vec<Kept> = sample(&strata, KEPT_VALUES / width.max(1), seed);
        let photos: Vec<usize> = kept.iter().map(|kept| distinct[kept.index]).collect();
        let mut neighbours = Self {
            width,
            rows: photos.iter().flat_map(|photo| row(*photo)).copied().collect(),
            nearest: NEAREST.min(photos.len().saturating_sub(1)),
            threshold: 0.0,
            tensor: OnceLock::new(),
        };
        let groups: Vec<Option<usize>> = photos.iter().map(|photo| groups[*photo]).collect();
        let left_out = neighbours.left_out(&groups, device);
        let weighted = left_out
            .iter()
            .zip(&kept)
            .filter_map(|(score, kept)| score.map(|score| (score, kept.weight)));
        neighbours.threshold = threshold(weighted.collect())?;
        Some(neighbours)
    }

    /// The distance beyond which a photo is a stranger.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Whether a photo with this score is a stranger.
    pub fn is_stranger(&self, score: f64) -> bool {
        score > self.threshold
    }

    /// Counts the strangers among photos with these scores.
    pub fn count(&self, scores: &[f64]) -> StrangerCount {
        let unknown = scores.iter().filter(|score| self.is_stranger(**score)).count();
        StrangerCount { stranger_threshold: self.threshold, unknown }
    }

    /// Number of training photos that are kept.
    pub fn photos(&self) -> usize {
        self.rows.len() / self.width.max(1)
    }

    /// Number of features of a photo.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of nearest photos whose distances are averaged.
    pub fn nearest(&self) -> usize {
        self.nearest
    }

    /// The kept features, `[photos, width]`: each row of length 1, or all zeros.
    pub fn rows(&self) -> &[f16] {
        &self.rows
    }

    /// Computes the scores of rows of features: the mean cosine distance to the nearest training
    /// photos, 0 to 2. It is computed on the processor if this build can, otherwise on `device`.
    ///
    /// # Shapes
    /// - `rows`: `[photos, width]`
    /// - output: `[photos]`
    ///
    /// # Panics
    /// If the length of `rows` is not a multiple of the width, or the device fails.
    pub fn scores(&self, rows: &[f32], device: &Device) -> Vec<f64> {
        assert_eq!(rows.len() % self.width, 0, "whole rows");
        let mut scores = Vec::with_capacity(rows.len() / self.width);
        for chunk in rows.chunks(ROWS_AT_ONCE * self.width) {
            let units: Vec<f32> = chunk.chunks_exact(self.width).flat_map(unit).collect();
            let similarities = self.similarities(&units, device);
            for (unit, similarities) in units.chunks_exact(self.width).zip(similarities) {
                // There are more neighbours than `nearest`, which is at least 1.
                scores.extend(self.score(unit, &similarities, self.photos()));
            }
        }
        scores
    }

    /// The score of each kept photo among the others, outside its group. `None` for a photo without
    /// others.
    fn left_out(&self, groups: &[Option<usize>], device: &Device) -> Vec<Option<f64>> {
        let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
        for (photo, group) in groups.iter().enumerate() {
            if let Some(group) = group {
                members.entry(*group).or_default().push(photo);
            }
        }
        let mut scores = Vec::with_capacity(groups.len());
        for chunk in self.rows.chunks(ROWS_AT_ONCE * self.width.max(1)) {
            let units = chunk.to_f32_vec();
            let similarities = self.similarities(&units, device);
            for (unit, mut similarities) in units.chunks_exact(self.width).zip(similarities) {
                let photo = scores.len();
                let alone = vec![photo];
                let group = groups[photo].and_then(|group| members.get(&group)).unwrap_or(&alone);
                group.iter().for_each(|other| similarities[*other] = f32::NEG_INFINITY);
                let others = similarities.len() - group.len();
                scores.push(self.score(unit, &similarities, others));
            }
        }
        scores
    }

    /// The cosine similarities of rows of length 1 and each kept photo: a list for each row.
    fn similarities(&self, units: &[f32], device: &Device) -> Vec<Vec<f32>> {
        if units.len() <= FEW_ROWS * self.width {
            return self.similarities_of_few(units);
        }
        let device = device::processor().unwrap_or_else(|| device.clone());
        let photos = self.photos();
        let kept = self.tensor.get_or_init(|| {
            let data = TensorData::new(self.rows.to_f32_vec(), [photos, self.width]);
            Tensor::from_data(data, &device)
        });
        let count = units.len() / self.width.max(1);
        let queries =
            Tensor::from_data(TensorData::new(units.to_vec(), [count, self.width]), &device);
        let products = queries.matmul(kept.clone().transpose()).into_data();
        let values: Vec<f32> = products.iter::<f32>().collect();
        values.chunks(photos.max(1)).map(<[f32]>::to_vec).collect()
    }

    /// [`similarities`](Self::similarities) without a copy of the kept photos in f32, which takes
    /// longer to make than a few rows take to compare.
    fn similarities_of_few(&self, units: &[f32]) -> Vec<Vec<f32>> {
        let width = self.width.max(1);
        let units: Vec<&[f32]> = units.chunks_exact(width).collect();
        let mut similarities = vec![Vec::with_capacity(self.photos()); units.len()];
        let mut kept = vec![0.0; width];
        for row in self.rows.chunks_exact(width) {
            row.convert_to_f32_slice(&mut kept);
            for (unit, similarities) in units.iter().zip(&mut similarities) {
                similarities.push(product(unit, &kept));
            }
        }
        similarities
    }

    /// 1 minus the mean similarity of `unit`, a row of length 1, to its nearest photos, of which
    /// there are so many `others`; `None` if there are none.
    ///
    /// A device adds products in another order for another number of rows. So its `similarities`
    /// only choose the nearest photos, and the score is the same however photos are batched.
    fn score(&self, unit: &[f32], similarities: &[f32], others: usize) -> Option<f64> {
        let nearest = self.nearest.min(others);
        if nearest == 0 {
            return None;
        }
        let mut photos: Vec<usize> = (0..similarities.len()).collect();
        photos.select_nth_unstable_by(nearest - 1, |one, other| {
            similarities[*other].total_cmp(&similarities[*one]).then(one.cmp(other))
        });
        photos[..nearest].sort_unstable();
        let similarity = |photo: &usize| -> f64 {
            let row = &self.rows[photo * self.width..][..self.width];
            unit.iter().zip(row).map(|(one, other)| f64::from(*one) * other.to_f64()).sum()
        };
        let sum: f64 = photos[..nearest].iter().map(similarity).sum();
        // Rounding to f16 may give a photo a similarity of a little more than 1 to itself.
        Some((1.0 - sum / nearest as f64).max(0.0))
    }
}

/// The sum of the products of two rows of equal length.
fn product(one: &[f32], other: &[f32]) -> f32 {
    // Several sums, so that the compiler may keep them in a vector register.
    let mut sums = [0.0; 16];
    let ((one, last), (other, last_other)) = (one.as_chunks::<16>(), other.as_chunks::<16>());
    for (one, other) in one.iter().zip(other) {
        for (sum, (one, other)) in sums.iter_mut().zip(one.iter().zip(other)) {
            *sum += one * other;
        }
    }
    let rest: f32 = last.iter().zip(last_other).map(|(one, other)| one * other).sum();
    sums.iter().sum::<f32>() + rest
}

/// The row divided by its length; zeros stay zeros.
fn unit(row: &[f32]) -> Vec<f32> {
    let length = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    row.iter().map(|value| (f64::from(*value) * scale) as f32).collect()
}

fn unit_f16(row: &[f32]) -> Vec<f16> {
    unit(row).into_iter().map(f16::from_f32).collect()
}

/// The smallest score that 95 % of the photos, and of one more, do not exceed. Each score stands
/// for as many photos as its weight. `None` if there is no score.
fn threshold(mut scores: Vec<(f64, f64)>) -> Option<f64> {
    scores.sort_by(|one, other| one.0.total_cmp(&other.0));
    let all: f64 = scores.iter().map(|(_, weight)| weight).sum();
    let one_more = all / scores.len() as f64;
    // Sums of weights are rounded.
    let wanted = (1.0 - REFUSED) * (all + one_more) - 1e-9 * all;
    let mut within = 0.0;
    let reached = scores.iter().find(|(_, weight)| {
        within += weight;
        within >= wanted
    });
    reached.or(scores.last()).map(|(score, _)| *score)
}

#[cfg(test)]
mod tests;
