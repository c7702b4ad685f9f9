//! Weights files: finds or downloads published ones, and reads any of them strictly.
//!
//! [`Checkpoint`] opens a file of any container; [`backbone`] and [`head`] load its tensors into
//! modules.

mod checkpoint;
mod checkpoint_error;
mod class_names;
mod containers;
mod description;
mod download;
mod download_error;
mod foreign;
mod head_layer;
mod imagenet;
mod import;
mod import_error;
mod layout;
mod pretrained;
mod reading;
mod safetensors_header;
mod task;

pub use crate::backbone::{Digest, PublishedWeights};
pub use checkpoint::{Checkpoint, sha256_of_file};
pub use checkpoint_error::CheckpointError;
pub use class_names::ClassNames;
pub(crate) use containers::open_safetensors;
pub use description::{Description, DescriptionError};
pub use download::{Download, Patience, Progress, without_credentials};
pub use download_error::DownloadError;
pub use foreign::Foreign;
pub use imagenet::imagenet_classes;
pub use import::{architecture, backbone, head};
pub use import_error::{Differences, ImportError};
pub(crate) use pretrained::kept_in;
pub use pretrained::{Pretrained, PretrainedError, WEIGHTS_FOLDER, cache_folder};
pub use reading::{Reading, backbone_with};
pub use safetensors_header::safetensors_header;
pub use task::Task;
