//! Weight files: known ones found or downloaded, any one read strictly.

mod burnpack;
mod checkpoint;
mod description;
mod download;
mod download_error;
mod imagenet;
mod import;
mod manifest;
mod pretrained;
mod safetensors_header;

pub use checkpoint::{Checkpoint, CheckpointError, sha256_of_file};
pub use description::{Description, DescriptionError};
pub use download::{Download, Patience, Progress, without_credentials};
pub use download_error::DownloadError;
pub use imagenet::imagenet_classes;
pub use import::{ImportError, architecture, backbone, head};
pub use manifest::{Digest, PublishedWeights};
pub(crate) use pretrained::kept_in;
pub use pretrained::{Pretrained, PretrainedError, WEIGHTS_FOLDER, cache_folder};
pub use safetensors_header::safetensors_header;
