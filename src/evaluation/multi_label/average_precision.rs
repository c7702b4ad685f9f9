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
    let positives = is_positive.iter().filter(|positive| **positive).count();
    if positives == 0 {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]));
    let (mut found, mut chosen, mut sum) = (0_usize, 0_usize, 0.0);
    for equal in order.chunk_by(|one, other| scores[*one] == scores[*other]) {
        let positive = equal.iter().filter(|index| is_positive[**index]).count();
        found += positive;
        chosen += equal.len();
        sum += positive as f64 * found as f64 / chosen as f64;
    }
    Some(sum / positives as f64)
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
