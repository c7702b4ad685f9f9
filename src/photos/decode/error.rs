//! Why a file could not be decoded, and what is missing from one that was.

use std::{fmt, io};

use image::ImageError;

use crate::photos::format::Format;

/// Why a file could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The file could not be read.
    #[error("cannot be read")]
    Read(#[source] io::Error),
    /// It is a folder, a pipe or a device: reading a pipe or a device might never end.
    #[error("is not a regular file")]
    NotAFile,
    /// Decoding needs more memory than all photos together may take.
    #[error(
        "is too large: decoding it takes {needed} MiB, and --decode-memory allows {limit} MiB in all"
    )]
    TooLarge {
        /// Memory that decoding takes, in MiB.
        needed: u64,
        /// Memory that all photos together may take, in MiB.
        limit: u64,
    },
    /// Another program wrote the file while it was read.
    #[error("was changed while it was read; try again")]
    Changed,
    /// The content is not in a supported format.
    #[error("is not a {} image", Format::READ.replace(" and ", " or "))]
    UnknownFormat,
    /// The content is in a format that is not read.
    #[error("{}", .0.not_read().unwrap_or_default())]
    NotRead(Format),
    /// The content is damaged.
    #[error("cannot be decoded")]
    Decode(#[source] ImageError),
    /// The content of a TIFF file is damaged, or of a kind that is not read.
    #[error("cannot be decoded: {0}")]
    Tiff(String),
    /// The content of a JPEG XL file is damaged, or takes more memory than pictures of its size do.
    #[error("cannot be decoded: {0}")]
    JpegXl(String),
    /// The content is damaged; where.
    #[error("cannot be decoded: {0}")]
    Damaged(&'static str),
    /// The content is of a kind that is not read; which.
    #[error("is {0}, which is not read; convert it to a usual JPEG or PNG")]
    Unsupported(&'static str),
    /// The image has no pixels.
    #[error("has no pixels")]
    Empty,
    /// The decoder panicked on this content.
    #[error("cannot be decoded: the decoder panicked")]
    Panic,
}

/// What is wrong with a photo that was decoded nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeWarning {
    /// Part of the pixels are not in the file; they are filled.
    Incomplete,
    /// A checksum does not match, or the data between two restart markers is damaged.
    Damaged,
}

impl fmt::Display for DecodeWarning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Incomplete => "is incomplete: the missing pixels are black or grey",
            Self::Damaged => "is damaged: some of its pixels may be wrong",
        })
    }
}
