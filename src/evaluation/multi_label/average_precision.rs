//! Average precision: the area below the precision-recall curve.

/// The average precision of `scores`, of which a higher one means more likely positive. `None` if
/// nothing is positive.
///
/// The sum over the thresholds of the precision there, each weighted by what it adds to the recall,
/// without interpolation, as in scikit-learn's `average_precision_score`. Equal scores pass the
/// threshold together.
///
/// # Panics
/// If the lengths differ.
pub fn average_precision(scores: &[f64], is_positive: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), is_positive.len(), "a score for each photo");
    Ranking::new(scores.to_vec(), is_positive.to_vec()).precision()
}

/// Photos in the order of their scores for a class.
pub(super) struct Ranking {
    scores: Vec<f64>,
    is_positive: Vec<bool>,
    /// Indices of the photos, the highest score first.
    order: Vec<usize>,
}

impl Ranking {
    fn new(scores: Vec<f64>, is_positive: Vec<bool>) -> Self {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]));
        Self { scores, is_positive, order }
    }

    /// The photos by their logit for `class`, of `logits`, `[labels, classes]`. Probabilities would
    /// round to equal ones.
    pub(super) fn of<L: AsRef<[usize]>>(
        logits: &[f32],
        labels: &[L],
        classes: usize,
        class: usize,
    ) -> Self {
        let scores = logits.chunks(classes).map(|row| f64::from(row[class])).collect();
        let is_shown = |labels: &L| labels.as_ref().contains(&class);
        Self::new(scores, labels.iter().map(is_shown).collect())
    }

    /// The average precision.
    pub(super) fn precision(&self) -> Option<f64> {
        self.precision_of(|_| 1)
    }

    /// The average precision of a sample that holds a photo `times(photo)` times.
    pub(super) fn precision_of(&self, times: impl Fn(usize) -> usize) -> Option<f64> {
        let (mut found, mut chosen, mut sum) = (0_usize, 0_usize, 0.0);
        let equal = |one: &usize, other: &usize| self.scores[*one] == self.scores[*other];
        for equal in self.order.chunk_by(equal) {
            let positive = equal.iter().filter(|photo| self.is_positive[**photo]);
            let positive: usize = positive.map(|photo| times(*photo)).sum();
            found += positive;
            chosen += equal.iter().map(|photo| times(*photo)).sum::<usize>();
            sum += match positive {
                0 => 0.0,
                count => count as f64 * found as f64 / chosen as f64,
            };
        }
        (found > 0).then(|| sum / found as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_precision_is_that_of_scikit_learn() {
        // scikit-learn 1.9.1: average_precision_score(is_positive, scores).
        let scores = [0.9, 0.8, 0.8, 0.4, 0.4, 0.1, 0.7];
        for (is_positive, expected) in [
            ([true, true, false, true, false, false, false], 0.7222222222222222),
            ([false, false, true, false, false, true, false], 0.30952380952380953),
            ([true; 7], 1.0),
        ] {
            let found = average_precision(&scores, &is_positive).unwrap();
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert_eq!(average_precision(&scores, &[false; 7]), None);
        assert_eq!(average_precision(&[], &[]), None);
    }
}
