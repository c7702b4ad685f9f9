//! The backbone's compute shaders, written in CubeCL: one source for Vulkan, Metal, DX12 and CUDA.
//!
//! | file | |
//! | --- | --- |
//! | `map` | how activations lie on the device |
//! | `tile` | how much a work-group takes on, by what the adapter allows |
//! | `window` | a window that moves over an input |
//! | `finish` | what follows a sum before it is written: bias, shortcut, activation |
//! | `preprocess` | photos of bytes to normalised values |
//! | `convolution` | the stem, strided and 1x1 convolutions |
//! | `winograd` | 3x3 convolutions |
//! | `depthwise`, `pool` | the rest |
//! | `failure` | what a device's errors say |
//! | `exact`, `trust` | what each must give in f64, and how far off it is on an adapter |
//!
//! Every kernel computes in f32 and stores f32 or f16, and keeps its own indices within its buffers: CubeCL's checked mode is
//! on, but what it does for a buffer depends on the compiler below.

pub mod convolution;
pub mod depthwise;
pub mod exact;
pub(crate) mod failure;
mod finish;
mod map;
pub mod pool;
pub mod preprocess;
mod tile;
pub mod trust;
mod window;
pub mod winograd;

pub use crate::precision::Precision;
pub use convolution::Convolution;
pub use depthwise::Depthwise;
pub use map::{Map, Reading};
pub use pool::MaxPool;
pub use tile::{Limits, Tile, WinogradTile};
pub use winograd::Winograd;

use cubecl::prelude::*;

/// Changes with the kernels' numbers: features that others computed are not told for theirs.
pub const VERSION: u32 = if cfg!(feature = "faulty-kernel") { 0 } else { 1 };

/// What one unit reads and writes at a time: four channels of a pixel.
pub(crate) type Four<F> = Vector<F, Const<4>>;

/// Four channels, the width of [`Four`].
pub(crate) const WIDTH: usize = 4;
