//! What a model's logits stand for: one class a photo, or several.

use std::collections::BTreeMap;

use super::DescriptionError;
use crate::evaluation::{probabilities, sigmoid};

/// Key of the task; absent in files of models that give a photo one class.
const TASK: &str = "task";
/// The task of a model that gives a photo any number of classes.
const MULTI_LABEL: &str = "multi-label";
/// Key of the thresholds: a JSON array of probabilities, in the order of the logits.
const THRESHOLDS: &str = "thresholds";
/// The threshold of every class in a file that has none.
const DEFAULT_THRESHOLD: f64 = 0.5;

/// What the logits of a model stand for.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Task {
    /// A photo has one class; the softmax of the logits are the probabilities.
    #[default]
    SingleLabel,
    /// A photo has any number of classes; the sigmoid of a logit is the probability of its class.
    MultiLabel {
        /// For each class, the probability from which on a photo shows it, between 0 and 1.
        thresholds: Vec<f64>,
    },
}

impl Task {
    /// The probability of each class, of a row of logits.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f64> {
        match self {
            Self::SingleLabel => probabilities(logits),
            Self::MultiLabel { .. } => logits.iter().map(|logit| sigmoid(*logit)).collect(),
        }
    }

    /// The thresholds of the classes, if a photo may have several.
    pub fn thresholds(&self) -> Option<&[f64]> {
        match self {
            Self::SingleLabel => None,
            Self::MultiLabel { thresholds } => Some(thresholds),
        }
    }

    /// Adds the task to the metadata of a model file.
    pub(super) fn write(&self, entries: &mut BTreeMap<String, String>) {
        let Self::MultiLabel { thresholds } = self else { return };
        let thresholds = serde_json::to_string(thresholds).expect("finite numbers");
        entries.insert(TASK.to_owned(), MULTI_LABEL.to_owned());
        entries.insert(THRESHOLDS.to_owned(), thresholds);
    }

    /// Reads the task of a model with so many classes from the metadata of its file.
    ///
    /// # Errors
    /// If the task is unknown, or there is not a threshold between 0 and 1 for each class.
    pub(super) fn read(
        entries: &BTreeMap<String, String>,
        classes: usize,
    ) -> Result<Self, DescriptionError> {
        match entries.get(TASK).map(String::as_str) {
            None => return Ok(Self::SingleLabel),
            Some(MULTI_LABEL) => {}
            Some(other) => return Err(DescriptionError::Task(other.to_owned())),
        }
        let Some(text) = entries.get(THRESHOLDS) else {
            return Ok(Self::MultiLabel { thresholds: vec![DEFAULT_THRESHOLD; classes] });
        };
        let thresholds: Vec<f64> =
            serde_json::from_str(text).map_err(DescriptionError::Thresholds)?;
        if thresholds.len() != classes {
            let count = thresholds.len();
            return Err(DescriptionError::ThresholdCount { thresholds: count, classes });
        }
        match thresholds.iter().find(|threshold| !(0.0..=1.0).contains(*threshold)) {
            Some(threshold) => Err(DescriptionError::Threshold(*threshold)),
            None => Ok(Self::MultiLabel { thresholds }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_reads_back_as_itself_and_older_files_have_one_label() {
        let task = Task::MultiLabel { thresholds: vec![0.25, 0.5] };
        let mut entries = BTreeMap::new();
        assert_eq!(Task::read(&entries, 2).unwrap(), Task::SingleLabel);
        Task::SingleLabel.write(&mut entries);
        assert!(entries.is_empty());
        task.write(&mut entries);
        assert_eq!(entries["thresholds"], "[0.25,0.5]");
        assert_eq!(Task::read(&entries, 2).unwrap(), task);
        entries.remove("thresholds");
        let halves = Task::MultiLabel { thresholds: vec![0.5; 2] };
        assert_eq!(Task::read(&entries, 2).unwrap(), halves);
    }

    #[test]
    fn thresholds_that_cannot_be_used_are_an_error() {
        let message = |task: &str, thresholds: &str| {
            let entries = [("task", task), ("thresholds", thresholds)];
            let entries = entries.map(|(key, value)| (key.to_owned(), value.to_owned()));
            Task::read(&entries.into(), 2).unwrap_err().to_string()
        };
        assert!(message("depth", "[0.5, 0.5]").contains("its task is `depth`"));
        assert!(message("multi-label", "[0.5]").contains("1 thresholds for 2 classes"));
        assert!(
            message("multi-label", "[0.5, 2]").contains("the threshold 2 is not a probability")
        );
        assert!(message("multi-label", "0.5").contains("not a JSON array of numbers"));
    }
}
