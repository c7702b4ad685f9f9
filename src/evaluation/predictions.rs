//! Predictions for photos whose class is known.

use super::scores::{most_probable, probabilities};

/// The prediction for a photo and its true class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Index of the true class.
    pub label: usize,
    /// Index of the most probable class.
    pub predicted: usize,
    /// Probability of the predicted class.
    pub probability: f64,
    /// Probability of the true class.
    pub of_label: f64,
    /// Number of classes ranked above the true class; 0 if the prediction is correct. Of classes
    /// with equal logits, the first ranks highest, as in [`most_probable`].
    pub rank: usize,
}

impl Prediction {
    /// Returns the prediction of each row of `logits`, `[labels, classes]`.
    ///
    /// # Panics
    /// If the lengths do not match or a label is not less than `classes`.
    pub fn all(classes: usize, logits: &[f32], labels: &[usize]) -> Vec<Self> {
        assert_eq!(logits.len(), classes * labels.len(), "a logit for each class and photo");
        logits.chunks(classes).zip(labels).map(|(row, label)| Self::of(row, *label)).collect()
    }

    fn of(logits: &[f32], label: usize) -> Self {
        let probabilities = probabilities(logits);
        let predicted = most_probable(logits);
        let above = |(class, logit): (usize, &f32)| match logit.total_cmp(&logits[label]) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => class < label,
            std::cmp::Ordering::Less => false,
        };
        Self {
            label,
            predicted,
            probability: probabilities[predicted],
            of_label: probabilities[label],
            rank: logits.iter().enumerate().filter(|logit| above(*logit)).count(),
        }
    }

    /// Whether the predicted class is the true class.
    pub fn is_right(&self) -> bool {
        self.predicted == self.label
    }
}

/// Share of photos whose true class is among the `k` most probable; 0 if there are no photos.
pub fn top_k_accuracy(predictions: &[Prediction], k: usize) -> f64 {
    let within = predictions.iter().filter(|prediction| prediction.rank < k).count();
    if predictions.is_empty() { 0.0 } else { within as f64 / predictions.len() as f64 }
}

/// Indices of photos whose label may be wrong, the most suspicious first.
///
/// Based on Northcutt, Jiang, Chuang: *Confident Learning: Estimating Uncertainty in Dataset
/// Labels*, 2021, <https://arxiv.org/abs/1911.00068>, section 3.1. A photo is suspected if the
/// predicted class is not its label and the probability of the predicted class reaches the paper's
/// threshold: the mean probability of that class over the photos labelled with it. This is stricter
/// than the paper, which also counts less probable classes that reach their threshold. Photos are
/// ranked by the normalised margin: the probability of the label minus that of the prediction.
///
/// # Panics
/// If a label is not less than `classes`.
pub fn suspected_label_errors(classes: usize, predictions: &[Prediction]) -> Vec<usize> {
    let (mut sums, mut counts) = (vec![0.0; classes], vec![0_usize; classes]);
    for prediction in predictions {
        sums[prediction.label] += prediction.of_label;
        counts[prediction.label] += 1;
    }
    let is_confident = |prediction: &Prediction| {
        let count = counts[prediction.predicted];
        // Without a photo of that class there is no threshold.
        count > 0 && prediction.probability >= sums[prediction.predicted] / count as f64
    };
    let mut suspected: Vec<usize> = (0..predictions.len())
        .filter(|index| !predictions[*index].is_right() && is_confident(&predictions[*index]))
        .collect();
    let margin = |index: &usize| predictions[*index].of_label - predictions[*index].probability;
    suspected.sort_by(|one, other| margin(one).total_cmp(&margin(other)));
    suspected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(label: usize, predicted: usize, probability: f64, of_label: f64) -> Prediction {
        let rank = usize::from(label != predicted);
        Prediction { label, predicted, probability, of_label, rank }
    }

    #[test]
    fn the_rank_counts_the_classes_before_the_true_one() {
        let logits = [1.0, 3.0, 2.0, 2.0];
        let rank = |label| Prediction::all(4, &logits, &[label])[0].rank;
        assert_eq!([rank(1), rank(2), rank(3), rank(0)], [0, 1, 2, 3]);
        let predictions = Prediction::all(4, &[logits, logits].concat(), &[1, 3]);
        assert_eq!(top_k_accuracy(&predictions, 1), 0.5);
        assert_eq!(top_k_accuracy(&predictions, 3), 1.0);
        assert_eq!(top_k_accuracy(&[], 3), 0.0);
    }

    #[test]
    fn the_rank_is_zero_exactly_if_the_prediction_is_right() {
        for row in [[1.0, 1.0, 0.0], [f32::MAX, f32::MIN, 0.0], [-0.0, 0.0, 0.0]] {
            for label in 0..3 {
                let prediction = Prediction::all(3, &row, &[label])[0];
                assert_eq!(prediction.rank == 0, prediction.is_right(), "{prediction:?}");
            }
        }
    }

    #[test]
    fn confident_disagreements_are_suspected_and_hesitant_ones_are_not() {
        let predictions = [
            prediction(0, 0, 0.9, 0.9),
            prediction(0, 0, 0.8, 0.8),
            prediction(1, 1, 0.7, 0.7),
            prediction(1, 0, 0.95, 0.05),
            prediction(1, 0, 0.6, 0.4),
            prediction(0, 1, 0.65, 0.35),
        ];
        // Threshold of class 0: (0.9 + 0.8 + 0.35) / 3 = 0.683; of class 1: (0.7 + 0.05 + 0.4) / 3
        // = 0.383.
        assert_eq!(suspected_label_errors(2, &predictions), [3, 5]);
    }
}
