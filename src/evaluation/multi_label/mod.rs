//! Metrics of photos that show any number of classes.
//!
//! The sigmoid of a logit is the probability that a photo shows the class; it is said to show it if
//! the probability reaches the class's threshold. The figures are those of scikit-learn's metrics
//! for multi-label indicator arrays.

mod average_precision;
mod calibration;
mod figures;
mod intervals;
mod scores;
mod thresholds;

pub use average_precision::average_precision;
pub use calibration::label_calibration;
pub use figures::MultiLabelFigures;
pub use intervals::MultiLabelIntervals;
pub use scores::{LabelCounts, LabelScores, MultiLabelScores, label_sets, sigmoid};
pub use thresholds::choose_thresholds;
