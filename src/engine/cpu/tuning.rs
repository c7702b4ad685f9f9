//! How a network is compiled.

use crate::device::Instructions;

/// Photos in a batch on a processor of a few threads: with more, their activations no longer fit
/// into the last cache; with fewer, the weights are read more often (benches/RESULTS.md).
pub(super) const BATCH_SIZE: usize = 16;

/// How a network is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The vector instructions of its kernels.
    pub instructions: Instructions,
    /// Bytes of a step's weights from which on this step and all later ones are computed for the
    /// whole batch at once: more than a core's cache holds beside a photo's activations.
    pub weight_bytes_threshold: usize,
    /// The expected batch size: the best code for one photo is not the best for sixteen. Other
    /// batch sizes work too.
    pub photos: usize,
}

impl Tuning {
    /// For one photo at a time: fewer bytes of weights, more multiplications.
    pub fn for_one_photo() -> Self {
        Self { photos: 1, ..Self::default() }
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            instructions: Instructions::Best,
            weight_bytes_threshold: 4 << 20,
            photos: BATCH_SIZE,
        }
    }
}
