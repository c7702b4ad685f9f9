//! Weights in the order in which a kernel reads them.

use std::ops::Deref;

use super::floats::Floats;

/// Packs the weights of a network, kernel by kernel in the order of its steps.
#[derive(Debug, Default)]
pub struct Packer;

impl Packer {
    /// `count` packed weights: `fill` writes them over zeros. Must not be called for anything that
    /// does not depend on the weights, the layouts and the instructions alone.
    pub fn pack(&mut self, count: usize, fill: impl FnOnce(&mut [f32])) -> Packed {
        let mut values = Floats::zeros(count);
        fill(&mut values);
        Packed(values)
    }
}

/// Packed weights. The first float lies at the start of a cache line.
#[derive(Debug)]
pub struct Packed(Floats);

impl Deref for Packed {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}
