//! The head, the only part that is trained: a linear layer on the backbone's features.

mod fit;
mod linear;

pub use fit::{EpochMetrics, Examples, FitError, FitOptions, Fitted, Next, Progress, fit};
pub use linear::Head;
