//! Where the bytes of a photo are: in a file of their own, in a part of an archive, or in memory.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::DeflateDecoder;

use super::DecodeError;
#[cfg(feature = "parquet")]
use super::RowPlace;
use super::shards::member;
use crate::regular_file;

/// Something that a photo can be read from: a path, or a [`PhotoPlace`]. A path may lead into a
/// `.tar` or `.zip` file as if it were a folder: `photos-000.tar/000123.jpg`.
pub trait PhotoSource: Sync {
    /// Where the bytes of the photo are.
    fn place(&self) -> PhotoPlace;
}

impl<P: AsRef<Path> + Sync> PhotoSource for P {
    fn place(&self) -> PhotoPlace {
        let path = self.as_ref();
        member(path).unwrap_or_else(|| PhotoPlace::File(path.to_owned()))
    }
}

impl PhotoSource for PhotoPlace {
    fn place(&self) -> PhotoPlace {
        self.clone()
    }
}

/// Where the bytes of a photo are.
#[derive(Clone, Debug)]
pub enum PhotoPlace {
    /// A file with this path.
    File(PathBuf),
    /// A part of an archive.
    Member(ArchiveMember),
    /// In a row of a Parquet file.
    #[cfg(feature = "parquet")]
    Row(RowPlace),
    /// In memory: the content of a file.
    Bytes(Arc<[u8]>),
    /// Nowhere: why the archive has no bytes of it.
    Absent(Arc<str>),
}

/// A part of an archive that holds a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveMember {
    /// The archive.
    pub archive: Arc<Path>,
    /// Where its bytes start.
    pub at: u64,
    /// The number of bytes in the archive.
    pub stored: u64,
    /// The number of bytes of the file, which differs if it is compressed.
    pub length: u64,
    /// Whether the bytes are compressed: a stream of DEFLATE, as in zip archives.
    pub is_deflated: bool,
}

impl PhotoPlace {
    /// The same; of a row, its bytes, because reading a row twice takes long.
    ///
    /// # Errors
    /// If the row cannot be read.
    pub(super) fn loaded(self) -> Result<Self, DecodeError> {
        match self {
            #[cfg(feature = "parquet")]
            Self::Row(row) => row.read().map(Self::Bytes).map_err(DecodeError::Read),
            other => Ok(other),
        }
    }

    /// The number of bytes of the photo's file.
    ///
    /// # Errors
    /// If it cannot be read, or is not a regular file.
    pub(super) fn length(&self) -> Result<u64, DecodeError> {
        match self {
            Self::File(path) => {
                let metadata = std::fs::metadata(path).map_err(DecodeError::Read)?;
                match metadata.is_file() {
                    true => Ok(metadata.len()),
                    false => Err(DecodeError::NotAFile),
                }
            }
            Self::Member(member) => Ok(member.length.saturating_add(match member.is_deflated {
                true => member.stored,
                false => 0,
            })),
            #[cfg(feature = "parquet")]
            // Not known before it is read.
            Self::Row(_) => Ok(0),
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
            Self::Absent(reason) => Err(DecodeError::Read(absent(reason))),
        }
    }

    /// The number of bytes of the photo. `None` if it cannot be read, or is in a row.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Self::Member(member) => Some(member.length),
            #[cfg(feature = "parquet")]
            Self::Row(_) => None,
            other => other.length().ok(),
        }
    }

    /// Reads at most `limit` bytes of a file, or the whole of anything else.
    ///
    /// # Errors
    /// If it cannot be read, or the file is larger.
    pub(super) fn read(&self, limit: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::File(path) => regular_file::read(path, limit),
            Self::Member(member) => member.read(),
            #[cfg(feature = "parquet")]
            Self::Row(row) => row.read().map(|bytes| bytes.to_vec()),
            Self::Bytes(bytes) => Ok(bytes.to_vec()),
            Self::Absent(reason) => Err(absent(reason)),
        }
    }
}

fn absent(reason: &str) -> io::Error {
    io::Error::new(ErrorKind::NotFound, reason)
}

impl ArchiveMember {
    fn read(&self) -> io::Result<Vec<u8>> {
        let (mut file, _) = regular_file::open(&self.archive)?;
        file.seek(SeekFrom::Start(self.at))?;
        let mut stored = Vec::new();
        self.exactly(file, self.stored, &mut stored)?;
        if !self.is_deflated {
            return Ok(stored);
        }
        let mut bytes = Vec::new();
        self.exactly(DeflateDecoder::new(&stored[..]), self.length, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads `length` bytes. The length comes from the archive, so memory is taken only for bytes
    /// that are there.
    fn exactly(&self, from: impl Read, length: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        from.take(length).read_to_end(bytes)?;
        match bytes.len() as u64 == length {
            true => Ok(()),
            false => Err(io::Error::new(ErrorKind::UnexpectedEof, "the archive is cut off here")),
        }
    }
}
