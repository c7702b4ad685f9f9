//! Metrics of predictions: accuracy, loss, confusion, calibration and ROC.

mod calibration;
mod predictions;
mod roc;
mod scores;

pub use calibration::{Calibration, CalibrationBin};
pub use predictions::{Prediction, suspected_label_errors, top_k_accuracy};
pub use roc::Roc;
pub use scores::{ClassScores, Scores, accuracy_interval, most_probable, probabilities};
