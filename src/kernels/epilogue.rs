//! The epilogue of a kernel. Bias, shortcut and activation are applied to a sum in registers, so
//! that no intermediate result is written to memory and read back.

use cubecl::prelude::*;

use super::Four;
use crate::plan::Activation;

/// `activation(value)`. NaN propagates, as on the processor, unless the shader compiler rewrites
/// comparisons. The `max` of shading languages would always hide a NaN, so it is not used.
#[cube]
pub(super) fn activated(value: Four<f32>, #[comptime] activation: Activation) -> Four<f32> {
    let mut result = value;
    if comptime!(activation != Activation::None) {
        let zero = Four::<f32>::new(0.0);
        result = select_many(value.less_than(&zero), zero, value);
        if comptime!(activation == Activation::Relu6) {
            let six = Four::<f32>::new(6.0);
            result = select_many(six.less_than(&result), six, result);
        }
    }
    result
}
