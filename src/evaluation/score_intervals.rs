//! The 95 % confidence intervals of scores.

use serde::{Deserialize, Serialize};

use super::{Prediction, accuracy_interval, bootstrap_intervals};

/// The 95 % confidence intervals of the scores on a set of photos: Wilson's of the accuracy, and
/// bootstrap intervals of the others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreIntervals {
    /// Of the share of photos that are classified correctly.
    pub accuracy_interval: (f64, f64),
    /// Of the mean recall of the classes that have photos.
    pub balanced_accuracy_interval: (f64, f64),
    /// Of the mean F1 of the classes that have photos.
    pub macro_f1_interval: (f64, f64),
    /// Of the mean cross-entropy, in nats.
    pub loss_interval: (f64, f64),
}

/// The scores of a resample of photos.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResampledScores {
    /// Share of photos that are classified correctly.
    pub accuracy: f64,
    /// Mean recall of the classes that have photos.
    pub balanced_accuracy: f64,
    /// Mean F1 of the classes that have photos.
    pub macro_f1: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
}

impl ScoreIntervals {
    /// Computes the intervals for predictions of `classes` classes. The same seed gives the same
    /// intervals.
    ///
    /// A bootstrap of predictions that are all right has no width; the macro-averaged scores then
    /// have the interval of the accuracy.
    ///
    /// # Panics
    /// If there are no predictions, or one is of a class that is not less than `classes`.
    pub fn of(classes: usize, predictions: &[Prediction], seed: u64) -> Self {
        let right = predictions.iter().filter(|prediction| prediction.is_right()).count();
        let accuracy_interval = accuracy_interval(right, predictions.len());
        let [balanced_accuracy, macro_f1, loss] =
            bootstrap_intervals(predictions.len(), seed, |indices| {
                let scores = ResampledScores::of(classes, predictions, indices);
                [scores.balanced_accuracy, scores.macro_f1, scores.loss]
            });
        let unless_all_right = |interval| match right == predictions.len() {
            true => accuracy_interval,
            false => interval,
        };
        Self {
            accuracy_interval,
            balanced_accuracy_interval: unless_all_right(balanced_accuracy),
            macro_f1_interval: unless_all_right(macro_f1),
            loss_interval: loss,
        }
    }
}

impl ResampledScores {
    /// Scores the predictions with these indices, which may repeat.
    ///
    /// # Panics
    /// If there are no indices, or a class is not less than `classes`.
    pub fn of(classes: usize, predictions: &[Prediction], indices: &[usize]) -> Self {
        let mut counts = vec![Counts::default(); classes];
        let mut loss = 0.0;
        for index in indices {
            let prediction = &predictions[*index];
            counts[prediction.label].photos += 1;
            counts[prediction.predicted].predicted += 1;
            counts[prediction.label].right += usize::from(prediction.is_right());
            // A probability that rounds to 0 would make the loss infinite.
            loss -= prediction.of_label.max(f64::MIN_POSITIVE).ln();
        }
        let present = || counts.iter().filter(|class| class.photos > 0);
        let mean = |score: fn(&Counts) -> f64| {
            present().map(score).sum::<f64>() / present().count() as f64
        };
        let right: usize = counts.iter().map(|class| class.right).sum();
        Self {
            accuracy: right as f64 / indices.len() as f64,
            balanced_accuracy: mean(|class| class.right as f64 / class.photos as f64),
            macro_f1: mean(|class| {
                2.0 * class.right as f64 / (class.photos + class.predicted) as f64
            }),
            loss: loss / indices.len() as f64,
        }
    }
}

/// The photos of a class.
#[derive(Clone, Copy, Default)]
struct Counts {
    photos: usize,
    predicted: usize,
    right: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(label: usize, predicted: usize, of_label: f64) -> Prediction {
        let rank = usize::from(label != predicted);
        Prediction { label, predicted, probability: 1.0 - of_label, of_label, rank }
    }

    #[test]
    fn resampled_scores_are_those_of_scikit_learn() {
        // scikit-learn 1.9: accuracy_score, balanced_accuracy_score, f1_score(average="macro").
        let predictions: Vec<Prediction> =
            [(0, 0), (0, 1), (1, 1), (2, 1), (2, 2), (2, 2), (2, 0), (0, 0)]
                .map(|(label, predicted)| prediction(label, predicted, 0.25))
                .into();
        let all: Vec<usize> = (0..predictions.len()).collect();
        let scores = ResampledScores::of(3, &predictions, &all);
        assert_eq!(scores.accuracy, 0.625);
        assert!((scores.balanced_accuracy - 0.722_222_222_222_222_2).abs() < 1e-12);
        assert!((scores.macro_f1 - 0.611_111_111_111_111_2).abs() < 1e-12, "{scores:?}");
        assert!((scores.loss - 4f64.ln()).abs() < 1e-12);
        // Photos of two of three classes.
        assert_eq!(ResampledScores::of(3, &predictions, &[0, 0, 4]).macro_f1, 1.0);
    }

    #[test]
    fn scores_without_an_error_are_not_certain() {
        let predictions = vec![prediction(0, 0, 0.9); 30];
        let found = ScoreIntervals::of(2, &predictions, 0);
        assert!((found.macro_f1_interval.0 - 0.886_487).abs() < 1e-6, "{found:?}");
        assert_eq!(found.balanced_accuracy_interval, found.accuracy_interval);
    }

    #[test]
    fn the_bootstrap_interval_of_the_accuracy_resembles_wilsons() {
        let predictions: Vec<Prediction> =
            (0..400).map(|photo| prediction(0, usize::from(photo % 5 == 0), 0.5)).collect();
        let found = ScoreIntervals::of(2, &predictions, 0);
        // With one class, the balanced accuracy is the accuracy.
        let (low, high) = found.balanced_accuracy_interval;
        let (wilson_low, wilson_high) = found.accuracy_interval;
        assert!(
            (low - wilson_low).abs() < 0.006 && (high - wilson_high).abs() < 0.006,
            "{found:?}"
        );
    }
}
