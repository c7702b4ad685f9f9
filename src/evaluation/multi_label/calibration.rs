//! Calibration: whether the probabilities of a photo's classes match how often it shows them.

use super::scores::sigmoid;
use crate::evaluation::{Calibration, CalibrationBin};

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
