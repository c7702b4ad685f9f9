//! Shards: archives of photos, as webdataset, img2dataset and the library `datasets` write them.
//!
//! A shard is a `.tar`, `.zip` or `.parquet` file. The members of an archive are grouped into
//! samples by their names up to the first dot, as in
//! [webdataset](https://github.com/webdataset/webdataset): `000123.jpg` is the photo of the sample
//! `000123`, and `000123.cls`, `000123.json` or `000123.txt` has its label. Nothing is unpacked: a
//! photo is read from its place in the archive. A Parquet file has a photo in each row.

mod by_path;
mod error;
#[cfg(feature = "parquet")]
mod parquet;
mod pattern;
#[cfg(feature = "parquet")]
mod rows;
mod samples;
mod tar;
mod zip;

use std::path::{Path, PathBuf};
#[cfg(feature = "parquet")]
use std::sync::{Arc, Mutex, PoisonError};

pub(super) use by_path::{member, path_in, remember};
pub use error::ShardError;
pub use pattern::shard_paths;
#[cfg(feature = "parquet")]
pub use rows::RowPlace;

use super::PhotoPlace;
#[cfg(unix)]
use crate::printable::PathText;

/// The photos of a shard.
#[derive(Clone, Debug)]
pub struct Shard {
    /// Its path.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its photos, in the order of the archive.
    pub photos: Vec<ShardPhoto>,
    #[cfg(feature = "parquet")]
    rows: Option<Arc<Mutex<rows::Rows>>>,
}

/// A photo in a shard.
#[derive(Clone, Debug)]
pub struct ShardPhoto {
    /// The name of the member.
    pub name: String,
    /// Where its bytes are.
    pub place: PhotoPlace,
    /// The label of its sample.
    pub label: Option<String>,
}

impl Shard {
    /// Whether `pattern` names shards, by its ending. A `.parquet` file is one if it has photos and
    /// not their paths.
    pub fn is_one(pattern: &Path) -> bool {
        match Kind::of(pattern) {
            Some(Kind::Tar | Kind::Zip) => !pattern.is_dir(),
            #[cfg(feature = "parquet")]
            Some(Kind::Parquet) => {
                let paths = shard_paths(&[pattern.to_owned()]).unwrap_or_default();
                paths.iter().find(|path| path.exists()).is_some_and(|it| parquet::has_photos(it))
            }
            None => false,
        }
    }

    /// Lists the photos of a shard. Reads labels, and no photo.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged or ends early.
    pub fn read(path: &Path) -> Result<Self, ShardError> {
        match Kind::of(path) {
            Some(Kind::Tar) => tar::read(path),
            Some(Kind::Zip) => zip::read(path),
            #[cfg(feature = "parquet")]
            Some(Kind::Parquet) => parquet::read(path),
            None => Err(ShardError::Unknown(path.to_owned())),
        }
    }

    /// Why photos could not be read because the shard itself is damaged. An archive is checked when
    /// it is listed, a Parquet file while its photos are read.
    pub fn damage(&self) -> Option<ShardError> {
        #[cfg(feature = "parquet")]
        if let Some(rows) = &self.rows {
            let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
            return rows.damage().map(|reason| parquet::damaged(&self.path, reason));
        }
        None
    }

    fn of_archive(path: &Path, bytes: u64, photos: Vec<ShardPhoto>) -> Self {
        Self {
            path: path.to_owned(),
            bytes,
            photos,
            #[cfg(feature = "parquet")]
            rows: None,
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Tar,
    Zip,
    #[cfg(feature = "parquet")]
    Parquet,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?;
        let kinds = [
            ("tar", Self::Tar),
            ("zip", Self::Zip),
            #[cfg(feature = "parquet")]
            ("parquet", Self::Parquet),
        ];
        kinds
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
