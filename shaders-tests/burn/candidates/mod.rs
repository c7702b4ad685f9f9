//! Tests every kernel that Burn's autotuning chooses from, one after another, if it can be called
//! by name. This finds wrong kernels even if autotuning does not choose them on this machine.
//!
//! The lists are those of burn-cubecl 0.22.1: `kernel/matmul/tune/base.rs`,
//! `kernel/conv/forward/tune.rs` and `kernel/reduce/tune.rs`. The convolution `conv_im2col_1x1` has
//! no public name; it is a matrix product with the kernels transposed, and such products are tested
//! at all of its shapes. Pools are not tuned: there is only one kernel for each.

mod convolutions;
mod products;
mod reductions;

use cubecl::client::Client;
use cubecl::ir::{ElemType, FloatKind};
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};

use crate::launch::F32;
use kindling::kernels::reference::Expected;
use shaders_tests::table::KnownWrong;

/// Kernels that are known to be wrong on some adapter. A wrong kernel that is not listed fails its
/// test, and so does a listed kernel that is no longer wrong.
const KNOWN_WRONG: &[KnownWrong] = &[];

/// The default types for a product of f32, before a kernel adjusts them.
fn types() -> MatmulElems {
    MatmulElems::from_globals(&MatmulGlobalElems { lhs: F32, rhs: F32, out: F32 })
}

/// `expected` with bounds for a kernel that reads its operands in these types: tensor cores round
/// f32 to fewer bits, which does not count as an error.
fn rounded(expected: &Expected, types: &MatmulElems) -> Expected {
    let bits = [types.lhs_register, types.rhs_register].map(|kind| match kind {
        ElemType::Float(FloatKind::F16 | FloatKind::TF32 | FloatKind::Flex32) => 11,
        ElemType::Float(FloatKind::BF16) => 8,
        _ => 24,
    });
    match bits[0].min(bits[1]) {
        24 => expected.clone(),
        bits => expected.clone().with_operands_rounded_to(bits),
    }
}

/// As [`rounded`], for a kernel on tensor cores that does not report its types.
fn rounded_by_tensor_cores(expected: &Expected, client: &Client) -> Expected {
    let mut types = types();
    cubek::matmul::multi_level::definition::adjust_dtypes(client, &mut types, true);
    rounded(expected, &types)
}
