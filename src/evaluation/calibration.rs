//! Calibration: whether predicted probabilities match the accuracy.

use rand::RngExt;

use super::Prediction;
use crate::seed::{Purpose, generator};

/// Number of times that a perfect model is simulated.
const PERFECT_MODELS: usize = 200;

/// Reliability diagram: the accuracy of predictions by their confidence, the probability of the
/// predicted class, in bins of equal width.
///
/// Guo, Pleiss, Sun, Weinberger: *On Calibration of Modern Neural Networks*, 2017,
/// <https://arxiv.org/abs/1706.04599>, section 2.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// The bins, from probability 0 to 1.
    pub bins: Vec<CalibrationBin>,
    /// Expected calibration error (equation 3 of the paper): the mean of |accuracy - confidence|
    /// over the bins, weighted by their number of photos. 0 is best.
    pub error: f64,
}

/// A bin of predictions with similar confidence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CalibrationBin {
    /// Number of photos.
    pub photos: usize,
    /// Mean probability of the predicted class; 0 if there are no photos.
    pub confidence: f64,
    /// Share of correct predictions; 0 if there are no photos.
    pub accuracy: f64,
}

impl Calibration {
    /// The usual number of bins: 15, as in the paper.
    pub const BINS: usize = 15;

    /// Computes the calibration of `predictions` in `bins` bins.
    ///
    /// # Panics
    /// If `bins` is 0.
    pub fn of(predictions: &[Prediction], bins: usize) -> Self {
        let mut sums = vec![CalibrationBin::default(); bins];
        for prediction in predictions {
            // Bin m of M contains the probabilities in ((m - 1) / M, m / M].
            let number = (prediction.probability * bins as f64).ceil() as usize;
            let bin = &mut sums[number.clamp(1, bins) - 1];
            bin.photos += 1;
            bin.confidence += prediction.probability;
            bin.accuracy += f64::from(u8::from(prediction.is_right()));
        }
        for bin in sums.iter_mut().filter(|bin| bin.photos > 0) {
            bin.confidence /= bin.photos as f64;
            bin.accuracy /= bin.photos as f64;
        }
        let distance =
            |bin: &CalibrationBin| bin.photos as f64 * (bin.accuracy - bin.confidence).abs();
        let error = sums.iter().map(distance).sum::<f64>() / predictions.len().max(1) as f64;
        Self { bins: sums, error }
    }

    /// The mean calibration error that a perfectly calibrated model with the confidences of
    /// `predictions` would show. It is not 0: of a few photos in a bin, the share that is right
    /// differs from the confidence by chance. A model whose error is no higher cannot be told from a
    /// perfect one with so few photos. The same seed gives the same number.
    ///
    /// # Panics
    /// If `bins` is 0.
    pub fn error_of_a_perfect_model(predictions: &[Prediction], bins: usize, seed: u64) -> f64 {
        let mut generator = generator(seed, Purpose::PerfectModel);
        let mut outcomes = predictions.to_vec();
        let mut total = 0.0;
        for _ in 0..PERFECT_MODELS {
            for outcome in &mut outcomes {
                let is_right = generator.random::<f64>() < outcome.probability;
                // Only whether the two are equal matters here.
                outcome.label = if is_right { outcome.predicted } else { usize::MAX };
            }
            total += Self::of(&outcomes, bins).error;
        }
        total / PERFECT_MODELS as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calibration_error_agrees_with_one_worked_out_by_hand() {
        let prediction = |probability, right: bool| Prediction {
            label: 0,
            predicted: usize::from(!right),
            probability,
            of_label: 0.0,
            rank: 0,
        };
        let predictions = [
            // The bin (0.5, 0.6]: accuracy 1/2, confidence 0.575.
            prediction(0.55, true),
            prediction(0.6, false),
            // The bin (0.9, 1]: accuracy 1, confidence 0.975.
            prediction(0.95, true),
            prediction(1.0, true),
        ];
        let calibration = Calibration::of(&predictions, 10);
        assert_eq!(calibration.bins.iter().map(|bin| bin.photos).sum::<usize>(), 4);
        assert_eq!(calibration.bins[5].photos, 2);
        assert!((calibration.bins[5].confidence - 0.575).abs() < 1e-12);
        assert!((calibration.error - (0.5 * 0.075 + 0.5 * 0.025)).abs() < 1e-12);
        assert_eq!(Calibration::of(&[], 10).error, 0.0);
    }

    #[test]
    fn a_perfect_model_shows_an_error_that_falls_with_the_number_of_photos() {
        let predictions = |photos: usize| -> Vec<Prediction> {
            let probability = |photo: usize| 0.5 + 0.5 * (photo as f64 + 0.5) / photos as f64;
            (0..photos)
                .map(|photo| Prediction {
                    label: 0,
                    predicted: 0,
                    probability: probability(photo),
                    of_label: 0.5,
                    rank: 0,
                })
                .collect()
        };
        // numpy: the mean over 20,000 simulations of the same confidences in 15 bins.
        for (photos, expected) in [(300, 0.051_481), (1587, 0.022_382)] {
            let found = Calibration::error_of_a_perfect_model(&predictions(photos), 15, 0);
            assert!((found - expected).abs() < 0.1 * expected, "{photos}: {found}");
        }
        assert_eq!(Calibration::error_of_a_perfect_model(&[], 15, 0), 0.0);
    }
}
