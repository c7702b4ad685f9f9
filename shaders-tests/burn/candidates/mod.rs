//! Every kernel that Burn's autotuning chooses among and that can be called by name, forced in turn: a
//! wrong one that loses the race today is found.
//!
//! The lists are those of burn-cubecl 0.22.1: `kernel/matmul/tune/base.rs`, `kernel/conv/forward/tune.rs` and
//! `kernel/reduce/tune.rs`. Of the convolutions `conv_im2col_1x1` has no public name; it is a matrix product
//! with the kernels transposed, and those are tested at all of its shapes. Pools are not tuned: there is one of
//! each.

mod convolutions;
mod products;
mod reductions;

use cubecl::client::Client;
use cubecl::ir::{ElemType, FloatKind};
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};

use crate::launch::F32;
use kindling::kernels::exact::Expected;
use shaders_tests::table::KnownWrong;

/// What is found to be wrong on some adapter. A kernel that is wrong and not here fails its test, and so does
/// one that is here and no longer wrong.
const KNOWN_WRONG: &[KnownWrong] = &[];

/// The types in which a product of f32 is computed, before a kernel has its say.
fn types() -> MatmulElems {
    MatmulElems::from_globals(&MatmulGlobalElems { lhs: F32, rhs: F32, out: F32 })
}

/// What is to be expected of a kernel that takes its operands in these types: tensor cores round f32 to fewer
/// bits, which is no error of theirs.
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

/// As [`rounded`], of a kernel on tensor cores that does not tell its types.
fn rounded_by_tensor_cores(expected: &Expected, client: &Client) -> Expected {
    let mut types = types();
    cubek::matmul::multi_level::definition::adjust_dtypes(client, &mut types, true);
    rounded(expected, &types)
}
