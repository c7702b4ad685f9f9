//! Accuracy, loss, confusion matrix and per-class scores.

use serde::Serialize;

use super::accuracy_interval;

/// Scores of predictions for photos whose class is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Number of photos.
    pub images: usize,
    /// Share of photos that are classified correctly, 0 to 1.
    pub accuracy: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Confusion matrix: number of photos by true class (row) and predicted class (column).
    pub confusion: Vec<Vec<usize>>,
}

/// The scores of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScores {
    /// Class name.
    pub class: String,
    /// Share of the photos predicted as this class that belong to it; 0 if there are none.
    pub precision: f64,
    /// Share of the photos of this class that were predicted as it; 0 if there are none.
    pub recall: f64,
    /// Harmonic mean of precision and recall; 0 if both are 0.
    pub f1: f64,
    /// Number of photos of this class.
    pub support: usize,
}

impl Scores {
    /// Number of photos that are classified correctly.
    pub fn right(&self) -> usize {
        (0..self.confusion.len()).map(|class| self.confusion[class][class]).sum()
    }

    /// The 95 % confidence interval of the accuracy, see [`accuracy_interval`].
    pub fn accuracy_interval(&self) -> (f64, f64) {
        accuracy_interval(self.right(), self.images)
    }

    /// Scores `logits`, `[labels, classes]`, against the true classes in `labels`.
    ///
    /// # Panics
    /// If the lengths do not match or a label is not less than `classes`.
    pub fn of(classes: usize, logits: &[f32], labels: &[usize]) -> Self {
        assert_eq!(logits.len(), classes * labels.len(), "a logit for each class and photo");
        let mut confusion = vec![vec![0; classes]; classes];
        let mut loss = 0.0;
        for (row, label) in logits.chunks(classes).zip(labels) {
            confusion[*label][most_probable(row)] += 1;
            loss -= log_softmax(row)[*label];
        }
        let right: usize = (0..classes).map(|class| confusion[class][class]).sum();
        let images = labels.len();
        let share = |sum: f64| if images == 0 { 0.0 } else { sum / images as f64 };
        Self { images, accuracy: share(right as f64), loss: share(loss), confusion }
    }

    /// The scores of each class; `classes` are the class names.
    pub fn per_class(&self, classes: &[String]) -> Vec<ClassScores> {
        let ratio = |part: usize, whole: usize| match whole {
            0 => 0.0,
            _ => part as f64 / whole as f64,
        };
        classes
            .iter()
            .enumerate()
            .map(|(index, class)| {
                let right = self.confusion[index][index];
                let support = self.confusion[index].iter().sum();
                let predicted = self.confusion.iter().map(|row| row[index]).sum();
                ClassScores {
                    class: class.clone(),
                    precision: ratio(right, predicted),
                    recall: ratio(right, support),
                    // 2pr / (p + r) in terms of counts.
                    f1: ratio(2 * right, support + predicted),
                    support,
                }
            })
            .collect()
    }
}

/// The index of the highest logit; if several are equal, the first. 0 if there are no logits.
pub fn most_probable(logits: &[f32]) -> usize {
    let mut best = 0;
    for (index, logit) in logits.iter().enumerate() {
        if logit.total_cmp(&logits[best]).is_gt() {
            best = index;
        }
    }
    best
}

/// The softmax of a row of logits, in f64.
pub fn probabilities(logits: &[f32]) -> Vec<f64> {
    log_softmax(logits).into_iter().map(f64::exp).collect()
}

/// `x - max - ln(sum(exp(x - max)))`. Subtracting the maximum avoids overflow.
fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shifted = logits.iter().map(|logit| f64::from(*logit) - f64::from(max));
    let sum: f64 = shifted.clone().map(f64::exp).sum();
    shifted.map(|value| value - sum.ln()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_agree_with_a_confusion_counted_by_hand() {
        // Three classes; true 0, 0, 1, 2 predicted as 0, 1, 1, 1: class 2 is never predicted.
        let logits = [9., 0., 0., 0., 9., 0., 0., 9., 0., 0., 9., 0.];
        let scores = Scores::of(3, &logits, &[0, 0, 1, 2]);
        assert_eq!(scores.confusion, [[1, 1, 0], [0, 1, 0], [0, 1, 0]]);
        assert_eq!((scores.images, scores.accuracy), (4, 0.5));
        // ln(e^9 + 2) - 9 if correct, the same plus 9 if wrong.
        let right = (9f64.exp() + 2.0).ln() - 9.0;
        assert!((scores.loss - (right + 4.5)).abs() < 1e-12);
        let classes = ["a", "b", "c"].map(String::from);
        let per_class = scores.per_class(&classes);
        assert_eq!((per_class[0].precision, per_class[0].recall), (1.0, 0.5));
        assert!((per_class[1].precision - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!((per_class[1].recall, per_class[1].f1), (1.0, 0.5));
        assert_eq!((per_class[2].precision, per_class[2].f1, per_class[2].support), (0.0, 0.0, 1));
    }

    #[test]
    fn probabilities_of_huge_logits_stay_numbers() {
        let probabilities = probabilities(&[3e38, -3e38, 3e38]);
        assert_eq!(probabilities, [0.5, 0.0, 0.5]);
    }
}
