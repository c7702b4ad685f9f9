//! What the file with the features of a shard says of itself, in the metadata of its footer.

use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::ShardFolderError;
use crate::parquet_reading::guarded;
use crate::regular_file;

/// What is recorded with the features of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardRecord {
    /// File name of the shard.
    pub shard: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Identifies the weights and the preprocessing.
    pub model: String,
    /// Identifies the device and the kernels.
    pub engine: String,
    /// Photos with features.
    pub photos: usize,
    /// Photos without features.
    pub failed: usize,
}

impl ShardRecord {
    /// Its entries in the file's metadata. The number of photos is that of the rows.
    pub(super) fn entries(&self) -> impl Iterator<Item = (String, String)> {
        let entries = [
            ("shard", self.shard.clone()),
            ("shard_bytes", self.bytes.to_string()),
            ("model", self.model.clone()),
            ("engine", self.engine.clone()),
            ("failed", self.failed.to_string()),
        ];
        entries.into_iter().map(|(key, value)| (key.to_owned(), value))
    }

    /// Reads the record of a file. `None` if it does not exist.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, ShardFolderError> {
        let file = match regular_file::open(path) {
            Ok((file, _)) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ShardFolderError::Read(path.to_owned(), error)),
        };
        let damaged = |reason: String| ShardFolderError::Damaged(path.to_owned(), reason);
        guarded(|| Self::of(file))
            .map_err(|error| damaged(error.to_string()))?
            .map(Some)
            .ok_or_else(|| damaged("it does not name a shard and a model".into()))
    }

    fn of(file: File) -> Result<Option<Self>, ParquetError> {
        let reader = SerializedFileReader::new(file)?;
        let metadata = reader.metadata().file_metadata();
        let entries = metadata.key_value_metadata().into_iter().flatten();
        let values: HashMap<&str, &str> = entries
            .filter_map(|entry| Some((entry.key.as_str(), entry.value.as_deref()?)))
            .collect();
        let photos = metadata.num_rows();
        Ok(Self::of_entries(&values, photos))
    }

    fn of_entries(values: &HashMap<&str, &str>, photos: i64) -> Option<Self> {
        let text = |key: &str| values.get(key).map(|value| (*value).to_owned());
        Some(Self {
            shard: text("shard")?,
            bytes: text("shard_bytes")?.parse().ok()?,
            model: text("model")?,
            engine: text("engine")?,
            photos: usize::try_from(photos).ok()?,
            failed: text("failed")?.parse().ok()?,
        })
    }
}
