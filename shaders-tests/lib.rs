//! What the tests of this package share: the adapter that is tested, the table of what was found, and counts of launches.
//!
//! `conformance/` holds Kindling's kernels, and the networks compiled to them, to values computed in f64 and to PyTorch's
//! numbers. `burn/` (cargo feature `burn-wgpu`) holds Burn's operations, and every kernel that its autotuning chooses among,
//! to the same.

#![cfg(all(feature = "wgpu", feature = "flex"))]

pub mod adapter;
pub mod launches;
pub mod table;

/// The batch sizes at which every operation is tested.
pub const BATCHES: [usize; 3] = [1, 3, 8];
