//! The backbone's compute shaders, written in CubeCL: one source for Vulkan, Metal, DX12 and CUDA.
//!
//! | file | subject |
//! | --- | --- |
//! | `algorithm`, `prepared_convolution` | how a convolution is computed, and with which tile |
//! | `device_tensor` | activations in device memory |
//! | `gpu_client` | the connection to a GPU, with its limits |
//! | `driver_reports` | errors that a driver reports beside the call that failed |
//! | `limits` | what an adapter allows a kernel |
//! | `tile` | the work of a work-group, chosen for the hardware and within the adapter's limits |
//! | `window` | sizes and padding of a sliding window |
//! | `epilogue` | bias, shortcut and activation, applied before the output is written |
//! | `preprocess` | photos of bytes to normalised values |
//! | `convolution` | the stem, strided and 1x1 convolutions |
//! | `winograd` | 3x3 convolutions of stride 1 |
//! | `depthwise` | depthwise convolutions |
//! | `pool` | max-pooling and global average pooling |
//! | `failure` | device errors as one-line messages |
//! | `reference` | expected values in f64, with error bounds |
//! | `conformance` | each kernel checked against the reference on an adapter |
//! | `samples` | how long work takes on an adapter |
//! | `layer_speed` | the speed of each kernel at a layer of the networks |
//! | `roofline` | upper bounds for an adapter's speed, measured |
//!
//! Dense convolutions have two sets of kernels, for GPUs and for drivers that run on the processor
//! ([`Hardware`]); [`Kind::hardware`](crate::device::Kind::hardware) chooses between them.
//!
//! Every kernel computes in f32 and stores f32 or f16. Every kernel also keeps its indices within
//! its buffers, and nothing else does: CubeCL's checked mode is on, but adds no checks in version
//! 0.11.3, and asks wgpu for none. `docs/shaders.md` says how this is tested.

mod algorithm;
pub mod conformance;
pub mod convolution;
pub mod depthwise;
mod device_tensor;
mod driver_reports;
mod epilogue;
pub(crate) mod failure;
mod gpu_client;
mod launch;
mod layer_speed;
mod limits;
pub mod pool;
mod prepared_convolution;
pub mod preprocess;
pub mod reference;
mod roofline;
mod samples;
mod tile;
mod window;
pub mod winograd;

pub use crate::precision::Precision;
pub use algorithm::Algorithm;
pub use convolution::Convolution;
pub use depthwise::Depthwise;
pub use device_tensor::{DeviceTensor, Reading};
pub use driver_reports::{DriverReport, DriverReports};
pub use gpu_client::GpuClient;
pub use launch::Launch;
pub use layer_speed::{LayerSpeed, LayerSpeedError, layer_speeds};
pub use limits::Limits;
pub use pool::MaxPool;
pub use prepared_convolution::PreparedConvolution;
pub use roofline::{Roofline, RooflineError};
pub use samples::{Effort, Samples};
pub use tile::{Block, Hardware, Tile, WinogradTile};
pub use winograd::Winograd;

use cubecl::prelude::*;

/// Changes whenever the kernels' results change, so that features cached by another version are not
/// reused.
pub const VERSION: u32 = if cfg!(feature = "faulty-kernel") { 0 } else { 1 };

/// Four channels of a pixel: what a unit reads or writes at a time.
pub(crate) type Four<F> = Vector<F, Const<4>>;

/// Channels in a [`Four`].
pub(crate) const WIDTH: usize = 4;
