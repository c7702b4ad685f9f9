//! Weight files in torchvision's naming, in and out.

mod checkpoint;
mod export;
mod imagenet;
mod import;
mod naming;

pub use checkpoint::{Checkpoint, CheckpointError, sha256_of_file};
pub use export::{ExportError, safetensors};
pub use imagenet::imagenet_classes;
pub use import::{ImportError, architecture, backbone, head};
