//! The activation, the last part of a convolution's epilogue (bias, shortcut, activation).

#[cfg(target_arch = "x86_64")]
use std::any::TypeId;

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
        if second_wins::<S>() {
            return simd.min_f32s(max, simd.max_f32s(min, values));
        }
        let values = simd.select_f32s(simd.less_than_f32s(values, min), min, values);
        simd.select_f32s(simd.less_than_f32s(max, values), max, values)
    }
}

/// The greater of `one` and `other`, or NaN where one of them is NaN.
#[inline(always)]
pub fn greater<S: Simd>(simd: S, one: S::f32s, other: S::f32s) -> S::f32s {
    let greater = match second_wins::<S>() {
        true => simd.max_f32s(one, other),
        false => simd.select_f32s(simd.less_than_f32s(other, one), one, other),
    };
    simd.select_f32s(simd.equal_f32s(one, one), greater, one)
}

/// Whether the minimum and the maximum are NaN where their second operand is. The instructions of
/// x86 return it wherever they cannot order the two; `f32::max` of the emulated registers does not.
#[inline(always)]
fn second_wins<S: Simd>() -> bool {
    #[cfg(target_arch = "x86_64")]
    return [TypeId::of::<pulp::x86::V3>(), TypeId::of::<pulp::x86::V4>()]
        .contains(&TypeId::of::<S>());
    #[cfg(not(target_arch = "x86_64"))]
    false
}
