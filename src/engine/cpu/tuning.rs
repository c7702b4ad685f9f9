//! How a network is compiled.

use crate::device::Instructions;

/// Batch size on a processor with a few threads: with more photos, their activations no longer fit
/// in the last-level cache; with fewer, the weights are read more often (benches/RESULTS.md).
pub(super) const BATCH_SIZE: usize = 16;

/// How a network is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The vector instructions of its kernels.
    pub instructions: Instructions,
    /// The first step with more than this many bytes of weights, and all steps after it, are
    /// computed for the whole batch at once: such weights do not fit in a core's cache beside a
    /// photo's activations.
    pub weight_bytes_threshold: usize,
    /// The expected batch size, because the best kernels for one photo are not the best for
    /// sixteen. Other batch sizes work too.
    pub photos: usize,
}

impl Tuning {
    /// For one photo at a time: fewer bytes of weights, more multiplications, and each thread reads
    /// weights of its own as soon as they fill a core's second cache.
    pub fn for_one_photo() -> Self {
        Self { photos: 1, weight_bytes_threshold: 1 << 20, ..Self::default() }
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            instructions: Instructions::Best,
            // Winograd's filters of 256 channels, 9.4 MB, are above it: one matrix product a
            // position for many photos takes 0.7 of the time (benches/RESULTS.md).
            weight_bytes_threshold: 8 << 20,
            photos: BATCH_SIZE,
        }
    }
}
