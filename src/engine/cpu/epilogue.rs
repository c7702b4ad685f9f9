//! The activation, the last part of a convolution's epilogue (bias, shortcut, activation).

use pulp::Simd;

use crate::plan::Activation;

/// The interval that an activation clamps values to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clamp {
    min: f32,
    max: f32,
}

impl From<Activation> for Clamp {
    fn from(activation: Activation) -> Self {
        let (min, max) = match activation {
            Activation::None => (f32::NEG_INFINITY, f32::INFINITY),
            Activation::Relu => (0.0, f32::INFINITY),
            Activation::Relu6 => (0.0, 6.0),
        };
        Self { min, max }
    }
}

impl Clamp {
    /// Clamps each value. NaN propagates: it shows that the network overflowed, and the maximum
    /// instruction of some processors would hide it.
    #[inline(always)]
    pub fn apply<S: Simd>(self, simd: S, values: S::f32s) -> S::f32s {
        let (min, max) = (simd.splat_f32s(self.min), simd.splat_f32s(self.max));
        let values = simd.select_f32s(simd.less_than_f32s(values, min), min, values);
        simd.select_f32s(simd.less_than_f32s(max, values), max, values)
    }
}
