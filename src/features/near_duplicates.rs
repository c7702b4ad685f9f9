//! Finds photos that are nearly the same by their features: re-encoded, resized or brightened
//! copies, and photos of one burst.
//!
//! Few photos are compared each with each. Many are hashed first: rows on the same side of random
//! hyperplanes share a bucket, several times over, and only those are compared. M. Charikar:
//! "Similarity Estimation Techniques from Rounding Algorithms", STOC 2002.

use std::collections::{HashMap, HashSet};

use pulp::Arch;
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use crate::seed::{Purpose, generator};

/// Similarity from which photos count as nearly the same. Chosen by measurement: see
/// docs/photos.md.
pub const NEAR_DUPLICATE: f32 = 0.9;

/// Networks with fewer features do not tell photos apart well enough: all are nearly the same.
pub const MIN_FEATURES: usize = 256;

/// Up to so many rows are compared each with each.
const EXACT_ROWS: usize = 3000;
/// Number of hash tables.
const TABLES: usize = 24;
/// Features that a hyperplane looks at.
const SAMPLED: usize = 64;
/// A row is compared with so many others of its bucket at most: frames of a still camera would
/// otherwise be compared each with each.
const NEIGHBOURS: usize = 48;

/// Two rows that are nearly the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearDuplicate {
    /// Index of the first row.
    pub first: usize,
    /// Index of the second row, larger than the first.
    pub second: usize,
    /// Cosine similarity of the features' differences from the mean of all rows.
    pub similarity: f32,
}

/// Finds pairs of `rows`, `[photos, width]`, whose similarity is `threshold` or more, in ascending
/// order. The similarity is the cosine of the rows after the mean of all rows was subtracted: all
/// features of a network point in about the same direction, and without the mean it is the
/// difference of photos that is compared.
///
/// Of more than some thousand rows it misses a few pairs that are just over the threshold, and of
/// many that are all alike it returns enough pairs to connect them.
///
/// # Panics
/// If `width` is 0 or does not divide the rows.
pub fn near_duplicates(rows: &[f32], width: usize, threshold: f32) -> Vec<NearDuplicate> {
    assert!(width > 0 && rows.len().is_multiple_of(width), "whole rows");
    let normal = normalised(rows, width);
    let row = |index: usize| &normal[index * width..][..width];
    let count = normal.len() / width;
    let pair = |first: usize, second: usize| {
        let similarity = product(row(first), row(second));
        (similarity >= threshold).then_some(NearDuplicate { first, second, similarity })
    };
    if count <= EXACT_ROWS {
        let arch = Arch::new();
        let of_first = |first| arch.dispatch(|| pairs_of(first, &normal, width, threshold));
        return (0..count).into_par_iter().flat_map_iter(of_first).collect();
    }
    let (alike, distinct) = equal_rows(&normal, width);
    let candidates = candidates(&normal, width, &distinct);
    let mut pairs: Vec<NearDuplicate> =
        candidates.into_par_iter().filter_map(|(first, second)| pair(first, second)).collect();
    let equal = |(first, second)| NearDuplicate { first, second, similarity: 1.0 };
    pairs.extend(alike.into_iter().map(equal));
    pairs.sort_by_key(|pair| (pair.first, pair.second));
    pairs
}

/// The pairs of the row `first` with the rows after it.
#[inline(always)]
fn pairs_of(first: usize, normal: &[f32], width: usize, threshold: f32) -> Vec<NearDuplicate> {
    let mut pairs = Vec::new();
    let (row, rest) = normal[first * width..].split_at(width);
    for (at, other) in rest.chunks_exact(width).enumerate() {
        let similarity = product(row, other);
        if similarity >= threshold {
            pairs.push(NearDuplicate { first, second: first + 1 + at, similarity });
        }
    }
    pairs
}

/// The rows without their mean, at length 1. Rows that equal the mean become zeros.
fn normalised(rows: &[f32], width: usize) -> Vec<f32> {
    let mut normal = rows.to_vec();
    let mut sums = vec![0.0f64; width];
    for row in rows.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let count = (rows.len() / width).max(1) as f64;
    let mean: Vec<f32> = sums.iter().map(|sum| (sum / count) as f32).collect();
    normal.par_chunks_mut(width).for_each(|row| {
        row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
        let length = product(row, row).sqrt();
        let scale = if length > 1e-6 { 1.0 / length } else { 0.0 };
        row.iter_mut().for_each(|value| *value *= scale);
    });
    normal
}

/// The dot product, summed in eight lanes.
#[inline(always)]
fn product(one: &[f32], other: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (one, one_rest) = one.as_chunks::<8>();
    let (other, other_rest) = other.as_chunks::<8>();
    for (one, other) in one.iter().zip(other) {
        for lane in 0..8 {
            lanes[lane] += one[lane] * other[lane];
        }
    }
    let rest: f32 = one_rest.iter().zip(other_rest).map(|(one, other)| one * other).sum();
    lanes.iter().sum::<f32>() + rest
}

/// Pairs of equal rows, each with the first of its kind, and the rows that are the first.
fn equal_rows(normal: &[f32], width: usize) -> (Vec<(usize, usize)>, Vec<usize>) {
    let (mut alike, mut distinct) = (Vec::new(), Vec::new());
    let mut known: HashMap<Vec<u32>, usize> = HashMap::new();
    for (index, row) in normal.chunks_exact(width).enumerate() {
        let bits = row.iter().map(|value| value.to_bits()).collect();
        match known.get(&bits) {
            Some(first) => alike.push((*first, index)),
            None => {
                known.insert(bits, index);
                distinct.push(index);
            }
        }
    }
    (alike, distinct)
}

/// Pairs of rows that share a bucket, the smaller index first.
fn candidates(normal: &[f32], width: usize, rows: &[usize]) -> Vec<(usize, usize)> {
    // Some four rows a bucket, were they spread evenly.
    let bits = rows.len().max(8).ilog2() as usize - 1;
    let mut pairs = HashSet::new();
    for table in 0..TABLES {
        let planes = Planes::random(table, bits, width);
        let codes: Vec<u32> =
            rows.par_iter().map(|index| planes.code(&normal[index * width..][..width])).collect();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|row| codes[*row]);
        for bucket in order.chunk_by(|one, next| codes[*one] == codes[*next]) {
            for (place, one) in bucket.iter().enumerate() {
                for other in bucket[place + 1..].iter().take(NEIGHBOURS) {
                    let (one, other) = (rows[*one], rows[*other]);
                    pairs.insert((one.min(other), one.max(other)));
                }
            }
        }
    }
    pairs.into_iter().collect()
}

/// Hyperplanes, each with weights of 1 and -1 for some of the features.
struct Planes {
    planes: Vec<Vec<(usize, f32)>>,
}

impl Planes {
    fn random(table: usize, bits: usize, width: usize) -> Self {
        let mut random = generator(table as u64, Purpose::Hyperplanes);
        let mut features: Vec<usize> = (0..width).collect();
        let mut plane = || {
            let (sampled, _) = features.partial_shuffle(&mut random, SAMPLED.min(width));
            let sampled = sampled.to_vec();
            let sign = |feature| (feature, if random.random::<bool>() { 1.0 } else { -1.0 });
            sampled.into_iter().map(sign).collect()
        };
        Self { planes: (0..bits).map(|_| plane()).collect() }
    }

    /// On which sides of the planes the row lies, a bit for each.
    fn code(&self, row: &[f32]) -> u32 {
        self.planes.iter().fold(0, |code, plane| {
            let side: f32 = plane.iter().map(|(feature, sign)| sign * row[*feature]).sum();
            code << 1 | u32::from(side > 0.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random rows, each third of them nearly equal to the row before.
    fn rows(count: usize, width: usize, noise: f32) -> Vec<f32> {
        let mut random = generator(5, Purpose::Hyperplanes);
        let mut rows: Vec<f32> = Vec::new();
        for index in 0..count {
            for feature in 0..width {
                let value: f32 = random.random::<f32>().powi(3);
                let copy = index % 3 == 2;
                let before = if copy { rows[(index - 1) * width + feature] } else { value };
                rows.push(if copy { before + noise * value } else { value });
            }
        }
        rows
    }

    #[test]
    fn copies_are_found_among_few_and_among_many() {
        for (count, at_least) in [(300, 100), (9000, 2970)] {
            let found = near_duplicates(&rows(count, 96, 0.05), 96, 0.9);
            assert!(found.iter().all(|pair| pair.first % 3 == 1 && pair.second == pair.first + 1));
            assert!((at_least..=count / 3).contains(&found.len()), "{}", found.len());
        }
    }

    #[test]
    fn many_equal_rows_are_connected_without_comparing_each_with_each() {
        let kinds = [[0.5, 0.25, 0.0], [0.0, 0.25, 0.5]];
        let rows: Vec<f32> = (0..20_000).flat_map(|index| kinds[index % 2]).collect();
        let found = near_duplicates(&rows, 3, 0.98);
        assert_eq!(found.len(), 19_998);
        assert!(found.iter().all(|pair| pair.first == pair.second % 2 && pair.similarity == 1.0));
    }

    #[test]
    fn rows_without_a_difference_are_like_nothing() {
        assert_eq!(near_duplicates(&[0.5; 8], 4, 0.98), []);
        assert_eq!(near_duplicates(&[], 4, 0.98), []);
    }
}
