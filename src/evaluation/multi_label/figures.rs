//! The scores of a photo's several classes, with their intervals.

use serde::{Deserialize, Serialize};

use super::{MultiLabelIntervals, MultiLabelScores};

/// Scores with their 95 % confidence intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiLabelFigures {
    /// The scores.
    #[serde(flatten)]
    pub scores: MultiLabelScores,
    /// Their intervals.
    #[serde(flatten)]
    pub intervals: MultiLabelIntervals,
}

impl MultiLabelFigures {
    /// Scores `logits`, `[labels, classes]`: see [`MultiLabelScores::of`]. The same seed gives the
    /// same intervals.
    ///
    /// # Panics
    /// If the lengths do not match.
    pub fn of<L: AsRef<[usize]>>(
        names: &[String],
        logits: &[f32],
        labels: &[L],
        thresholds: &[f64],
        seed: u64,
    ) -> Self {
        Self {
            scores: MultiLabelScores::of(names, logits, labels, thresholds),
            intervals: MultiLabelIntervals::of(logits, labels, thresholds, seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_back_from_json_with_and_without_labels() {
        let names = ["a", "b"].map(String::from);
        for labels in [vec![vec![0], vec![]], vec![vec![], vec![]]] {
            let figures =
                MultiLabelFigures::of(&names, &[1.0, -1.0, 0.3, 0.2], &labels, &[0.5; 2], 0);
            let json = serde_json::to_string(&figures).unwrap();
            let read: MultiLabelFigures = serde_json::from_str(&json).unwrap();
            // serde_json may read a number one bit off.
            let near = |one: f64, other: f64| (one - other).abs() < 1e-12;
            let (one, other) = (&read.scores, &figures.scores);
            assert!(near(one.loss, other.loss) && near(one.macro_f1, other.macro_f1), "{json}");
            assert_eq!(one.per_class.len(), other.per_class.len());
            assert_eq!(one.mean_average_precision, other.mean_average_precision);
            let has_interval = |figures: &MultiLabelFigures| {
                figures.intervals.mean_average_precision_interval.is_some()
            };
            assert_eq!(has_interval(&read), has_interval(&figures));
        }
    }
}
