//! The head, the only part that is trained: a linear layer on the backbone's features.

mod examples;
mod fit;
mod linear;
mod target;

pub use examples::Examples;
pub use fit::{EpochMetrics, FitError, FitOptions, Fitted, Next, Progress, fit};
pub use linear::Head;
pub use target::{EpochScores, Target};
