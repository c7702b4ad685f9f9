//! Buffers of floats that start at a cache line.
//!
//! A register of AVX-512 is a whole cache line. Where lines of activations and weights do not
//! start at one, every load reads two.
//!
//! Large buffers are mappings of their own. The system gets them back as soon as they are dropped,
//! where an allocator would keep them for later. Linux is asked for huge pages, since kernels go
//! through many pages at once.

use std::ops::{Deref, DerefMut};

use bytemuck::{Pod, Zeroable};
use memmap2::MmapMut;

/// A cache line, and the longest vector register.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct CacheLine([f32; 16]);

/// Buffers of at least this many bytes are mappings. Smaller ones would gain little: a huge page
/// has 2 MiB.
const MAPPED_BYTES: usize = 1 << 20;

/// Floats, the first of which lies at an address that is a multiple of 64.
#[derive(Debug, Default)]
pub struct Floats {
    memory: Memory,
    count: usize,
}

#[derive(Debug)]
enum Memory {
    Lines(Vec<CacheLine>),
    Mapping(MmapMut),
}

impl Default for Memory {
    fn default() -> Self {
        Self::Lines(Vec::new())
    }
}

impl Memory {
    /// At least `count` zeros.
    fn zeros(count: usize) -> Self {
        let bytes = count * size_of::<f32>();
        let mapping = (bytes >= MAPPED_BYTES).then(|| MmapMut::map_anon(bytes).ok()).flatten();
        match mapping {
            Some(mapping) => {
                // Without huge pages everything works too.
                #[cfg(target_os = "linux")]
                let _ = mapping.advise(memmap2::Advice::HugePage);
                Self::Mapping(mapping)
            }
            None => Self::Lines(bytemuck::zeroed_vec(count.div_ceil(16))),
        }
    }
}

impl Floats {
    /// `count` zeros. The operating system provides their memory when they are first written.
    pub fn zeros(count: usize) -> Self {
        Self { memory: Memory::zeros(count), count }
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
        let floats: &[f32] = match &self.memory {
            Memory::Lines(lines) => bytemuck::cast_slice(lines),
            Memory::Mapping(mapping) => bytemuck::cast_slice(mapping),
        };
        &floats[..self.count]
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        let floats: &mut [f32] = match &mut self.memory {
            Memory::Lines(lines) => bytemuck::cast_slice_mut(lines),
            Memory::Mapping(mapping) => bytemuck::cast_slice_mut(mapping),
        };
        &mut floats[..self.count]
    }
}
