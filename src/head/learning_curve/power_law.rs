//! The extrapolation of a learning curve by a power law of the error.

/// The gain in accuracy from twice as many training photos.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Gain {
    /// That of the power law `b n^-c` of the error that fits the points best.
    pub value: f64,
    /// Its standard error by how far the points are from the power law.
    pub deviation: f64,
}

/// Fits the power law by least squares of the logarithms, weighted by the number of training
/// photos.
pub(super) fn gain(sizes: &[usize], accuracies: &[f64], val_photos: usize) -> Gain {
    // An error of 0 has no logarithm: half a photo is added to the wrong and to the right ones.
    let error = |accuracy: f64| {
        let photos = val_photos as f64;
        ((1.0 - accuracy) * photos + 0.5) / (photos + 1.0)
    };
    let points = || {
        let logarithms = |(size, accuracy): (&usize, &f64)| {
            (*size as f64, (*size as f64).ln(), error(*accuracy).ln())
        };
        sizes.iter().zip(accuracies).map(logarithms)
    };
    let total: f64 = points().map(|(weight, ..)| weight).sum();
    let x_mean = points().map(|(weight, x, _)| weight * x).sum::<f64>() / total;
    let y_mean = points().map(|(weight, _, y)| weight * y).sum::<f64>() / total;
    let covariance: f64 = points().map(|(weight, x, y)| weight * (x - x_mean) * (y - y_mean)).sum();
    let variance: f64 = points().map(|(weight, x, _)| weight * (x - x_mean).powi(2)).sum();
    if variance == 0.0 {
        return Gain::default();
    }
    let slope = covariance / variance;
    let now = (y_mean + slope * ((sizes[sizes.len() - 1] as f64).ln() - x_mean)).exp();
    let residual =
        |(weight, x, y): (f64, f64, f64)| weight * (y - y_mean - slope * (x - x_mean)).powi(2);
    // Two parameters are fitted.
    let freedom = sizes.len().saturating_sub(2).max(1) as f64;
    let of_slope = (points().map(residual).sum::<f64>() / freedom / variance).sqrt();
    let doubled = 2f64.powf(slope);
    Gain {
        value: now * (1.0 - doubled),
        deviation: now * doubled * std::f64::consts::LN_2 * of_slope,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gain_of_a_power_law_is_found() {
        // Errors of 2 n^-0.5 at 100, 200, 500 and 1000 photos, of so many validation photos that
        // half a photo does not matter.
        let sizes = [100, 200, 500, 1000];
        let error = |photos: f64| 2.0 * photos.powf(-0.5);
        let accuracies = sizes.map(|size| 1.0 - error(size as f64));
        let found = gain(&sizes, &accuracies, 1_000_000_000);
        assert!((found.value - (error(1000.0) - error(2000.0))).abs() < 1e-6, "{found:?}");
        assert!(found.deviation < 1e-6, "{found:?}");
        assert!(gain(&sizes, &[0.5; 4], 100).value.abs() < 1e-12);
    }

    #[test]
    fn the_weighted_fit_is_that_of_numpy_and_statsmodels() {
        // numpy.polyfit(log(n), log((errors * 300 + .5) / 301), 1, w=sqrt(n)), and the gain from it.
        let found = gain(&[64, 128, 320, 640], &[0.70, 0.75, 0.80, 0.84], 300);
        assert!((found.value - 0.028_303_912_377_517).abs() < 1e-9, "{found:?}");
        // From statsmodels' WLS(log(errors), log(n), weights=n).bse of the slope, 0.014_593_91.
        assert!((found.deviation - 0.001_355_396_017_874).abs() < 1e-9, "{found:?}");
    }
}
