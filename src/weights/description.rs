//! The metadata of a model file, which makes the file usable without its run folder.

use std::collections::BTreeMap;

use super::Task;
use crate::backbone::Architecture;
use crate::photos::{Preprocessing, PreprocessingError};
use crate::printable::shortened;

/// Key of the backbone name.
const BACKBONE: &str = "backbone";
/// Key of the class names: a JSON array of strings, in the order of the logits.
const CLASSES: &str = "classes";
/// Key of the preprocessing: a [`Preprocessing`] as a JSON object.
const PREPROCESSING: &str = "preprocessing";
/// Key of the temperature that logits are to be divided by.
const TEMPERATURE: &str = "temperature";
/// Key of the temperature that the fc layer was divided by.
const CALIBRATED_WITH: &str = "calibrated_with";

/// The most characters of a value in an error.
const LONGEST_VALUE: usize = 30;

/// Metadata of a model: its backbone, classes, preprocessing and calibration.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Name of the backbone.
    pub backbone: String,
    /// Class names, in the order of the logits.
    pub classes: Vec<String>,
    /// How photos are preprocessed.
    pub preprocessing: Preprocessing,
    /// What the logits stand for.
    pub task: Task,
    /// The temperature by which logits are divided before the softmax, if it is not 1.
    pub temperature: Option<f64>,
    /// The temperature by which the fc layer was divided, if it was.
    pub calibrated_with: Option<f64>,
}

/// Why the metadata of a model file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// The class names are not a JSON array of strings.
    #[error("its class names are not a JSON array of strings: {0}")]
    Classes(serde_json::Error),
    /// The preprocessing is not a JSON object with the expected fields.
    #[error("its preprocessing is not a JSON object of resize, filter, crop, mean and std: {0}")]
    Preprocessing(serde_json::Error),
    /// The preprocessing is invalid.
    #[error(transparent)]
    InvalidPreprocessing(#[from] PreprocessingError),
    /// The task is not one that this version knows.
    #[error("its task is `{0}`, which this version of kindling does not know")]
    Task(String),
    /// The thresholds are not a JSON array of numbers.
    #[error("its thresholds are not a JSON array of numbers: {0}")]
    Thresholds(serde_json::Error),
    /// The number of thresholds is not the number of classes.
    #[error("it has {thresholds} thresholds for {classes} classes")]
    ThresholdCount {
        /// Number of thresholds.
        thresholds: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A threshold is not between 0 and 1.
    #[error("the threshold {0} is not a probability")]
    Threshold(f64),
    /// A temperature is not a positive number.
    #[error("its {key} `{}` is not a number above 0", shortened(.value, LONGEST_VALUE))]
    Temperature {
        /// The key of the entry.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// The number of class names is not the number of logits.
    #[error("it names {names} classes, but its fc layer has {logits}")]
    ClassCount {
        /// Number of class names.
        names: usize,
        /// Number of logits.
        logits: usize,
    },
    /// The tensors are those of another network.
    #[error("it claims to hold {said}, but its tensors are those of {found}")]
    Backbone {
        /// Backbone in the metadata.
        said: String,
        /// Backbone that the tensors belong to.
        found: String,
    },
}

impl Description {
    /// The metadata as the string entries that model file formats store.
    pub fn entries(&self) -> BTreeMap<String, String> {
        let json = |value: serde_json::Result<String>| value.expect("texts and finite numbers");
        let mut entries = BTreeMap::from([
            (BACKBONE.to_owned(), self.backbone.clone()),
            (CLASSES.to_owned(), json(serde_json::to_string(&self.classes))),
            (PREPROCESSING.to_owned(), json(serde_json::to_string(&self.preprocessing))),
        ]);
        self.task.write(&mut entries);
        for (key, value) in
            [(TEMPERATURE, self.temperature), (CALIBRATED_WITH, self.calibrated_with)]
        {
            // `to_string` writes enough digits to read the same number back.
            entries.extend(value.map(|value| (key.to_owned(), value.to_string())));
        }
        entries
    }

    /// Reads the metadata entries of a file. Returns `None` if backbone, classes or preprocessing is
    /// missing, as in files of other programs.
    ///
    /// # Errors
    /// If an entry cannot be parsed or the preprocessing is invalid.
    pub fn read(entries: &BTreeMap<String, String>) -> Result<Option<Self>, DescriptionError> {
        let [Some(backbone), Some(classes), Some(preprocessing)] =
            [BACKBONE, CLASSES, PREPROCESSING].map(|key| entries.get(key))
        else {
            return Ok(None);
        };
        let preprocessing: Preprocessing =
            serde_json::from_str(preprocessing).map_err(DescriptionError::Preprocessing)?;
        let classes: Vec<String> =
            serde_json::from_str(classes).map_err(DescriptionError::Classes)?;
        Ok(Some(Self {
            backbone: backbone.clone(),
            task: Task::read(entries, classes.len())?,
            classes,
            preprocessing: preprocessing.check()?,
            temperature: temperature(entries, TEMPERATURE)?,
            calibrated_with: temperature(entries, CALIBRATED_WITH)?,
        }))
    }

    /// Checks that the description names this architecture.
    ///
    /// # Errors
    /// If it names another one.
    pub fn of(self, architecture: &Architecture) -> Result<Self, DescriptionError> {
        let found = architecture.to_string();
        match self.backbone == found {
            true => Ok(self),
            false => Err(DescriptionError::Backbone { said: self.backbone, found }),
        }
    }

    /// Checks that there is a class name for each of the `logits`.
    ///
    /// # Errors
    /// If the numbers differ.
    pub fn with_logits(self, logits: usize) -> Result<Self, DescriptionError> {
        match self.classes.len() {
            names if names == logits => Ok(self),
            names => Err(DescriptionError::ClassCount { names, logits }),
        }
    }
}

/// The temperature in an entry, if there is one.
fn temperature(
    entries: &BTreeMap<String, String>,
    key: &'static str,
) -> Result<Option<f64>, DescriptionError> {
    let Some(value) = entries.get(key) else { return Ok(None) };
    // Others would make logits infinite, or all classes equally probable.
    match value.parse::<f64>() {
        Ok(number) if (1e-6..=1e6).contains(&number) => Ok(Some(number)),
        _ => Err(DescriptionError::Temperature { key, value: value.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Description {
        Description {
            backbone: "resnet18-w4".into(),
            classes: vec!["cat".into(), "a \"b\"\n<é>".into()],
            preprocessing: Preprocessing::IMAGENET,
            task: Task::SingleLabel,
            temperature: None,
            calibrated_with: None,
        }
    }

    #[test]
    fn a_description_reads_back_as_itself() {
        let read = Description::read(&description().entries()).unwrap().unwrap();
        assert_eq!(read, description());
        let entries = description().entries();
        assert!(entries["preprocessing"].contains("\"mean\":[0.485,0.456,0.406]"), "{entries:?}");
        assert_eq!(entries.len(), 3);
        let calibrated = Description {
            temperature: Some(1.0 / 3.0),
            calibrated_with: Some(2.5),
            ..description()
        };
        assert_eq!(Description::read(&calibrated.entries()).unwrap(), Some(calibrated));
    }

    #[test]
    fn a_temperature_that_would_spoil_all_predictions_is_refused() {
        for value in ["0", "-1", "NaN", "inf", "1e-300", "1e300", "warm", ""] {
            let mut entries = description().entries();
            entries.insert("temperature".into(), value.into());
            let message = Description::read(&entries).unwrap_err().to_string();
            assert_eq!(message, format!("its temperature `{value}` is not a number above 0"));
        }
    }

    #[test]
    fn entries_of_another_program_are_not_a_description() {
        let entries = BTreeMap::from([("classes".to_owned(), "two".to_owned())]);
        assert_eq!(Description::read(&entries).unwrap(), None);
    }

    #[test]
    fn a_description_that_cannot_be_used_says_why() {
        let message = |key: &str, value: &str| {
            let mut entries = description().entries();
            entries.insert(key.into(), value.into());
            Description::read(&entries).unwrap_err().to_string()
        };
        assert!(
            message("classes", "[1, 2]").contains("class names are not a JSON array of strings")
        );
        assert!(message("preprocessing", "{}").contains("its preprocessing is not a JSON object"));
        let crop = description().entries()["preprocessing"].replace("224", "0");
        assert!(message("preprocessing", &crop).contains("its preprocessing is invalid"));
        let architecture = "resnet18".parse().unwrap();
        let message = description().of(&architecture).unwrap_err().to_string();
        assert!(
            message.contains("claims to hold resnet18-w4, but its tensors are those of resnet18"),
            "{message}"
        );
        let message = description().with_logits(3).unwrap_err().to_string();
        assert!(message.contains("names 2 classes, but its fc layer has 3"), "{message}");
    }
}
