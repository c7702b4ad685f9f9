//! How far a score can be trusted that was measured on few photos: 95 % confidence intervals.

use rand::RngExt;

use crate::seed::{Purpose, generator};

/// Resamples of a bootstrap, unless there are very many photos.
const RESAMPLES: usize = 1000;
/// Fewest resamples, for very many photos: their intervals are narrow anyway.
const FEWEST_RESAMPLES: usize = 200;
/// Photos that all resamples together hold at most, above [`FEWEST_RESAMPLES`]: some 0.3 s.
const MOST_DRAWN: usize = 20_000_000;

/// The 95 % confidence interval of an accuracy that was measured on `photos` photos, `right` of
/// which were right. Two right photos of two give 0.34 to 1.
///
/// Wilson's score interval: *Probable Inference, the Law of Succession, and Statistical Inference*,
/// 1927, which stays within 0 and 1, and has a width for an accuracy of 1.
pub fn accuracy_interval(right: usize, photos: usize) -> (f64, f64) {
    if photos == 0 {
        return (0.0, 1.0);
    }
    // The 97.5 % quantile of the normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    let (n, share) = (photos as f64, right as f64 / photos as f64);
    let scale = 1.0 + Z * Z / n;
    let centre = (share + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// The 95 % bootstrap interval of a statistic of `n` photos: the 2.5 % and 97.5 % quantiles of
/// `statistic` over resamples, each of which holds the indices of `n` photos drawn with
/// replacement (Efron, Tibshirani: *An Introduction to the Bootstrap*, 1993, chapter 13). The same
/// seed gives the same interval.
///
/// Resamples in which the statistic is NaN are left out: return NaN where it is undefined, as the
/// area under a ROC curve is without a positive photo. If it always is, or `n` is 0, both ends are
/// NaN. If the statistic is the same in every resample, as for a model that is always right, the
/// interval has no width, which does not mean that the statistic is certain.
pub fn bootstrap_interval(
    n: usize,
    seed: u64,
    mut statistic: impl FnMut(&[usize]) -> f64,
) -> (f64, f64) {
    let [interval] = bootstrap_intervals(n, seed, |indices| [statistic(indices)]);
    interval
}

/// As [`bootstrap_interval`], for several statistics of the same resamples.
pub fn bootstrap_intervals<const N: usize>(
    n: usize,
    seed: u64,
    mut statistics: impl FnMut(&[usize]) -> [f64; N],
) -> [(f64, f64); N] {
    let mut values: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    let mut generator = generator(seed, Purpose::Bootstrap);
    let mut indices = vec![0; n];
    let resamples = match n {
        0 => 0,
        _ => (MOST_DRAWN / n).clamp(FEWEST_RESAMPLES, RESAMPLES),
    };
    for _ in 0..resamples {
        indices.iter_mut().for_each(|index| *index = generator.random_range(0..n));
        for (values, value) in values.iter_mut().zip(statistics(&indices)) {
            if !value.is_nan() {
                values.push(value);
            }
        }
    }
    values.map(|mut values| {
        values.sort_by(f64::total_cmp);
        (quantile(&values, 0.025), quantile(&values, 0.975))
    })
}

/// The quantile of sorted values, with linear interpolation as in NumPy; NaN if there are none.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = share * last as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    // Without interpolation between equal values, which may be infinite.
    if below == above { below } else { below + (above - below) * at.fract() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_an_accuracy_is_that_of_statsmodels() {
        // statsmodels 0.15: proportion_confint(right, photos, method="wilson").
        for (right, photos, low, high) in [
            (2, 2, 0.342_380_228, 1.0),
            (0, 1, 0.0, 0.793_450_686),
            (395, 400, 0.971_076_264, 0.994_649_249),
            (5, 10, 0.236_593_091, 0.763_406_909),
        ] {
            let found = accuracy_interval(right, photos);
            assert!((found.0 - low).abs() < 1e-6 && (found.1 - high).abs() < 1e-6, "{found:?}");
        }
        assert_eq!(accuracy_interval(0, 0), (0.0, 1.0));
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 4, 8, 16], [.025, .5, .9, .975]).
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (share, expected) in [(0.025, 1.1), (0.5, 4.0), (0.9, 12.8), (0.975, 15.2)] {
            assert!((quantile(&values, share) - expected).abs() < 1e-12);
        }
        assert!(quantile(&[], 0.5).is_nan());
        assert_eq!(quantile(&[f64::INFINITY; 3], 0.4), f64::INFINITY);
    }

    #[test]
    fn a_bootstrap_interval_of_a_mean_is_that_of_the_normal_distribution() {
        // Of 0, 1, ..., 399: mean 199.5, standard error 115.47 / 20; so 188.18 to 210.82.
        let mean = |indices: &[usize]| indices.iter().sum::<usize>() as f64 / indices.len() as f64;
        let (low, high) = bootstrap_interval(400, 1, mean);
        assert!((low - 188.18).abs() < 1.5 && (high - 210.82).abs() < 1.5, "{low} {high}");
        assert_eq!(bootstrap_interval(400, 1, mean), (low, high));
        assert_ne!(bootstrap_interval(400, 2, mean), (low, high));
    }

    #[test]
    fn a_statistic_that_is_undefined_in_some_resamples_has_an_interval() {
        let without_first = |indices: &[usize]| match indices.contains(&0) {
            true => indices.iter().filter(|index| **index == 0).count() as f64,
            false => f64::NAN,
        };
        let (low, high) = bootstrap_interval(5, 0, without_first);
        assert!(low >= 1.0 && high <= 5.0, "{low} {high}");
        assert!(bootstrap_interval(0, 0, |_| 1.0).0.is_nan());
        assert!(bootstrap_interval(3, 0, |_| f64::NAN).1.is_nan());
    }
}
