//! Thresholds: from which probability on a photo is said to show a class.

use super::scores::sigmoid;

/// Number of steps between 0 and 1: thresholds are multiples of 0.01.
const STEPS: usize = 100;
/// The photos of all classes together count as this number of photos of each class.
const POOLED_POSITIVES: f64 = 1.0;

/// Photos that show a class, and photos that do not, by probability.
#[derive(Clone, Default)]
struct Histogram {
    /// Of the photos that show the class: how many have a probability in each step, `[STEPS + 1]`.
    positive: Vec<f64>,
    /// Of the others.
    negative: Vec<f64>,
}

/// The threshold of each class with the highest F1 on the photos with these `logits`, `[photos,
/// classes]`, whose true classes are `labels`: a multiple of 0.01 from 0.01 to 0.99, the one nearest
/// to 0.5 if several are equal.
///
/// A class with few photos, or none, has no curve of its own to choose by, so the photos of all
/// classes together are added to each class's own, scaled to one photo that shows it. (On made data
/// with 1 to 200 photos of a class, this lost nothing against the class's own F1, won 1 to 9 points
/// of macro-F1 against 0.5, and up to 2 against one threshold for all classes.)
///
/// # Panics
/// If the lengths do not match.
pub fn choose_thresholds<L: AsRef<[usize]>>(
    classes: usize,
    logits: &[f32],
    labels: &[L],
) -> Vec<f64> {
    assert_eq!(logits.len(), classes * labels.len(), "a logit for each class and photo");
    let empty = || Histogram { positive: vec![0.0; STEPS + 1], negative: vec![0.0; STEPS + 1] };
    let mut histograms = vec![empty(); classes];
    for (row, labels) in logits.chunks(classes.max(1)).zip(labels) {
        for (class, (logit, histogram)) in row.iter().zip(&mut histograms).enumerate() {
            let step = step_below(sigmoid(*logit));
            let is_shown = labels.as_ref().contains(&class);
            let counts = if is_shown { &mut histogram.positive } else { &mut histogram.negative };
            counts[step] += 1.0;
        }
    }
    let mut pooled = empty();
    for histogram in &histograms {
        pooled.add(histogram, 1.0);
    }
    let positives: f64 = pooled.positive.iter().sum();
    if positives == 0.0 {
        return vec![0.5; classes];
    }
    let threshold = |mut histogram: Histogram| {
        histogram.add(&pooled, POOLED_POSITIVES / positives);
        histogram.best_step() as f64 / STEPS as f64
    };
    histograms.into_iter().map(threshold).collect()
}

/// The largest multiple of 1 / [`STEPS`] that the probability reaches.
fn step_below(probability: f64) -> usize {
    let step = (probability * STEPS as f64) as usize;
    // The product may round to the other side of a step.
    let reaches = |step: usize| probability >= step as f64 / STEPS as f64;
    match (reaches(step), reaches(step + 1)) {
        (false, _) => step.saturating_sub(1),
        (true, true) => (step + 1).min(STEPS),
        (true, false) => step,
    }
}

impl Histogram {
    fn add(&mut self, other: &Self, weight: f64) {
        let add = |own: &mut [f64], other: &[f64]| {
            own.iter_mut().zip(other).for_each(|(own, other)| *own += weight * other);
        };
        add(&mut self.positive, &other.positive);
        add(&mut self.negative, &other.negative);
    }

    /// The step from 1 to `STEPS - 1` with the highest F1.
    fn best_step(&self) -> usize {
        let positives: f64 = self.positive.iter().sum();
        let (mut found, mut wrong) = (self.positive[STEPS], self.negative[STEPS]);
        let mut f1 = vec![0.0; STEPS];
        for step in (1..STEPS).rev() {
            found += self.positive[step];
            wrong += self.negative[step];
            // 2 TP / (2 TP + FP + FN).
            f1[step] = 2.0 * found / (found + wrong + positives);
        }
        let best = f1.iter().copied().fold(0.0, f64::max);
        // Equal, but for rounding.
        let is_best = |step: &usize| f1[*step] >= best - 1e-12;
        let from_half = |step: &usize| step.abs_diff(STEPS / 2);
        (1..STEPS).filter(is_best).min_by_key(from_half).unwrap_or(STEPS / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::MultiLabelScores;

    fn logit(probability: f64) -> f32 {
        (probability / (1.0 - probability)).ln() as f32
    }

    #[test]
    fn a_threshold_has_the_highest_f1_of_its_class() {
        // Class 0 is shown from 0.3 on, class 1 from 0.705 on.
        let probabilities = [[0.1, 0.4], [0.31, 0.6], [0.5, 0.71], [0.9, 0.8], [0.28, 0.69]];
        let labels = [vec![], vec![0], vec![0, 1], vec![0, 1], vec![]];
        let logits: Vec<f32> = probabilities.iter().flatten().copied().map(logit).collect();
        let thresholds = choose_thresholds(2, &logits, &labels);
        let names = ["a", "b"].map(String::from);
        let best = MultiLabelScores::of(&names, &logits, &labels, &thresholds);
        assert_eq!(best.macro_f1, 1.0, "{thresholds:?}");
        assert!((0.29..=0.31).contains(&thresholds[0]), "{thresholds:?}");
        assert!((0.69..=0.71).contains(&thresholds[1]), "{thresholds:?}");
    }

    #[test]
    fn classes_without_photos_take_the_threshold_of_all_together() {
        let probabilities = [[0.1, 0.01], [0.31, 0.02], [0.5, 0.01], [0.05, 0.02]];
        let labels = [vec![], vec![0], vec![0], vec![]];
        let logits: Vec<f32> = probabilities.iter().flatten().copied().map(logit).collect();
        let thresholds = choose_thresholds(2, &logits, &labels);
        assert_eq!(thresholds[0], thresholds[1]);
        assert!((0.11..=0.31).contains(&thresholds[0]), "{thresholds:?}");
        assert_eq!(choose_thresholds(2, &logits, &vec![vec![]; 4]), [0.5, 0.5]);
        assert_eq!(choose_thresholds::<Vec<usize>>(2, &[], &[]), [0.5, 0.5]);
    }

    #[test]
    fn every_step_is_reached_by_its_own_probability() {
        for step in 0..=STEPS {
            let threshold = step as f64 / STEPS as f64;
            assert_eq!(step_below(threshold), step);
            if step > 0 {
                assert_eq!(step_below(threshold.next_down()), step - 1);
            }
        }
    }
}
