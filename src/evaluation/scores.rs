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
    /// Mean recall of the classes that have photos: scikit-learn's `balanced_accuracy_score`. 0 if
    /// there are no photos.
    pub balanced_accuracy: f64,
    /// Mean F1 of the classes that have photos. 0 if there are no photos.
    pub macro_f1: f64,
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
        let (mut balanced_accuracy, mut macro_f1) = (0.0, 0.0);
        let present = confusion.iter().filter(|row| row.iter().any(|count| *count > 0)).count();
        for class in 0..classes {
            let (recall, f1) = (recall(&confusion, class), f1(&confusion, class));
            balanced_accuracy += recall / present.max(1) as f64;
            if confusion[class].iter().any(|count| *count > 0) {
                macro_f1 += f1 / present as f64;
            }
        }
        Self {
            images,
            accuracy: share(right as f64),
            loss: share(loss),
            balanced_accuracy,
            macro_f1,
            confusion,
        }
    }

    /// Whether the most frequent class has at least twice as many photos as the rarest that has
    /// any: then the mean over the classes says something else than the accuracy.
    pub fn is_unbalanced(&self) -> bool {
        let photos = self.confusion.iter().map(|row| row.iter().sum::<usize>());
        let present = photos.filter(|photos| *photos > 0);
        let (least, most) = (present.clone().min(), present.max());
        least.zip(most).is_some_and(|(least, most)| most >= 2 * least)
    }

    /// The scores of each class; `classes` are the class names.
    pub fn per_class(&self, classes: &[String]) -> Vec<ClassScores> {
        classes
            .iter()
            .enumerate()
            .map(|(index, class)| {
                let predicted = predicted(&self.confusion, index);
                ClassScores {
                    class: class.clone(),
                    precision: ratio(self.confusion[index][index], predicted),
                    recall: recall(&self.confusion, index),
                    f1: f1(&self.confusion, index),
                    support: self.confusion[index].iter().sum(),
                }
            })
            .collect()
    }
}

/// `part / whole`, and 0 if there is nothing.
fn ratio(part: usize, whole: usize) -> f64 {
    match whole {
        0 => 0.0,
        _ => part as f64 / whole as f64,
    }
}

/// Number of photos that were predicted as this class.
fn predicted(confusion: &[Vec<usize>], class: usize) -> usize {
    confusion.iter().map(|row| row[class]).sum()
}

fn recall(confusion: &[Vec<usize>], class: usize) -> f64 {
    ratio(confusion[class][class], confusion[class].iter().sum())
}

/// `2pr / (p + r)` in terms of counts.
fn f1(confusion: &[Vec<usize>], class: usize) -> f64 {
    let support: usize = confusion[class].iter().sum();
    ratio(2 * confusion[class][class], support + predicted(confusion, class))
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
    fn the_means_over_the_classes_are_those_of_scikit_learn() {
        // balanced_accuracy_score and f1_score(average="macro", labels=[0, 1, 2]) of scikit-learn
        // 1.9.1 for [0, 0, 0, 0, 1, 1, 2] predicted as [0, 0, 0, 1, 1, 2, 2].
        let one_hot = |class: usize| (0..4).map(move |at| if at == class { 5.0 } else { 0.0 });
        let logits: Vec<f32> = [0, 0, 0, 1, 1, 2, 2].into_iter().flat_map(one_hot).collect();
        // Nothing is labelled as the fourth class, which takes no part in the means.
        let scores = Scores::of(4, &logits, &[0, 0, 0, 0, 1, 1, 2]);
        assert!((scores.balanced_accuracy - 0.75).abs() < 1e-9, "{scores:?}");
        assert!((scores.macro_f1 - 0.674_603_174_603).abs() < 1e-9, "{scores:?}");
        assert!(scores.is_unbalanced());
        assert!(!Scores::of(2, &[1.0, 0.0, 0.0, 1.0], &[0, 1]).is_unbalanced());
        let nothing = Scores::of(2, &[], &[]);
        assert_eq!((nothing.balanced_accuracy, nothing.macro_f1), (0.0, 0.0));
    }

    #[test]
    fn probabilities_of_huge_logits_stay_numbers() {
        let probabilities = probabilities(&[3e38, -3e38, 3e38]);
        assert_eq!(probabilities, [0.5, 0.0, 0.5]);
    }
}
