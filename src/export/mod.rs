//! Exports a trained network to the file formats of other programs, with one module per format.

mod burnpack;
mod numbers;
pub mod onnx;
mod safetensors;

use std::fmt;
use std::path::Path;

use burn::store::burn_pack;

pub use self::burnpack::burnpack;
pub use self::onnx::onnx;
pub use self::safetensors::{safetensors, safetensors_pieces};

use crate::backbone::Backbone;
use crate::head::Head;
use crate::neighbours::Neighbours;
use crate::plan::Unsupported;
use crate::weights::Description;

/// The network to export and its metadata.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The frozen backbone.
    pub backbone: &'a Backbone,
    /// The trained last layer.
    pub head: &'a Head,
    /// The backbone's name, the class names and the preprocessing.
    pub description: &'a Description,
    /// Features of the training photos, for a second output in ONNX. Other formats leave them out.
    pub neighbours: Option<&'a Neighbours>,
}

impl<'a> Parts<'a> {
    /// The network with its metadata, without neighbours.
    pub fn new(backbone: &'a Backbone, head: &'a Head, description: &'a Description) -> Self {
        Self { backbone, head, description, neighbours: None }
    }
}

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Named tensors, for PyTorch and the Hugging Face libraries.
    Safetensors,
    /// A self-contained graph, for ONNX Runtime and other runtimes.
    Onnx,
    /// Burn's own format.
    Burnpack,
}

/// The number format of the weights in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32: the trained values, bit for bit.
    #[default]
    Full,
    /// f16: half the size. The rounding error is at most 2^-11 of the value, and at most 2^-25 for
    /// values below 2^-14.
    Half,
}

/// Why a network could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The values could not be read from the device.
    #[error("the values of `{name}` could not be read from the device")]
    Device {
        /// The tensor.
        name: String,
        /// The device's error.
        #[source]
        source: burn_pack::Error,
    },
    /// A value is outside the range of half precision.
    #[error("`{name}` holds {value}, which is outside f16's range of ±65504: export without --f16")]
    HalfRange {
        /// The tensor.
        name: String,
        /// The first value outside the range.
        value: f32,
    },
    /// A value is NaN or infinite.
    #[error("`{name}` holds NaN or infinite values")]
    NotFinite {
        /// The tensor.
        name: String,
    },
    /// The burnpack file could not be created.
    #[error("the burnpack file could not be created")]
    Burnpack(#[source] burn_pack::Error),
    /// The network has a step that a graph cannot express.
    #[error("{0}; export it as safetensors or burnpack")]
    Unsupported(#[from] Unsupported),
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Safetensors, Self::Onnx, Self::Burnpack];

    /// The file name extension.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
            Self::Burnpack => "bpk",
        }
    }

    /// The format with the extension of this file name, ignoring case.
    pub fn of_file(path: &Path) -> Option<Self> {
        let ending = path.extension()?;
        Self::ALL.into_iter().find(|format| ending.eq_ignore_ascii_case(format.ending()))
    }

    /// Returns the network as the bytes of a file in this format.
    ///
    /// # Errors
    /// If the values cannot be read from the device, the precision cannot represent them, or the
    /// network has a step that the format cannot express.
    pub fn write(self, parts: Parts, precision: Precision) -> Result<Vec<u8>, ExportError> {
        match self {
            Self::Safetensors => safetensors(parts, precision),
            Self::Onnx => onnx(parts, precision),
            Self::Burnpack => burnpack(parts, precision),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
            Self::Burnpack => "burnpack",
        })
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full => "f32",
            Self::Half => "f16",
        })
    }
}
