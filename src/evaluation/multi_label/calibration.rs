//! Calibration: whether the probabilities of a photo's classes match how often it shows them.

use super::scores::sigmoid;
use crate::evaluation::{
    Calibration, CalibrationBin, CalibrationSummary, Prediction, Temperature,
    fit_sigmoid_temperature, scaled,
};

/// The calibration of the probabilities of `logits`, `[labels, classes]`, in `bins` bins of equal
/// width. Each pair of a photo and a class counts as one answer: `confidence` is the mean
/// probability in a bin, `accuracy` the share that shows the class.
///
/// # Panics
/// If `bins` is 0 or the lengths do not match.
pub fn label_calibration<L: AsRef<[usize]>>(
    classes: usize,
    logits: &[f32],
    labels: &[L],
    bins: usize,
) -> Calibration {
    assert_eq!(logits.len(), classes * labels.len(), "a logit for each class and photo");
    let mut sums = vec![CalibrationBin::default(); bins];
    for (at, logit) in logits.iter().enumerate() {
        let probability = sigmoid(*logit);
        // Bin m of M contains the probabilities in ((m - 1) / M, m / M], as in `Calibration`.
        let number = (probability * bins as f64).ceil() as usize;
        let bin = &mut sums[number.clamp(1, bins) - 1];
        bin.photos += 1;
        bin.confidence += probability;
        bin.accuracy +=
            f64::from(u8::from(labels[at / classes].as_ref().contains(&(at % classes))));
    }
    for bin in sums.iter_mut().filter(|bin| bin.photos > 0) {
        bin.confidence /= bin.photos as f64;
        bin.accuracy /= bin.photos as f64;
    }
    let distance = |bin: &CalibrationBin| bin.photos as f64 * (bin.accuracy - bin.confidence).abs();
    let error = sums.iter().map(distance).sum::<f64>() / logits.len().max(1) as f64;
    Calibration { bins: sums, error }
}

impl CalibrationSummary {
    /// Fits the temperature of sigmoid probabilities on `logits`, `[labels, classes]`, and applies
    /// it if its interval does not hold 1: see [`fit_sigmoid_temperature`].
    ///
    /// # Panics
    /// If the lengths do not match.
    pub fn fitted_on_label_sets<L: AsRef<[usize]>>(
        classes: usize,
        logits: &[f32],
        labels: &[L],
        seed: u64,
    ) -> Self {
        let is_present: Vec<bool> = labels
            .iter()
            .flat_map(|labels| (0..classes).map(move |class| labels.as_ref().contains(&class)))
            .collect();
        let fitted = fit_sigmoid_temperature(classes, logits, &is_present);
        let needed = fitted.filter(Temperature::is_needed).map(|fitted| fitted.value);
        Self {
            temperature: fitted.map(|fitted| fitted.value),
            interval: fitted.map(|fitted| fitted.interval),
            ..Self::measured_on_label_sets(classes, logits, labels, needed, seed)
        }
    }

    /// Measures the error of raw `logits` without and with the temperature of an existing model:
    /// see [`label_calibration`].
    ///
    /// # Panics
    /// If the lengths do not match.
    pub fn measured_on_label_sets<L: AsRef<[usize]>>(
        classes: usize,
        logits: &[f32],
        labels: &[L],
        temperature: Option<f64>,
        seed: u64,
    ) -> Self {
        let after = scaled(logits, temperature.unwrap_or(1.0));
        let error =
            |logits: &[f32]| label_calibration(classes, logits, labels, Calibration::BINS).error;
        // Each answer as a prediction that is right as often as it is probable.
        let answers: Vec<Prediction> = after
            .iter()
            .map(|logit| {
                let probability = sigmoid(*logit);
                Prediction { label: 0, predicted: 0, probability, of_label: probability, rank: 0 }
            })
            .collect();
        Self {
            temperature,
            interval: None,
            applied: temperature.is_some(),
            error_before: error(logits),
            error_after: error(&after),
            error_of_a_perfect_model: Calibration::error_of_a_perfect_model(
                &answers,
                Calibration::BINS,
                seed,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calibration_error_of_label_sets_agrees_with_one_worked_out_by_hand() {
        // Probabilities 0.5, 0.5, 0.75, 0.75: the first is right half of the time, the second always.
        let three_quarters = 3f32.ln();
        let logits = [0.0, three_quarters, 0.0, three_quarters];
        let calibration = label_calibration(2, &logits, &[vec![0, 1], vec![1]], 10);
        assert_eq!(calibration.bins.iter().map(|bin| bin.photos).sum::<usize>(), 4);
        assert!((calibration.error - 0.5 * 0.25).abs() < 1e-7, "{}", calibration.error);
    }
}
