//! Metrics of predictions: accuracy, loss, confusion, calibration and ROC, with their uncertainty.

mod calibrated;
mod calibration;
mod folds;
mod intervals;
mod multi_label;
mod paired;
mod predictions;
mod roc;
mod score_intervals;
mod scores;
mod temperature;

pub use calibrated::CalibrationSummary;
pub use calibration::{Calibration, CalibrationBin};
pub use folds::{FoldScores, Spread};
pub use intervals::{accuracy_interval, bootstrap_interval, bootstrap_intervals};
pub use multi_label::{
    LabelCounts, LabelScores, MultiLabelFigures, MultiLabelIntervals, MultiLabelScores,
    average_precision, choose_thresholds, label_calibration, label_sets, sigmoid,
};
pub use paired::{difference_interval, fisher_exact, holm, mcnemar_exact};
pub use predictions::{Prediction, suspected_label_errors, top_k_accuracy};
pub use roc::Roc;
pub use score_intervals::{ResampledScores, ScoreIntervals};
pub use scores::{ClassScores, Scores, most_probable, probabilities};
pub use temperature::{Temperature, fit_sigmoid_temperature, fit_temperature, scaled};
