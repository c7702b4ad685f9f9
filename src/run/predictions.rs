//! `predictions.csv`: what the finished model predicts for each validation and test photo.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::PREDICTIONS_FILE;
use crate::evaluation::Prediction;
use crate::printable::{PathText, printable};
use crate::regular_file::{self, MAX_TEXT_BYTES};

/// A row of `predictions.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhotoPrediction {
    /// The file.
    pub path: String,
    /// `val` or `test`.
    pub part: String,
    /// The true class; of several, their names joined by `|`.
    pub label: String,
    /// The predicted class; of several, their names joined by `|`.
    pub predicted: String,
    /// Probability of the predicted class.
    pub probability: f64,
    /// Probability of the true class.
    pub of_label: f64,
}

/// Why the predictions of a run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PredictionsError {
    /// The file cannot be read.
    #[error("`{}` cannot be read", .0.shown())]
    Read(PathBuf, #[source] io::Error),
    /// The file is not a table of predictions.
    #[error("`{}` is not a table of predictions: {reason}", .file.shown())]
    Table {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl PhotoPrediction {
    /// The row of a photo of a part; `classes` are the class names.
    ///
    /// # Panics
    /// If the prediction is of a class without a name.
    pub fn of(path: &Path, part: &str, prediction: &Prediction, classes: &[String]) -> Self {
        Self {
            path: path.shown().to_string(),
            part: part.to_owned(),
            label: printable(&classes[prediction.label]),
            predicted: printable(&classes[prediction.predicted]),
            probability: prediction.probability,
            of_label: prediction.of_label,
        }
    }

    /// Whether the predicted class is the true one.
    pub fn is_right(&self) -> bool {
        self.label == self.predicted
    }

    /// Reads the predictions of the run in `folder`. Returns `None` if it has none, as older runs.
    ///
    /// # Errors
    /// If the file cannot be read or is not a table of predictions.
    pub fn read(folder: &Path) -> Result<Option<Vec<Self>>, PredictionsError> {
        let file = folder.join(PREDICTIONS_FILE);
        if !file.is_file() {
            return Ok(None);
        }
        let bytes = regular_file::read(&file, MAX_TEXT_BYTES)
            .map_err(|error| PredictionsError::Read(file.clone(), error))?;
        let failed = |reason: String| PredictionsError::Table { file: file.clone(), reason };
        let mut rows = Vec::new();
        for row in csv::Reader::from_reader(bytes.as_slice()).deserialize() {
            let row: Self = row.map_err(|error| failed(error.to_string()))?;
            let is_share = |value: f64| (0.0..=1.0).contains(&value);
            if !(is_share(row.probability) && is_share(row.of_label)) {
                return Err(failed(format!(
                    "a probability of photo {} is not between 0 and 1",
                    rows.len() + 1
                )));
            }
            rows.push(row);
        }
        Ok(Some(rows))
    }
}

/// The content of `predictions.csv`.
pub fn predictions_csv(rows: &[PhotoPrediction]) -> Vec<u8> {
    let mut table = csv::Writer::from_writer(Vec::new());
    for row in rows {
        // A vector takes every write, and a row of texts and numbers can be written.
        table.serialize(row).expect("a row of texts and numbers");
    }
    table.into_inner().expect("a vector takes every write")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::TABLE_COLUMNS;

    #[test]
    fn predictions_read_back_as_they_were_written() {
        let classes = ["cat, \"big\"".to_owned(), "dog\n".to_owned()];
        let prediction = Prediction {
            label: 1,
            predicted: 0,
            probability: 2.0 / 3.0,
            of_label: 1.0 / 3.0,
            rank: 1,
        };
        let row = PhotoPrediction::of("a/b,c.jpg".as_ref(), "val", &prediction, &classes);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(PhotoPrediction::read(folder.path()).unwrap(), None);
        let file = folder.path().join(PREDICTIONS_FILE);
        let csv = predictions_csv(std::slice::from_ref(&row));
        assert!(csv.starts_with(TABLE_COLUMNS.as_bytes()));
        std::fs::write(&file, csv).unwrap();
        assert_eq!(PhotoPrediction::read(folder.path()).unwrap(), Some(vec![row]));
        for (text, expected) in [
            ("path,part\na,val\n", "missing field"),
            ("path,part,label,predicted,probability,of_label\na,val,b,b,2,0\n", "photo 1"),
            ("path,part,label,predicted,probability,of_label\na,val,b,b,NaN,0\n", "photo 1"),
        ] {
            std::fs::write(&file, text).unwrap();
            let message = PhotoPrediction::read(folder.path()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
