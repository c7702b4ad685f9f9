//! Shards: archives of photos, as webdataset and img2dataset write them.
//!
//! A shard is a `.tar` or `.zip` file. Its members are grouped into samples by their names up to
//! the first dot, as in [webdataset](https://github.com/webdataset/webdataset): `000123.jpg` is the
//! photo of the sample `000123`, and `000123.cls`, `000123.json` or `000123.txt` has its label.
//! Nothing is unpacked: a photo is read from its place in the archive.

mod error;
mod pattern;
mod samples;
mod tar;
mod zip;

use std::path::{Path, PathBuf};

pub use error::ShardError;
pub use pattern::shard_paths;

use super::PhotoPlace;
#[cfg(unix)]
use crate::printable::PathText;

/// The photos of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its path.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its photos, in the order of the archive.
    pub photos: Vec<ShardPhoto>,
}

/// A photo in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardPhoto {
    /// The name of the member.
    pub name: String,
    /// Where its bytes are.
    pub place: PhotoPlace,
    /// The label of its sample.
    pub label: Option<String>,
}

impl Shard {
    /// Whether `path` has the ending of a shard.
    pub fn is_one(path: &Path) -> bool {
        Kind::of(path).is_some()
    }

    /// Lists the photos of a shard. Reads labels, and no photo.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged or ends early.
    pub fn read(path: &Path) -> Result<Self, ShardError> {
        match Kind::of(path) {
            Some(Kind::Tar) => tar::read(path),
            Some(Kind::Zip) => zip::read(path),
            None => Err(ShardError::Unknown(path.to_owned())),
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Tar,
    Zip,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?;
        [("tar", Self::Tar), ("zip", Self::Zip)]
            .into_iter()
            .find_map(|(known, kind)| ending.eq_ignore_ascii_case(known).then_some(kind))
    }
}

/// The text of a member's name, a different one for each name.
fn name_text(name: &[u8]) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        std::ffi::OsStr::from_bytes(name).shown().to_string()
    }
    #[cfg(not(unix))]
    String::from_utf8_lossy(name).into_owned()
}
