//! The CPU engine: a plan compiled for the processor.
//!
//! Compilation folds BatchNorm into each convolution, fuses each sum into the convolution before it
//! and each inverted bottleneck into one step, packs weights in the kernels' order, and assigns
//! every value a place in memory. During a forward each activation is written once, and read by the
//! steps that need it.
//!
//! | file | |
//! | --- | --- |
//! | `engine` | the [`Engine`](crate::engine::Engine) |
//! | `network`, `forward` | the compiled network, and its forward |
//! | `compile`, `groups`, `step`, `tuning` | from a plan to steps |
//! | `schedule`, `parallelism` | which thread computes what, and in which buffer |
//! | `crew`, `placement` | the threads that share a forward, and their processors |
//! | `floats`, `packed`, `shared` | aligned buffers, packed weights, outputs of several threads |
//! | `packed_file` | packed weights in a file, for the next process |
//! | `layout` | the layout of activations: channels last, with borders of zeros |
//! | `photos` | the input |
//! | `product` | the kernel under every other convolution |
//! | `stem` | the convolution that reads the photos, and its pooling |
//! | `convolution` | strided convolutions |
//! | `pointwise`, `tile` | 1x1 convolutions, and their tile of registers |
//! | `bottleneck`, `expanded` | inverted bottlenecks, and their wide half |
//! | `winograd` | 3x3 convolutions |
//! | `depthwise`, `pool`, `epilogue` | the other kernels, and what follows a convolution |
//! | `unroll` | loops that are unrolled early |
//!
//! The vector instructions (AVX-512, AVX2, NEON) are chosen at run time:
//! [`Instructions`](crate::device::Instructions).

// Closures of iterators are not always inlined into the function that has the vector instructions;
// plain loops are.
#![allow(clippy::needless_range_loop)]

mod bottleneck;
mod compile;
mod convolution;
mod crew;
mod depthwise;
mod engine;
mod epilogue;
mod expanded;
mod floats;
mod forward;
mod groups;
mod layout;
mod network;
mod packed;
mod packed_file;
mod parallelism;
mod photos;
mod placement;
mod pointwise;
mod pool;
mod product;
mod schedule;
mod shared;
mod stem;
mod step;
mod tile;
mod tuning;
mod unroll;
mod winograd;

pub use engine::CpuEngine;
pub use network::{CpuNetwork, StepTime};
pub use photos::Photos;
pub use tuning::Tuning;
