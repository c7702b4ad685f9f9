//! Why a weights file cannot be used.

use std::io;
use std::path::PathBuf;

use burn::store::burn_pack;
use safetensors::SafeTensorError;

use super::Foreign;
use super::layout::LONGEST_PREFIX;
use crate::printable::{PathText, shortened};

/// Why a weights file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file does not exist or cannot be read.
    #[error("the weights file `{}` cannot be read", .0.shown())]
    Read(PathBuf, #[source] io::Error),
    /// Another program wrote to the file after it was opened.
    #[error("the weights file `{}` changed while it was in use; run the command again", .0.shown())]
    Changed(PathBuf),
    /// It is a folder, a pipe or a device.
    #[error("`{}` is not a regular file, so it cannot hold weights", .0.shown())]
    NotAFile(PathBuf),
    /// It begins like a PyTorch file and is not a valid one.
    #[error("`{}` is not a valid PyTorch checkpoint: {reason}", .path.shown())]
    Pytorch {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It is a file of another kind, or holds its weights in a form that cannot be read.
    #[error("`{}` is {}; {}", .path.shown(), .kind.what, .kind.remedy)]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do.
        kind: Foreign,
    },
    /// It holds several networks, and none of them is the obvious one.
    #[error(
        "`{}` holds different networks, {}: save one of them alone, in Python: {python}",
        .path.shown(), .prefixes.iter().take(3)
            .map(|prefix| format!("`{}`", shortened(prefix, LONGEST_PREFIX)))
            .collect::<Vec<_>>().join(" and ")
    )]
    SeveralNetworks {
        /// The file.
        path: PathBuf,
        /// What the names of their tensors begin with.
        prefixes: Vec<String>,
        /// The line of Python that saves the first one.
        python: String,
    },
    /// Its tensors would take far more memory than the file has bytes.
    #[error(
        "the tensors in `{}` would take {bytes} bytes of memory, and the file has {size}: it is \
         damaged or made to exhaust memory", .path.shown()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What they would take.
        bytes: u128,
        /// The file's size in bytes.
        size: u64,
    },
    /// It begins like a safetensors file and is not a valid one.
    #[error("`{}` is not a valid safetensors file", .0.shown())]
    Safetensors(PathBuf, #[source] SafeTensorError),
    /// It begins like a burnpack file and is not a valid one.
    #[error("`{}` is not a valid burnpack file", .0.shown())]
    Burnpack(PathBuf, #[source] burn_pack::Error),
    /// It has none of the known formats.
    #[error(
        "`{}` is not a weights file: expected a PyTorch checkpoint (.pth, .pt), safetensors or burnpack \
         (.bpk)", .0.shown()
    )]
    UnknownFormat(PathBuf),
    /// Its class names contradict each other or its head.
    #[error("the class names in `{}` cannot be used: {reason}", .path.shown())]
    ClassNames {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor's values are missing, or are not numbers of a known type.
    #[error("the tensor `{name}` in `{}` cannot be read", .path.shown())]
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
        "the tensor `{name}` in `{}` holds {found}; f32, f16, bf16 and f64 can be used", .path.shown()
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
    #[error("the tensor `{name}` in `{}` holds NaN or infinite values", .path.shown())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
}
