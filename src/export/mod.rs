//! A trained network written down for other programs: a file here for each format.

mod burnpack;
mod numbers;
pub mod onnx;
mod safetensors;

use std::fmt;
use std::path::Path;

use burn::store::burn_pack;

pub use self::burnpack::burnpack;
pub use self::onnx::onnx;
pub use self::safetensors::safetensors;

use crate::backbone::Backbone;
use crate::head::Head;
use crate::weights::Description;

/// What is written: the network, and what to say about it.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The frozen network.
    pub backbone: &'a Backbone,
    /// The layer that predicts.
    pub head: &'a Head,
    /// The classes and the preprocessing.
    pub description: &'a Description,
}

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Named tensors, as PyTorch's and Hugging Face's programs read them.
    Safetensors,
    /// A graph that ONNX Runtime and others run without any of the code that made it.
    Onnx,
    /// Burn's own container.
    Burnpack,
}

/// The numbers in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32: what was trained, bit for bit.
    #[default]
    Full,
    /// f16: half the size, each value within 2^-11 of itself, and below 2^-14 within 2^-25.
    Half,
}

/// Why a network could not be written down.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The device did not give the values back.
    #[error("the values of `{name}` could not be read from the device")]
    Device {
        /// The tensor.
        name: String,
        /// What the device said.
        #[source]
        source: burn_pack::Error,
    },
    /// A value that half precision cannot hold.
    #[error("`{name}` holds {value}, and f16 goes no further than ±65504: export it without --f16")]
    HalfRange {
        /// The tensor.
        name: String,
        /// The first value beyond the range.
        value: f32,
    },
    /// A value that no format should hold.
    #[error("`{name}` holds values that are no finite numbers")]
    NotFinite {
        /// The tensor.
        name: String,
    },
    /// The container could not be made.
    #[error("the burnpack file could not be made")]
    Burnpack(#[source] burn_pack::Error),
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Safetensors, Self::Onnx, Self::Burnpack];

    /// How a file's name ends.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
            Self::Burnpack => "bpk",
        }
    }

    /// The format that a file's name tells, in whatever case.
    pub fn of_file(path: &Path) -> Option<Self> {
        let ending = path.extension()?;
        Self::ALL.into_iter().find(|format| ending.eq_ignore_ascii_case(format.ending()))
    }

    /// The content of a file of this format.
    ///
    /// # Errors
    /// Where the values cannot be read, or cannot be held with this precision.
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
