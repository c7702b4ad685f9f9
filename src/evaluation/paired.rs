//! Whether two models differ by more than chance: tests on the same photos, and on different ones.

use super::accuracy_interval;

/// The p-value of McNemar's exact test: how likely models of equal accuracy would disagree at least
/// so unequally on the same photos. `only_one` and `only_other` are the numbers of photos that only
/// the one and only the other model gets right.
///
/// McNemar: *Note on the sampling error of the difference between correlated proportions or
/// percentages*, 1947; two-sided, by the binomial distribution.
pub fn mcnemar_exact(only_one: usize, only_other: usize) -> f64 {
    let (photos, fewer) = (only_one + only_other, only_one.min(only_other));
    let mut logarithm = -(photos as f64) * std::f64::consts::LN_2;
    let mut tail = logarithm.exp();
    for count in 0..fewer {
        logarithm += ((photos - count) as f64 / (count + 1) as f64).ln();
        tail += logarithm.exp();
    }
    (2.0 * tail).min(1.0)
}

/// The p-value of Fisher's exact test of two accuracies on different photos, each as the number of
/// right photos and of all; two-sided: the sum over the tables that are no more probable.
///
/// # Panics
/// If more photos are right than there are.
pub fn fisher_exact(one: (usize, usize), other: (usize, usize)) -> f64 {
    assert!(one.0 <= one.1 && other.0 <= other.1, "no more right photos than photos");
    let right = one.0 + other.0;
    let factorials = ln_factorials(one.1 + other.1);
    let ln_choose = |n: usize, k: usize| factorials[n] - factorials[k] - factorials[n - k];
    let ln_probability = |first: usize| {
        ln_choose(one.1, first) + ln_choose(other.1, right - first)
            - ln_choose(one.1 + other.1, right)
    };
    // Equally probable tables may differ by rounding.
    let limit = ln_probability(one.0) + 1e-7;
    let tables = right.saturating_sub(other.1)..=right.min(one.1);
    let no_more_probable = tables.map(ln_probability).filter(|probability| *probability <= limit);
    no_more_probable.map(f64::exp).sum::<f64>().min(1.0)
}

/// The logarithms of 0!, 1!, ..., `n`!.
fn ln_factorials(n: usize) -> Vec<f64> {
    let mut all = vec![0.0];
    for factor in 1..=n {
        all.push(all[factor - 1] + (factor as f64).ln());
    }
    all
}

/// The 95 % confidence interval of the accuracy of the one model minus that of the other, measured
/// on different photos, each as the number of right photos and of all.
///
/// Newcombe: *Interval estimation for the difference between independent proportions*, 1998,
/// method 10, which combines Wilson's intervals.
pub fn difference_interval(one: (usize, usize), other: (usize, usize)) -> (f64, f64) {
    let share = |(right, photos): (usize, usize)| right as f64 / photos.max(1) as f64;
    let (first, second) = (share(one), share(other));
    let [(low, high), (other_low, other_high)] =
        [one, other].map(|(right, photos)| accuracy_interval(right, photos));
    let difference = first - second;
    (
        difference - (first - low).hypot(other_high - second),
        difference + (high - first).hypot(second - other_low),
    )
}

/// The p-values of several tests, raised so that the chance of one false alarm among all stays that
/// of a single test: the best of many models looks better than it is.
///
/// Holm: *A simple sequentially rejective multiple test procedure*, 1979.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|one, other| p_values[*one].total_cmp(&p_values[*other]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut highest = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        let raised = p_values[index] * (p_values.len() - rank) as f64;
        highest = highest.max(raised.min(1.0));
        adjusted[index] = highest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
    }

    #[test]
    fn mcnemars_test_is_that_of_scipy() {
        // scipy 1.17: binomtest(min(b, c), b + c).pvalue.
        for (one, other, expected) in [
            (0, 0, 1.0),
            (0, 5, 0.0625),
            (3, 10, 0.092_285_156_25),
            (10, 3, 0.092_285_156_25),
            (11, 35, 0.000_535_585_072_100),
            (1000, 1100, 0.030_720_707_864_2),
            (4, 4, 1.0),
        ] {
            assert_close(mcnemar_exact(one, other), expected);
        }
        assert_eq!(mcnemar_exact(0, 1_000_000), 0.0);
    }

    #[test]
    fn fishers_test_is_that_of_scipy() {
        // scipy 1.17: fisher_exact([[right, wrong], [right, wrong]]).
        for (one, other, expected) in [
            ((8, 10), (1, 6), 0.034_965_034_965),
            ((229, 300), (253, 300), 0.017_914_497_693_9),
            ((10, 10), (10, 10), 1.0),
            ((395, 400), (390, 400), 0.297_135_143_054_7),
            ((0, 3), (4, 4), 0.028_571_428_571_4),
            ((9000, 10_000), (9100, 10_000), 0.016_947_123_526),
        ] {
            assert_close(fisher_exact(one, other), expected);
            assert_close(fisher_exact(other, one), expected);
        }
    }

    #[test]
    fn the_interval_of_a_difference_is_that_of_statsmodels() {
        // statsmodels 0.15: confint_proportions_2indep(..., method="newcomb", compare="diff").
        for (one, other, low, high) in [
            ((56, 70), (48, 80), 0.052_431_472_402, 0.333_872_653_904),
            ((10, 10), (0, 10), 0.607_509_350_431, 1.0),
            ((229, 300), (253, 300), -0.143_059_298_716, -0.016_343_801_013),
        ] {
            let found = difference_interval(one, other);
            assert_close(found.0, low);
            assert_close(found.1, high);
        }
    }

    #[test]
    fn several_tests_are_adjusted_as_in_statsmodels() {
        // statsmodels 0.15: multipletests(..., method="holm").
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in found.into_iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert_close(found, expected);
        }
        assert_eq!(holm(&[]), Vec::<f64>::new());
    }
}
