//! Buffers of floats that start at a cache line.
//!
//! A register of AVX-512 is a whole cache line. Where lines of activations and weights do not
//! start at one, every load reads two.

use std::ops::{Deref, DerefMut};

use bytemuck::{Pod, Zeroable};

/// A cache line, and the longest vector register.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct CacheLine([f32; 16]);

/// Floats, the first of which lies at an address that is a multiple of 64.
#[derive(Clone, Debug, Default)]
pub struct Floats {
    lines: Vec<CacheLine>,
    count: usize,
}

impl Floats {
    /// `count` zeros. The operating system provides their memory when they are first written.
    pub fn zeros(count: usize) -> Self {
        Self { lines: bytemuck::zeroed_vec(count.div_ceil(16)), count }
    }

    /// Grows the buffer to at least `count` floats and returns the first `count`. Their values are
    /// arbitrary.
    pub fn grown(&mut self, count: usize) -> &mut [f32] {
        if self.count < count {
            // Frees the old buffer first.
            *self = Self::default();
            *self = Self::zeros(count);
        }
        &mut self[..count]
    }
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.count]
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.count]
    }
}
