//! Kindling trains an image classifier from a folder of photos, on any GPU or none.
//!
//! The way through, each step a module that knows only those before it:
//!
//! 1. [`photos`]: a folder becomes decoded, preprocessed batches;
//! 2. [`weights`]: a pretrained file becomes a [`backbone`] on a [`device`];
//! 3. [`features`]: each photo goes through the frozen backbone once;
//! 4. [`head`]: a linear layer is trained on those rows, with Burn's autodiff and Adam;
//! 5. [`evaluation`] scores it, [`report`] shows it, and [`run`] keeps it;
//! 6. [`export`] writes it down for other programs.
//!
//! [`gallery`] shows predictions on the photos themselves; [`demo`] draws something to train on where
//! there are no photos.
//!
//! The library never prints and never exits; the command line is built from it in the binary.

pub mod backbone;
pub mod demo;
pub mod device;
pub mod engine;
pub mod evaluation;
pub mod export;
pub mod features;
pub mod gallery;
pub mod head;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub mod kernels;
pub mod output;
pub mod photos;
pub mod plan;
mod precision;
pub mod printable;
pub mod report;
pub mod run;
pub mod seed;
mod sha256;
pub mod weights;

pub use precision::Precision;
