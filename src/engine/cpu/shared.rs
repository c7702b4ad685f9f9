//! An output that several threads write at once.

use std::marker::PhantomData;

use pulp::Simd;

/// Floats that several threads write at once, each to places of its own.
///
/// Slices would have to be split between the threads; the pixels of a tile and some of their
/// channels are no slice.
#[derive(Clone, Copy)]
pub struct SharedOutput<'a> {
    start: *mut f32,
    length: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: the pointer is used by `store` and `load` alone, whose callers promise that no two
// threads use a place at once.
unsafe impl Send for SharedOutput<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedOutput<'_> {}

impl<'a> SharedOutput<'a> {
    /// Borrows `values` for as long as the threads write.
    pub fn new(values: &'a mut [f32]) -> Self {
        Self { start: values.as_mut_ptr(), length: values.len(), lifetime: PhantomData }
    }

    /// Number of floats.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.length
    }

    /// The address of the first float, for prefetching.
    #[inline(always)]
    pub fn start(&self) -> *const f32 {
        self.start
    }

    /// Stores a register at `offset`.
    ///
    /// # Safety
    /// `offset` plus the register's length is at most [`len`](Self::len), and no other thread uses
    /// these places during the call.
    #[inline(always)]
    pub unsafe fn store<S: Simd>(&self, offset: usize, value: S::f32s) {
        debug_assert!(offset + S::F32_LANES <= self.length);
        // SAFETY: the caller promises that the places lie in the borrowed floats and that nobody
        // else uses them. A register consists of floats and needs no alignment here.
        unsafe { self.start.add(offset).cast::<S::f32s>().write_unaligned(value) };
    }
}
