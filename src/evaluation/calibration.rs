//! Calibration: whether predicted probabilities match the accuracy.

use super::Prediction;

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
}
