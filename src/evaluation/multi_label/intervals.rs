//! How far the scores of a photo's several classes can be trusted.

use serde::{Deserialize, Serialize};

use super::average_precision::Ranking;
use super::scores::{LabelCounts, macro_f1, micro_f1, sigmoid};
use crate::evaluation::{accuracy_interval, bootstrap_intervals};

/// The 95 % confidence intervals of [`MultiLabelScores`](super::MultiLabelScores): by bootstrap,
/// which draws whole photos, but Wilson's for the exact match. Resamples of perfect answers say
/// nothing; such scores have Wilson's interval for as many photos that are all right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiLabelIntervals {
    /// Of the mean average precision. `None` if no photo shows a class.
    pub mean_average_precision_interval: Option<(f64, f64)>,
    /// Of the mean F1.
    pub macro_f1_interval: (f64, f64),
    /// Of the F1 of all labels together.
    pub micro_f1_interval: (f64, f64),
    /// Of the share of photos whose classes are all right.
    pub exact_match_interval: (f64, f64),
}

impl MultiLabelIntervals {
    /// The intervals of the scores of `logits`, `[labels, classes]`. The same seed gives the same
    /// intervals.
    ///
    /// # Panics
    /// If the lengths do not match.
    pub fn of<L: AsRef<[usize]>>(
        logits: &[f32],
        labels: &[L],
        thresholds: &[f64],
        seed: u64,
    ) -> Self {
        let classes = thresholds.len();
        let exact = LabelCounts::of(logits, labels, thresholds).exact;
        let rankings: Vec<Ranking> =
            (0..classes).map(|class| Ranking::of(logits, labels, classes, class)).collect();
        // Whether each photo shows each class, and whether it is said to: 2 * shown + predicted.
        let answers: Vec<u8> = logits
            .iter()
            .enumerate()
            .map(|(at, logit)| {
                let class = at % classes;
                let is_shown = labels[at / classes].as_ref().contains(&class);
                2 * u8::from(is_shown) + u8::from(sigmoid(*logit) >= thresholds[class])
            })
            .collect();
        let mut times = vec![0_usize; labels.len()];
        let [average_precision, macro_f1_interval, micro_f1_interval] =
            bootstrap_intervals(labels.len(), seed, |photos| {
                times.fill(0);
                photos.iter().for_each(|photo| times[*photo] += 1);
                let precisions: Vec<f64> = rankings
                    .iter()
                    .filter_map(|ranking| ranking.precision_of(|photo| times[photo]))
                    .collect();
                let mut confusion = vec![[[0; 2]; 2]; classes];
                for (photo, times) in times.iter().enumerate().filter(|(_, times)| **times > 0) {
                    let answers = &answers[photo * classes..][..classes];
                    for (confusion, answer) in confusion.iter_mut().zip(answers) {
                        confusion[usize::from(answer / 2)][usize::from(answer % 2)] += times;
                    }
                }
                [
                    // NaN, which is left out, if the sample shows no class.
                    precisions.iter().sum::<f64>() / precisions.len() as f64,
                    macro_f1(&confusion),
                    micro_f1(&confusion),
                ]
            });
        let photos = labels.len();
        let with_width = |(low, high): (f64, f64)| match low >= 1.0 && high >= 1.0 {
            true => accuracy_interval(photos, photos),
            false if low.is_nan() => (0.0, 1.0),
            false => (low, high),
        };
        Self {
            mean_average_precision_interval: (!average_precision.0.is_nan())
                .then(|| with_width(average_precision)),
            macro_f1_interval: with_width(macro_f1_interval),
            micro_f1_interval: with_width(micro_f1_interval),
            exact_match_interval: accuracy_interval(exact, labels.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::MultiLabelScores;

    #[test]
    fn the_intervals_hold_the_scores_and_narrow_with_the_photos() {
        let sample = |photos: usize| {
            let labels: Vec<Vec<usize>> = (0..photos)
                .map(|photo| (0..3).filter(|class| (photo + class) % (class + 2) == 0).collect())
                .collect();
            let logits: Vec<f32> = (0..photos * 3)
                .map(|at| {
                    let noise = (at * 2_654_435_761 % 997) as f32 / 200.0 - 2.5;
                    noise + if labels[at / 3].contains(&(at % 3)) { 1.5 } else { -1.5 }
                })
                .collect();
            let names = ["a", "b", "c"].map(String::from);
            let scores = MultiLabelScores::of(&names, &logits, &labels, &[0.5; 3]);
            (scores, MultiLabelIntervals::of(&logits, &labels, &[0.5; 3], 0))
        };
        let width = |(low, high): (f64, f64)| high - low;
        let (few, many) = (sample(50), sample(800));
        for (scores, intervals) in [&few, &many] {
            let average = intervals.mean_average_precision_interval.unwrap();
            for (score, (low, high)) in [
                (scores.mean_average_precision.unwrap(), average),
                (scores.macro_f1, intervals.macro_f1_interval),
                (scores.micro_f1, intervals.micro_f1_interval),
                (scores.exact_match, intervals.exact_match_interval),
            ] {
                assert!(low < score && score < high, "{low} {score} {high}");
            }
        }
        assert!(width(many.1.macro_f1_interval) < width(few.1.macro_f1_interval) / 2.0);
    }

    #[test]
    fn a_perfect_score_is_not_certain() {
        let labels: Vec<Vec<usize>> = (0..20).map(|photo| vec![photo % 2]).collect();
        let logits: Vec<f32> = (0..20)
            .flat_map(|photo| if photo % 2 == 0 { [3.0, -3.0] } else { [-3.0, 3.0] })
            .collect();
        let intervals = MultiLabelIntervals::of(&logits, &labels, &[0.5; 2], 0);
        let expected = accuracy_interval(20, 20);
        assert_eq!(intervals.mean_average_precision_interval, Some(expected));
        assert_eq!(
            (intervals.macro_f1_interval, intervals.micro_f1_interval),
            (expected, expected)
        );
    }

    #[test]
    fn without_a_label_there_is_no_interval_of_the_average_precision() {
        let intervals = MultiLabelIntervals::of(&[-1.0, -2.0], &[vec![]], &[0.5; 2], 0);
        assert_eq!(intervals.mean_average_precision_interval, None);
    }
}
