//! `evaluate` and `report` for a model that gives a photo any number of classes.

mod evaluate;
mod report;

pub use evaluate::{Asked, evaluate};
pub use report::{NewLabelReport, validated_on};
