//! What the tests of this package share: the adapter that is tested, the table of what was found,
//! and counts of launches.
//!
//! `conformance/` holds Kindling's kernels, and the networks compiled to them, to values computed in
//! f64 and to PyTorch's numbers. `burn/` (cargo feature `burn-wgpu`) holds Burn's operations, and
//! every kernel that its autotuning chooses among, to the same.

#![cfg(all(feature = "wgpu", feature = "flex"))]

pub mod adapter;
pub mod launches;
pub mod table;

/// The batch sizes at which every operation is tested.
pub const BATCHES: [usize; 3] = [1, 3, 8];

/// Set where every shape is tested on a driver that runs on the processor too, as before a release.
const ALL_SHAPES: &str = "KINDLING_ALL_SHAPES";

/// The batch sizes at which each of Burn's kernels is forced at every layer of the networks: all of
/// [`BATCHES`] on a GPU. A driver that runs on the processor leaves out 8 photos, which differ from 3
/// in nothing but the number of rows; the awkward shapes have rows that tiles divide, and rows that
/// they do not.
pub fn batches() -> &'static [usize] {
    match adapter::is_software() && std::env::var_os(ALL_SHAPES).is_none() {
        true => &BATCHES[..2],
        false => &BATCHES,
    }
}
