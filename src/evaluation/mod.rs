//! How good the predictions are.

mod scores;

pub use scores::{ClassScores, Scores, most_probable, probabilities};
