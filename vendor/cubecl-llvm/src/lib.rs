//! A stand-in for `cubecl-llvm`: the names that `cubecl-cuda` uses of it, and no LLVM.
//!
//! `cubecl-cuda` compiles both of its back ends, CUDA C++ through NVRTC and PTX through LLVM, and
//! its `cpp` feature makes the first one the default. The real `cubecl-llvm` downloads a build of
//! LLVM in its build script; with `cpp` on, none of its code is ever called. Here the LLVM
//! compiler exists and refuses to compile, in words.

use cubecl_core::environment::backtrace::BackTrace;
use cubecl_core::prelude::KernelDefinition;
use cubecl_runtime::compiler::{CompilationError, Compiler};
use cubecl_runtime::kernel::BufferIOAttr;

/// What the real crate has under `nvptx`.
pub mod nvptx {
    /// The PTX version to emit for a driver.
    pub mod ptx_version {
        /// A PTX ISA version. Never made here: no PTX is emitted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum PtxVersion {}

        impl PtxVersion {
            /// `None` for every driver: this crate emits no PTX.
            pub fn for_driver(_driver: i32) -> Option<Self> {
                None
            }
        }

        impl core::fmt::Display for PtxVersion {
            fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match *self {}
            }
        }
    }
}

/// What the real crate has under `shared`.
pub mod shared {
    /// Narrowing of a device's advertised features to what LLVM lowers.
    pub mod lowered_features {
        use cubecl_core::ir::DeviceProperties;

        /// The GPU target that features are narrowed for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum GpuTarget {
            /// NVIDIA's PTX.
            Nvptx,
        }

        /// Nothing to narrow: `cubecl-cuda` calls this for its LLVM back end only.
        pub fn restrict_features(_properties: &mut DeviceProperties, _target: GpuTarget) {}
    }
}

/// What to compile for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LlvmTarget {
    /// NVIDIA's PTX.
    Nvptx,
}

/// The compiler that is not here.
#[derive(Clone, Debug)]
pub struct PlironCompiler {
    /// What to compile for.
    pub target: LlvmTarget,
}

/// Options as `cubecl-cuda` fills them in.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// The CPU or AMD architecture.
    pub arch: Option<String>,
    /// The NVIDIA architecture.
    pub sm_arch: Option<cubecl_core::ir::nvidia::SmArch>,
    /// The PTX version to emit.
    pub ptx_version: Option<nvptx::ptx_version::PtxVersion>,
    /// Whether launch parameters are grid constants.
    pub grid_constants: bool,
    /// Room for the fields that `cubecl-cuda` leaves to their defaults.
    pub other: (),
}

/// A compiled PTX module. Never made here.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// NUL-terminated PTX assembly.
    pub ptx: Vec<core::ffi::c_char>,
    /// Kernel entry point symbol.
    pub entrypoint: String,
    /// IR for logging and cache keys.
    pub ir: String,
    /// Shared memory for a launch, in bytes.
    pub shared_memory_size: usize,
    /// Buffer access modes in binding order.
    pub io: Vec<BufferIOAttr>,
}

/// What a compilation would have made.
pub enum PlironArtifact {
    /// PTX.
    NvptxCode(NvptxModule),
    /// Anything else, so that `cubecl-cuda`'s catch-all arm has something to catch.
    Other,
}

impl core::fmt::Display for PlironArtifact {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NvptxCode(module) => formatter.write_str(&module.ir),
            Self::Other => Ok(()),
        }
    }
}

impl Compiler for PlironCompiler {
    type Representation = PlironArtifact;
    type CompilationOptions = PlironOptions;

    fn compile(
        &mut self,
        _kernel: KernelDefinition,
        _options: &Self::CompilationOptions,
    ) -> Result<Self::Representation, CompilationError> {
        Err(CompilationError::Generic {
            reason: "this build has no LLVM: build cubecl-cuda with its feature `cpp`".into(),
            backtrace: BackTrace::capture(),
        })
    }

    fn extension(&self) -> &'static str {
        "ll"
    }

    fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}
