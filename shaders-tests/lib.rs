//! Shared by the tests of this package: the adapter under test, the table of results, and launch
//! counts.
//!
//! `conformance/` compares Kindling's kernels with values computed in f64, and the networks
//! compiled to them with PyTorch. `burn/` (cargo feature `burn-wgpu`) does the same for Burn's
//! operations and for every kernel that Burn's autotuning chooses from.

#![cfg(all(feature = "wgpu", feature = "flex"))]

pub mod adapter;
pub mod launches;
pub mod table;

/// The batch sizes at which every operation is tested.
pub const BATCHES: [usize; 3] = [1, 3, 8];

/// The batch sizes at which each kernel is tested at every layer of the networks: all of
/// [`BATCHES`] on a GPU. Software drivers skip batch size 8, which differs from 3 only in the
/// number of rows; the awkward shapes include numbers of rows that tiles divide and numbers that
/// they do not.
pub fn batches() -> &'static [usize] {
    match adapter::is_software() && !adapter::all_shapes() {
        true => &BATCHES[..2],
        false => &BATCHES,
    }
}
