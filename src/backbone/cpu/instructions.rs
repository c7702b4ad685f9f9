//! Which of the processor's vector instructions the kernels use.

use pulp::{Arch, Scalar, Scalar256b, Scalar512b, Simd, WithSimd};

/// Which of the processor's vector instructions the kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// The widest that it has: AVX-512, AVX2 with FMA, NEON.
    Best,
    /// None in particular: what every processor of its kind has.
    Portable,
    /// The kernels for registers of 8 values, which the compiler makes of shorter ones: slow, to test
    /// those kernels anywhere.
    Emulated256,
    /// The same for registers of 16 values.
    Emulated512,
}

/// Work that is compiled for each set of vector instructions.
pub trait Task {
    /// Does it. `#[inline(always)]`, and so must be all that it calls: what is not compiled into it does not
    /// use the instructions.
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
    /// The name of what [`Best`](Self::Best) is on this processor.
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

    /// Does `task` with them.
    pub fn run(self, task: impl Task) {
        let task = Compiled(task);
        match self {
            Self::Best => Arch::new().dispatch(task),
            Self::Portable => Scalar.vectorize(task),
            Self::Emulated256 => Scalar256b.vectorize(task),
            Self::Emulated512 => Scalar512b.vectorize(task),
        }
    }
}
