//! Scores of a cross-validation: their mean over the folds, and their spread.

use serde::{Deserialize, Serialize};

use super::Scores;

/// The mean of a score over the folds, and its standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation over the folds, with their number minus 1 as the divisor.
    pub deviation: f64,
}

impl Spread {
    /// Of these numbers; zeros if there are none.
    pub fn of(numbers: &[f64]) -> Self {
        let count = numbers.len().max(1) as f64;
        let mean = numbers.iter().sum::<f64>() / count;
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        Self { mean, deviation: (squares / (count - 1.0).max(1.0)).sqrt() }
    }
}

/// The scores of a cross-validation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldScores {
    /// Number of folds.
    pub folds: usize,
    /// Number of photos in all of them.
    pub photos: usize,
    /// Share of photos that are classified correctly.
    pub accuracy: Spread,
    /// Mean recall of the classes.
    pub balanced_accuracy: Spread,
    /// Mean F1 of the classes.
    pub macro_f1: Spread,
    /// Mean cross-entropy, in nats.
    pub loss: Spread,
}

impl FoldScores {
    /// Scores the out-of-fold `logits`, `[labels, classes]`, fold by fold.
    ///
    /// # Panics
    /// If the lengths do not match.
    pub fn of(classes: usize, logits: &[f32], labels: &[usize], folds: &[usize]) -> Self {
        assert!(logits.len() == classes * labels.len() && folds.len() == labels.len());
        let mut each: Vec<(Vec<f32>, Vec<usize>)> = Vec::new();
        for (photo, fold) in folds.iter().enumerate() {
            if each.len() <= *fold {
                each.resize(fold + 1, Default::default());
            }
            each[*fold].0.extend(&logits[photo * classes..][..classes]);
            each[*fold].1.push(labels[photo]);
        }
        each.retain(|(_, labels)| !labels.is_empty());
        let scores: Vec<Scores> =
            each.iter().map(|(logits, labels)| Scores::of(classes, logits, labels)).collect();
        let spread =
            |score: fn(&Scores) -> f64| Spread::of(&scores.iter().map(score).collect::<Vec<f64>>());
        Self {
            folds: scores.len(),
            photos: labels.len(),
            accuracy: spread(|scores| scores.accuracy),
            balanced_accuracy: spread(|scores| scores.balanced_accuracy),
            macro_f1: spread(|scores| scores.macro_f1),
            loss: spread(|scores| scores.loss),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_the_sample_standard_deviation() {
        let spread = Spread::of(&[0.8, 0.9, 1.0]);
        assert!((spread.mean - 0.9).abs() < 1e-12 && (spread.deviation - 0.1).abs() < 1e-12);
        assert_eq!(Spread::of(&[0.5]), Spread { mean: 0.5, deviation: 0.0 });
    }

    #[test]
    fn each_fold_is_scored_by_itself() {
        // Fold 0: two photos, one right. Fold 2: one photo, right. There is no fold 1.
        let logits = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0];
        let scores = FoldScores::of(2, &logits, &[0, 1, 1], &[0, 0, 2]);
        assert_eq!((scores.folds, scores.photos, scores.accuracy.mean), (2, 3, 0.75));
    }
}
