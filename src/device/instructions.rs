//! The vector instructions that the CPU kernels use.

use pulp::{Arch, Scalar, Scalar256b, Scalar512b, Simd, WithSimd};

/// A set of vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// The widest that the processor has: AVX-512, AVX2 with FMA, or NEON.
    Best,
    /// AVX2 with FMA. On another processor, the same as [`Best`](Self::Best). Lets a processor with
    /// AVX-512 test and measure the kernels of those without.
    Avx2,
    /// The baseline that every processor of the target architecture has.
    Portable,
    /// The kernels for registers of 8 values, emulated with the baseline instructions. Slow; it
    /// lets these kernels be tested on any processor.
    Emulated256,
    /// The kernels for registers of 16 values, emulated in the same way.
    Emulated512,
}

/// Work that is compiled once for each set of vector instructions.
pub trait Task {
    /// Runs the task. Implementations, and every function that they call, must be
    /// `#[inline(always)]`: code that is not inlined does not use the instructions.
    fn run<S: Simd>(self, simd: S);
}

struct Compiled<T>(T);

impl<T: Task> WithSimd for Compiled<T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.run(simd);
    }
}

impl Instructions {
    /// The name of the instructions that [`Best`](Self::Best) uses on this processor.
    pub fn best() -> &'static str {
        match Arch::new() {
            #[cfg(target_arch = "x86_64")]
            Arch::V4(_) => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Arch::V3(_) => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Arch::Neon(_) => "NEON",
            _ => "no vector instructions",
        }
    }

    /// Runs `task` with these instructions.
    pub fn run(self, task: impl Task) {
        let task = Compiled(task);
        match self {
            Self::Best => Arch::new().dispatch(task),
            Self::Avx2 => avx2(task),
            Self::Portable => Scalar.vectorize(task),
            Self::Emulated256 => Scalar256b.vectorize(task),
            Self::Emulated512 => Scalar512b.vectorize(task),
        }
    }
}

/// Runs `task` with AVX2, or with the best instructions of a processor that has no AVX2.
fn avx2(task: Compiled<impl Task>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return Simd::vectorize(simd, task);
    }
    Arch::new().dispatch(task);
}
