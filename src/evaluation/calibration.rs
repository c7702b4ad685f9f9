//! Whether probabilities mean what they say.

use super::Prediction;

/// How often predictions of some confidence are right.
///
/// Guo, Pleiss, Sun, Weinberger: *On Calibration of Modern Neural Networks*, 2017,
/// <https://arxiv.org/abs/1706.04599>, section 2: equally wide bins of the predicted class' probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// The bins, from probability 0 to 1.
    pub bins: Vec<CalibrationBin>,
    /// Expected calibration error (their equation 3): the mean of the bins' distances between accuracy
    /// and confidence, weighted by their photos. 0 is best.
    pub error: f64,
}

/// Predictions of about the same confidence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CalibrationBin {
    /// Photos.
    pub photos: usize,
    /// Mean probability of the predicted class; 0 where there are no photos.
    pub confidence: f64,
    /// Share of them that are right; 0 where there are no photos.
    pub accuracy: f64,
}

impl Calibration {
    /// That of `predictions`, in `bins` bins.
    ///
    /// # Panics
    /// Where `bins` is 0.
    pub fn of(predictions: &[Prediction], bins: usize) -> Self {
        let mut sums = vec![CalibrationBin::default(); bins];
        for prediction in predictions {
            // Bin m holds the probabilities in ((m - 1) / M, m / M].
            let place = (prediction.probability * bins as f64).ceil() as usize;
            let bin = &mut sums[place.clamp(1, bins) - 1];
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
