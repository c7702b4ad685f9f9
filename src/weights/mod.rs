//! Weight files: known ones found or downloaded, any one read strictly, a trained network written.

mod checkpoint;
mod download;
mod download_error;
mod export;
mod imagenet;
mod import;
mod manifest;
mod pretrained;

pub use checkpoint::{Checkpoint, CheckpointError, sha256_of_file};
pub use download::{Download, Patience, Progress, without_credentials};
pub use download_error::DownloadError;
pub use export::{ExportError, safetensors};
pub use imagenet::imagenet_classes;
pub use import::{ImportError, architecture, backbone, head};
pub use manifest::{Digest, PublishedWeights};
pub use pretrained::{Pretrained, PretrainedError, WEIGHTS_FOLDER, cache_folder};
