//! The scores of photos that show any number of classes, for all classes and for each.

use serde::{Deserialize, Serialize};

use super::average_precision::Ranking;

/// The scores of predictions of any number of classes a photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiLabelScores {
    /// Number of photos.
    pub images: usize,
    /// Mean binary cross-entropy over the photos and classes, in nats.
    pub loss: f64,
    /// Mean average precision: the mean over the classes that have photos. `None` if none has.
    pub mean_average_precision: Option<f64>,
    /// Mean F1 of the classes that have photos; 0 if none has.
    pub macro_f1: f64,
    /// F1 of the labels of all classes together; 0 if there are none.
    pub micro_f1: f64,
    /// Share of photos whose predicted classes are exactly the true ones, 0 to 1.
    pub exact_match: f64,
    /// Share of wrong answers, over the photos and classes, 0 to 1.
    pub hamming_loss: f64,
    /// The scores of each class.
    pub per_class: Vec<LabelScores>,
}

/// The scores of one class of those that a photo may show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelScores {
    /// Class name.
    pub class: String,
    /// The probability from which on a photo is said to show the class.
    pub threshold: f64,
    /// Area below the precision-recall curve; `None` if no photo shows the class.
    pub average_precision: Option<f64>,
    /// Share of the photos that are said to show the class that do; 0 if there are none.
    pub precision: f64,
    /// Share of the photos that show the class that are said to; 0 if there are none.
    pub recall: f64,
    /// Harmonic mean of precision and recall; 0 if both are 0.
    pub f1: f64,
    /// Number of photos that show the class.
    pub support: usize,
    /// Number of photos that do not show the class (first row) and that do (second), by whether
    /// they are said not to (first column) or to.
    pub confusion: [[usize; 2]; 2],
}

/// The probability of a class whose logit this is, `1 / (1 + exp(-logit))`.
pub fn sigmoid(logit: f32) -> f64 {
    let logit = f64::from(logit);
    match logit >= 0.0 {
        true => 1.0 / (1.0 + (-logit).exp()),
        // The exponential cannot overflow.
        false => logit.exp() / (1.0 + logit.exp()),
    }
}

/// Binary cross-entropy of a logit, in nats: `max(x, 0) - x y + ln(1 + exp(-|x|))`.
fn cross_entropy(logit: f32, is_shown: bool) -> f64 {
    let logit = f64::from(logit);
    let linear = if is_shown { logit } else { 0.0 };
    logit.max(0.0) - linear + (-logit.abs()).exp().ln_1p()
}

/// The classes of each row of `logits`, `[photos, classes]`, whose probability reaches their
/// threshold.
///
/// # Panics
/// If `logits` has not a whole number of rows.
pub fn label_sets(logits: &[f32], thresholds: &[f64]) -> Vec<Vec<usize>> {
    assert!(logits.len().is_multiple_of(thresholds.len().max(1)), "whole rows of logits");
    let reached = |row: &[f32]| {
        let classes = row.iter().zip(thresholds).enumerate();
        let reached = classes.filter(|(_, (logit, threshold))| sigmoid(**logit) >= **threshold);
        reached.map(|(class, _)| class).collect()
    };
    logits.chunks(thresholds.len().max(1)).map(reached).collect()
}

impl MultiLabelScores {
    /// Scores `logits`, `[labels, classes]`, against the true classes in `labels`. `names` are the
    /// class names and `thresholds` the probabilities from which on a photo is said to show them.
    ///
    /// # Panics
    /// If the lengths do not match.
    pub fn of<L: AsRef<[usize]>>(
        names: &[String],
        logits: &[f32],
        labels: &[L],
        thresholds: &[f64],
    ) -> Self {
        let counts = LabelCounts::of(logits, labels, thresholds);
        assert_eq!(names.len(), thresholds.len(), "a name for each class");
        let per_class: Vec<LabelScores> = (0..names.len())
            .map(|class| LabelScores {
                class: names[class].clone(),
                threshold: thresholds[class],
                average_precision: Ranking::of(logits, labels, names.len(), class).precision(),
                ..LabelScores::of(counts.confusion[class])
            })
            .collect();
        let precisions: Vec<f64> =
            per_class.iter().filter_map(|one| one.average_precision).collect();
        let mean = precisions.iter().sum::<f64>() / precisions.len() as f64;
        Self {
            images: labels.len(),
            loss: counts.loss,
            mean_average_precision: (!precisions.is_empty()).then_some(mean),
            macro_f1: counts.macro_f1(),
            micro_f1: counts.micro_f1(),
            exact_match: ratio(counts.exact, labels.len()),
            hamming_loss: ratio(counts.wrong(), logits.len()),
            per_class,
        }
    }
}

/// What can be counted without ranking the photos.
pub struct LabelCounts {
    /// Mean binary cross-entropy over the photos and classes, in nats.
    pub loss: f64,
    /// Number of photos whose predicted classes are exactly the true ones.
    pub exact: usize,
    /// The confusion of each class, as in [`LabelScores::confusion`].
    pub confusion: Vec<[[usize; 2]; 2]>,
}

impl LabelCounts {
    /// Counts `logits`, `[labels, classes]`, against the true classes.
    ///
    /// # Panics
    /// If the lengths do not match.
    pub fn of<L: AsRef<[usize]>>(logits: &[f32], labels: &[L], thresholds: &[f64]) -> Self {
        let classes = thresholds.len();
        assert_eq!(logits.len(), classes * labels.len(), "a logit for each class and photo");
        let (mut loss, mut exact, mut confusion) = (0.0, 0, vec![[[0; 2]; 2]; classes]);
        for (row, labels) in logits.chunks(classes.max(1)).zip(labels) {
            let mut is_exact = true;
            for (class, (logit, threshold)) in row.iter().zip(thresholds).enumerate() {
                let is_shown = labels.as_ref().contains(&class);
                let is_predicted = sigmoid(*logit) >= *threshold;
                loss += cross_entropy(*logit, is_shown);
                confusion[class][usize::from(is_shown)][usize::from(is_predicted)] += 1;
                is_exact &= is_shown == is_predicted;
            }
            exact += usize::from(is_exact);
        }
        let loss = if logits.is_empty() { 0.0 } else { loss / logits.len() as f64 };
        Self { loss, exact, confusion }
    }

    /// Mean F1 of the classes that have photos; 0 if none has.
    pub fn macro_f1(&self) -> f64 {
        macro_f1(&self.confusion)
    }

    /// F1 of the labels of all classes together; 0 if there are none.
    pub fn micro_f1(&self) -> f64 {
        micro_f1(&self.confusion)
    }

    /// Number of wrong answers.
    fn wrong(&self) -> usize {
        self.confusion.iter().map(|[[_, wrong], [missed, _]]| wrong + missed).sum()
    }
}

/// See [`LabelCounts::macro_f1`].
pub(super) fn macro_f1(confusion: &[[[usize; 2]; 2]]) -> f64 {
    let with_photos = confusion.iter().map(|one| LabelScores::of(*one));
    let scores: Vec<f64> = with_photos.filter(|one| one.support > 0).map(|one| one.f1).collect();
    if scores.is_empty() { 0.0 } else { scores.iter().sum::<f64>() / scores.len() as f64 }
}

/// See [`LabelCounts::micro_f1`].
pub(super) fn micro_f1(confusion: &[[[usize; 2]; 2]]) -> f64 {
    let count =
        |row: usize, column: usize| confusion.iter().map(|one| one[row][column]).sum::<usize>();
    let found = 2 * count(1, 1);
    ratio(found, found + count(0, 1) + count(1, 0))
}

impl LabelScores {
    /// The scores that follow from the confusion alone.
    fn of(confusion: [[usize; 2]; 2]) -> Self {
        let [[_, wrong], [missed, found]] = confusion;
        Self {
            class: String::new(),
            threshold: 0.0,
            average_precision: None,
            precision: ratio(found, found + wrong),
            recall: ratio(found, found + missed),
            f1: ratio(2 * found, 2 * found + wrong + missed),
            support: found + missed,
            confusion,
        }
    }
}

/// 0 if there is no whole.
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_of_scikit_learn() {
        // scikit-learn 1.9.1 on the same logits: see the expressions beside the figures.
        let names = ["a", "b", "c", "d"].map(String::from);
        let logits = [
            2.1, -1.0, 0.3, -4.0, -0.2, 0.7, 0.3, -3.0, 1.5, 1.5, -2.5, -2.0, -3.1, 0.4, 0.9, -5.0,
            0.0, -0.6, 2.2, 0.5, -1.2, -0.1, -0.7, -2.2, 0.8, 3.0, 0.1, -1.0, -0.9, 0.2, -1.1,
            -2.0,
        ];
        let labels: [&[usize]; 8] = [&[0], &[1, 2], &[0, 1], &[2], &[0, 2], &[], &[1], &[0, 1, 2]];
        let thresholds = [0.4, 0.5, 0.55, 0.5];
        let scores = MultiLabelScores::of(&names, &logits, &labels, &thresholds);
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}");
        assert_eq!(scores.images, 8);
        close(scores.loss, 0.4398685322161306);
        close(scores.mean_average_precision.unwrap(), 0.8781746031746032);
        close(scores.macro_f1, 0.7685185185185185);
        close(scores.micro_f1, 0.7407407407407407);
        close(scores.exact_match, 0.25);
        close(scores.hamming_loss, 0.21875);
        for (one, (precision, recall, f1, average, confusion)) in scores.per_class.iter().zip([
            (0.6, 0.75, 0.6666666666666666, Some(0.8541666666666666), [[2, 2], [1, 3]]),
            (0.8, 1.0, 0.8888888888888888, Some(0.95), [[3, 1], [0, 4]]),
            (0.75, 0.75, 0.75, Some(0.8303571428571428), [[3, 1], [1, 3]]),
            (0.0, 0.0, 0.0, None, [[7, 1], [0, 0]]),
        ]) {
            close(one.precision, precision);
            close(one.recall, recall);
            close(one.f1, f1);
            assert_eq!(one.confusion, confusion, "{}", one.class);
            match average {
                Some(average) => close(one.average_precision.unwrap(), average),
                None => assert_eq!(one.average_precision, None),
            }
        }
    }

    #[test]
    fn huge_logits_have_finite_losses_and_probabilities() {
        assert_eq!((sigmoid(f32::MAX), sigmoid(f32::MIN), sigmoid(0.0)), (1.0, 0.0, 0.5));
        assert_eq!((cross_entropy(1e30, true), cross_entropy(-1e30, false)), (0.0, 0.0));
        assert!((cross_entropy(0.0, true) - 2f64.ln()).abs() < 1e-15);
        assert!(cross_entropy(f32::MIN, true).is_finite());
    }

    #[test]
    fn no_photos_and_no_labels_have_scores_too() {
        let names = ["a", "b"].map(String::from);
        let none = MultiLabelScores::of::<Vec<usize>>(&names, &[], &[], &[0.5; 2]);
        assert_eq!((none.images, none.loss, none.mean_average_precision), (0, 0.0, None));
        let unlabelled = MultiLabelScores::of(&names, &[-1.0; 2], &[vec![]], &[0.5; 2]);
        assert_eq!((unlabelled.exact_match, unlabelled.macro_f1), (1.0, 0.0));
        assert_eq!(unlabelled.mean_average_precision, None);
    }
}
