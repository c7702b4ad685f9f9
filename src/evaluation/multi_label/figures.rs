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
            assert_eq!(serde_json::from_str::<MultiLabelFigures>(&json).unwrap(), figures);
        }
    }
}
