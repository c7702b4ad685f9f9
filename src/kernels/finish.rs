//! What follows a sum before it is written: bias, shortcut, activation. Nothing is written only to be read back for one of
//! them.

use cubecl::prelude::*;

use super::Four;
use crate::backbone::plan::Activation;

/// `activation(value)`. What is no number stays none, as on the processor, wherever the compiler keeps comparisons as they
/// are: the maximum of a shading language hides it everywhere.
#[cube]
pub(super) fn activated(value: Four<f32>, #[comptime] activation: Activation) -> Four<f32> {
    let mut kept = value;
    if comptime!(activation != Activation::None) {
        let least = Four::<f32>::new(0.0);
        kept = select_many(value.less_than(&least), least, value);
        if comptime!(activation == Activation::Relu6) {
            let most = Four::<f32>::new(6.0);
            kept = select_many(most.less_than(&kept), most, kept);
        }
    }
    kept
}
