//! Weights in the order in which a kernel reads them: in memory, or in a file that is mapped into
//! it.

use std::ops::{Deref, Range};
use std::sync::Arc;

use super::floats::Floats;
use super::packed_file::{PackedFile, PackedWriter};
use crate::engine::PackedCache;
use crate::engine::packed_cache::Key;

/// Version of the packed weights' order. Raise it whenever a kernel packs its weights differently.
pub(super) const LAYOUT_VERSION: u32 = 2;

/// Packs the weights of a network, kernel by kernel in the order of its steps; or takes them from a
/// file that has them already.
#[derive(Default)]
pub struct Packer(Source);

#[derive(Default)]
enum Source {
    /// The weights are packed.
    #[default]
    Weights,
    /// They are packed, and a copy is kept.
    Kept(PackedWriter),
    /// They are in a file.
    File {
        file: Arc<PackedFile>,
        /// How many of its arrays were taken.
        taken: usize,
        /// Whether every array that was asked for was there.
        is_valid: bool,
    },
}

impl Packer {
    /// A packer that keeps what it packs in `cache`, for `key`, if that can be written.
    pub(super) fn keeping_in(cache: &PackedCache, key: &Key) -> Self {
        let writer = PackedWriter::begin(cache, key, PackedCache::LIMIT);
        Self(writer.map_or(Source::Weights, Source::Kept))
    }

    /// A packer that takes what is in `file`.
    pub(super) fn reading(file: PackedFile) -> Self {
        Self(Source::File { file: Arc::new(file), taken: 0, is_valid: true })
    }

    /// Whether the weights are packed. Otherwise they are not needed, and a kernel's constructor
    /// gets zeros instead, which only `fill` would read.
    pub(super) fn needs_weights(&self) -> bool {
        !matches!(self.0, Source::File { .. })
    }

    /// `count` packed weights: `fill` writes them over zeros. Must not be called for anything that
    /// does not depend on the weights, the layouts and the instructions alone. The number of calls
    /// and each `count` depend on the layouts and the instructions alone.
    pub fn pack(&mut self, count: usize, fill: impl FnOnce(&mut [f32])) -> Packed {
        match &mut self.0 {
            Source::File { file, taken, is_valid } => {
                let range = file.array(*taken).filter(|range| range.len() == count);
                *taken += 1;
                match range {
                    Some(range) => Packed::Mapped { file: file.clone(), range },
                    None => {
                        *is_valid = false;
                        Packed::Memory(Floats::zeros(count))
                    }
                }
            }
            source => {
                let mut values = Floats::zeros(count);
                fill(&mut values);
                if let Source::Kept(writer) = source {
                    writer.array(&values);
                }
                Packed::Memory(values)
            }
        }
    }

    /// Ends the packing. Returns whether the kernels have their weights: not if they came from a
    /// file that has others.
    #[must_use]
    pub(super) fn finish(self) -> bool {
        match self.0 {
            Source::Weights => true,
            Source::Kept(writer) => {
                writer.finish();
                true
            }
            Source::File { file, taken, is_valid } => is_valid && file.array(taken).is_none(),
        }
    }
}

/// Packed weights. The first float lies at the start of a cache line.
pub enum Packed {
    /// In memory.
    Memory(Floats),
    /// In a mapped file.
    Mapped {
        /// The file.
        file: Arc<PackedFile>,
        /// Which of its floats.
        range: Range<usize>,
    },
}

impl Deref for Packed {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        match self {
            Self::Memory(values) => values,
            Self::Mapped { file, range } => &file.floats()[range.clone()],
        }
    }
}
