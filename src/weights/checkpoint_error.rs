//! Why a weights file cannot be used.

use std::io;
use std::path::PathBuf;

use burn::store::{burn_pack, pytorch_reader::PytorchError};
use safetensors::SafeTensorError;

/// Why a weights file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file does not exist or cannot be read.
    #[error("the weights file `{}` cannot be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// It is a folder, a pipe or a device.
    #[error("`{}` is not a regular file, so it cannot hold weights", .0.display())]
    NotAFile(PathBuf),
    /// It begins like a PyTorch file and is not a valid one.
    #[error("`{}` is not a valid PyTorch checkpoint", .0.display())]
    Pytorch(PathBuf, #[source] Box<PytorchError>),
    /// It begins like a safetensors file and is not a valid one.
    #[error("`{}` is not a valid safetensors file", .0.display())]
    Safetensors(PathBuf, #[source] SafeTensorError),
    /// It begins like a burnpack file and is not a valid one.
    #[error("`{}` is not a valid burnpack file", .0.display())]
    Burnpack(PathBuf, #[source] burn_pack::Error),
    /// It has none of the known formats.
    #[error(
        "`{}` is not a weights file: expected a PyTorch checkpoint (.pth, .pt), safetensors or burnpack \
         (.bpk)", .0.display()
    )]
    UnknownFormat(PathBuf),
    /// A tensor's values are missing, or are not numbers of a known type.
    #[error("the tensor `{name}` in `{}` cannot be read", .path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong with it.
        #[source]
        source: burn_pack::Error,
    },
    /// A number type that is not supported.
    #[error(
        "the tensor `{name}` in `{}` holds {found}; f32, f16, bf16 and f64 can be used", .path.display()
    )]
    NumberType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its number type.
        found: String,
    },
    /// NaN or infinite weights.
    #[error("the tensor `{name}` in `{}` holds NaN or infinite values", .path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
}
