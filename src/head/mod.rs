//! The head, the only part that is trained: a linear layer on the backbone's features.

mod class_weights;
mod examples;
mod fit;
mod label_set;
mod learning_curve;
mod linear;
mod logistic;
mod out_of_fold;
mod selection;
mod target;
mod trainer;

pub use class_weights::{ClassWeights, LossTargets};
pub use examples::Examples;
pub use fit::{
    EpochMetrics, FitError, FitOptions, Fitted, Monitor, Next, Progress, fit, fit_epochs,
};
pub use learning_curve::{CurvePoint, Doubled, LearningCurve};
pub use linear::Head;
pub use logistic::{L2Options, fit_l2};
pub use out_of_fold::{out_of_fold, out_of_fold_l2};
pub use selection::{Candidate, OneFold, Selection, select_c};
pub use target::{CrossEntropy, EpochScores, Target};
