//! What follows a convolution's sums before they are written: bias, shortcut, activation.

use pulp::Simd;

use crate::backbone::plan::Activation;

/// The range that an activation keeps values in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    least: f32,
    most: f32,
}

impl From<Activation> for Range {
    fn from(activation: Activation) -> Self {
        let (least, most) = match activation {
            Activation::None => (f32::NEG_INFINITY, f32::INFINITY),
            Activation::Relu => (0.0, f32::INFINITY),
            Activation::Relu6 => (0.0, 6.0),
        };
        Self { least, most }
    }
}

impl Range {
    /// Each value, or the end of the range that it lies beyond. What is no number stays none: a network that
    /// overflows must not look as if it had not, and a maximum would hide it on some processors.
    #[inline(always)]
    pub fn keep<S: Simd>(self, simd: S, values: S::f32s) -> S::f32s {
        let (least, most) = (simd.splat_f32s(self.least), simd.splat_f32s(self.most));
        let values = simd.select_f32s(simd.less_than_f32s(values, least), least, values);
        simd.select_f32s(simd.less_than_f32s(most, values), most, values)
    }
}
