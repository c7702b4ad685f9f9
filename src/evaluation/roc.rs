//! ROC curve and AUC of a two-class model.

use super::bootstrap_interval;

/// A receiver operating characteristic (ROC) curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Roc {
    /// False positive rate and true positive rate at each threshold, from (0, 0) to (1, 1).
    pub points: Vec<(f64, f64)>,
    /// Area under the curve: the probability that a positive photo scores higher than a negative
    /// one, with ties counted as one half (Hanley, McNeil, 1982).
    pub auc: f64,
}

impl Roc {
    /// Computes the curve from the `scores` of the photos; a higher score means more likely
    /// positive. Returns `None` if all photos are positive or all are negative.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn of(scores: &[f64], is_positive: &[bool]) -> Option<Self> {
        assert_eq!(scores.len(), is_positive.len(), "a score for each photo");
        let positives = is_positive.iter().filter(|positive| **positive).count();
        let negatives = is_positive.len() - positives;
        if positives == 0 || negatives == 0 {
            return None;
        }
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]));
        let (mut points, mut auc) = (vec![(0.0, 0.0)], 0.0);
        let (mut true_positives, mut false_positives) = (0_usize, 0_usize);
        // Photos with equal scores pass the threshold together.
        for equal in order.chunk_by(|one, other| scores[*one] == scores[*other]) {
            let positive = equal.iter().filter(|index| is_positive[**index]).count();
            true_positives += positive;
            false_positives += equal.len() - positive;
            let point = (
                false_positives as f64 / negatives as f64,
                true_positives as f64 / positives as f64,
            );
            let before = points[points.len() - 1];
            auc += (point.0 - before.0) * (point.1 + before.1) / 2.0;
            points.push(point);
        }
        Some(Self { points, auc })
    }

    /// The 95 % bootstrap interval of the area under the curve; see [`bootstrap_interval`].
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn auc_interval(scores: &[f64], is_positive: &[bool], seed: u64) -> (f64, f64) {
        assert_eq!(scores.len(), is_positive.len(), "a score for each photo");
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|one, other| scores[*one].total_cmp(&scores[*other]));
        let mut counts = vec![0_u32; scores.len()];
        bootstrap_interval(scores.len(), seed, |indices| {
            counts.fill(0);
            indices.iter().for_each(|index| counts[*index] += 1);
            // Pairs in the right order, from the lowest score on.
            let (mut pairs, mut negatives, mut positives) = (0.0, 0.0, 0.0);
            for equal in order.chunk_by(|one, other| scores[*one] == scores[*other]) {
                let count = |wanted: bool| {
                    let photos = equal.iter().filter(|index| is_positive[**index] == wanted);
                    f64::from(photos.map(|index| counts[*index]).sum::<u32>())
                };
                let (positive, negative) = (count(true), count(false));
                pairs += positive * (negatives + negative / 2.0);
                positives += positive;
                negatives += negative;
            }
            // NaN if all photos of the resample are of one class.
            pairs / (positives * negatives)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_the_share_of_pairs_in_the_right_order() {
        let scores: [f64; 7] = [0.9, 0.8, 0.8, 0.4, 0.4, 0.1, 0.7];
        let positive = [true, true, false, true, false, false, false];
        let mut pairs = 0.0;
        for one in 0..7 {
            for other in 0..7 {
                if positive[one] && !positive[other] {
                    pairs += match scores[one].total_cmp(&scores[other]) {
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Less => 0.0,
                    };
                }
            }
        }
        let roc = Roc::of(&scores, &positive).unwrap();
        assert!((roc.auc - pairs / 12.0).abs() < 1e-12, "{roc:?}");
        assert_eq!((roc.points[0], roc.points[roc.points.len() - 1]), ((0.0, 0.0), (1.0, 1.0)));
    }

    #[test]
    fn the_interval_of_the_area_is_that_of_hanley_and_mcneil() {
        // 200 positive and 200 negative photos with overlapping scores. The standard error of
        // Hanley and McNeil (1982), sqrt((A (1 - A) + (p - 1) (Q1 - A^2) + (n - 1) (Q2 - A^2)) / (p n))
        // with Q1 = A / (2 - A) and Q2 = 2 A^2 / (1 + A), differs by less than a tenth.
        let scores: Vec<f64> = (0..400)
            .map(|photo| (photo * 7919 % 400) as f64 / 400.0 + 0.3 * f64::from(photo % 2))
            .collect();
        let positive: Vec<bool> = (0..400).map(|photo| photo % 2 == 1).collect();
        let area = Roc::of(&scores, &positive).unwrap().auc;
        let (q1, q2) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
        let spread = |q: f64| 199.0 * (q - area * area);
        let error = ((area * (1.0 - area) + spread(q1) + spread(q2)) / 40_000.0).sqrt();
        let (low, high) = Roc::auc_interval(&scores, &positive, 0);
        assert!(low < area && area < high, "{low} {area} {high}");
        assert!(((high - low) / (2.0 * 1.96 * error) - 1.0).abs() < 0.1, "{low} {high} {error}");
    }

    #[test]
    fn with_one_class_alone_there_is_no_curve() {
        assert_eq!(Roc::of(&[0.1, 0.2], &[true, true]), None);
        assert_eq!(Roc::of(&[], &[]), None);
    }
}
