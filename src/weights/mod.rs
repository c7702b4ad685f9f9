//! Weights files: finds or downloads published ones, and reads any of them strictly.
//!
//! [`Checkpoint`] opens a file of any container; [`backbone`] and [`head`] load its tensors into
//! modules.

mod checkpoint;
mod checkpoint_error;
mod containers;
mod description;
mod download;
mod download_error;
mod imagenet;
mod import;
mod pretrained;
mod safetensors_header;

pub use crate::backbone::{Digest, PublishedWeights};
pub use checkpoint::{Checkpoint, sha256_of_file};
pub use checkpoint_error::CheckpointError;
pub use description::{Description, DescriptionError};
pub use download::{Download, Patience, Progress, without_credentials};
pub use download_error::DownloadError;
pub use imagenet::imagenet_classes;
pub use import::{ImportError, architecture, backbone, head};
pub(crate) use pretrained::kept_in;
pub use pretrained::{Pretrained, PretrainedError, WEIGHTS_FOLDER, cache_folder};
pub use safetensors_header::safetensors_header;
