//! What was predicted for each photo whose class is known.

use super::scores::{most_probable, probabilities};

/// A photo's prediction beside its true class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Index of the true class.
    pub label: usize,
    /// Index of the most probable class.
    pub predicted: usize,
    /// How probable that one is.
    pub probability: f64,
    /// How probable the true class is.
    pub of_label: f64,
    /// How many classes are more probable than the true one: 0 where it is right. Of equal logits the
    /// first is taken, as in [`most_probable`].
    pub rank: usize,
}

impl Prediction {
    /// A prediction for each row of `logits`, `[labels, classes]`.
    ///
    /// # Panics
    /// Where the lengths do not agree, or a label is no class.
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

    /// Whether the most probable class is the true one.
    pub fn is_right(&self) -> bool {
        self.predicted == self.label
    }
}

/// Share of photos whose true class is among the `k` most probable; 0 where there are none.
pub fn top_k_accuracy(predictions: &[Prediction], k: usize) -> f64 {
    let within = predictions.iter().filter(|prediction| prediction.rank < k).count();
    if predictions.is_empty() { 0.0 } else { within as f64 / predictions.len() as f64 }
}

/// Photos whose label is suspected to be wrong: indices, the most suspicious first.
///
/// After Northcutt, Jiang, Chuang: *Confident Learning: Estimating Uncertainty in Dataset Labels*, 2021,
/// <https://arxiv.org/abs/1911.00068>, section 3.1, with their thresholds, and stricter: a photo is
/// suspected where another class than its label's is the most probable one, and at least as probable as
/// that class is on average for the photos that bear its name. (Theirs counts less probable classes
/// too, where they reach their threshold.) Ranked by the normalised margin, the probability of the label less that
/// of the prediction.
///
/// # Panics
/// Where a label is none of `classes`.
pub fn suspected_label_errors(classes: usize, predictions: &[Prediction]) -> Vec<usize> {
    let (mut sums, mut counts) = (vec![0.0; classes], vec![0_usize; classes]);
    for prediction in predictions {
        sums[prediction.label] += prediction.of_label;
        counts[prediction.label] += 1;
    }
    let is_confident = |prediction: &Prediction| {
        let count = counts[prediction.predicted];
        // Without a photo of that class there is nothing to compare with.
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
    fn the_rank_is_zero_exactly_where_the_prediction_is_right() {
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
        // Class 0's own: (0.9 + 0.8 + 0.35) / 3 = 0.683; class 1's: (0.7 + 0.05 + 0.4) / 3 = 0.383.
        assert_eq!(suspected_label_errors(2, &predictions), [3, 5]);
    }
}
