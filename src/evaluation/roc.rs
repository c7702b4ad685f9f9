//! ROC curve and AUC of a two-class model.

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
    fn with_one_class_alone_there_is_no_curve() {
        assert_eq!(Roc::of(&[0.1, 0.2], &[true, true]), None);
        assert_eq!(Roc::of(&[], &[]), None);
    }
}
