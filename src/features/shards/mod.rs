//! Features of shards: a Parquet file for each shard in one folder, written by any number of
//! processes on any number of machines.
//!
//! A file appears under its name only when it is complete, so a process that was killed leaves
//! nothing to clean up, and the same command goes on where it was. `shards.json` lists the shards
//! whose files belong into the folder; every process writes or reads the same list.

mod error;
mod footer;
mod manifest;
mod merged;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use error::ShardFolderError;
pub use footer::ShardRecord;
pub use merged::Merged;

use super::{FeatureTable, TableFormat};
use crate::output::OutputFile;
use crate::printable::PathText;
use manifest::Manifest;

/// The file that lists a folder's shards.
pub const MANIFEST_FILE: &str = "shards.json";
/// The file with the photos of all shards that have no features.
pub const ERRORS_FILE: &str = "errors.csv";

/// A folder with the features of shards.
#[derive(Clone, Debug)]
pub struct ShardFolder {
    folder: PathBuf,
    /// File names of the shards.
    shards: Vec<String>,
}

/// A photo that has no features: its name in the shard, and why.
pub type Failure = (String, String);

impl ShardFolder {
    /// The folder for the features of `shards`, which is created unless it exists.
    ///
    /// # Errors
    /// If two shards have the same name, the folder has one of them or features of others in it, or
    /// it cannot be written.
    pub fn create(folder: &Path, shards: &[PathBuf]) -> Result<Self, ShardFolderError> {
        // A shard may be a Parquet file, which its features would replace.
        let place = folder.canonicalize().ok();
        let parents: BTreeSet<&Path> = shards.iter().filter_map(|shard| shard.parent()).collect();
        let is_here = |parent: &&Path| {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            place.is_some() && parent.canonicalize().ok() == place
        };
        if parents.iter().any(is_here) {
            return Err(ShardFolderError::FolderOfShards(folder.to_owned()));
        }
        let mut outputs = BTreeSet::new();
        let mut names = Vec::with_capacity(shards.len());
        for shard in shards {
            let file_name = shard.file_name().unwrap_or(shard.as_os_str());
            let name = Path::new(file_name).shown().to_string();
            if !outputs.insert(output_name(&name).to_lowercase()) {
                return Err(ShardFolderError::SameName(name));
            }
            names.push(name);
        }
        let created = Self { folder: folder.to_owned(), shards: names };
        Manifest::write_or_compare(folder, &created.shards)?;
        Ok(created)
    }

    /// A folder that [`create`](Self::create) has created.
    ///
    /// # Errors
    /// If it has no list of shards.
    pub fn open(folder: &Path) -> Result<Self, ShardFolderError> {
        let shards = Manifest::read(folder)?;
        Ok(Self { folder: folder.to_owned(), shards })
    }

    /// The file names of the shards, in order.
    pub fn shards(&self) -> &[String] {
        &self.shards
    }

    /// The path of the features of a shard.
    pub fn output(&self, shard: &str) -> PathBuf {
        self.folder.join(output_name(shard))
    }

    /// The path of the list of a shard's photos that have no features. The file exists if there are
    /// some.
    pub fn errors(&self, shard: &str) -> PathBuf {
        self.folder.join(format!("{}.errors.csv", stem(shard)))
    }

    /// What the file with the features of a shard says of itself. `None` if it is not there.
    ///
    /// # Errors
    /// If it cannot be read, or is not whole.
    pub fn record(&self, shard: &str) -> Result<Option<ShardRecord>, ShardFolderError> {
        ShardRecord::read(&self.output(shard))
    }

    /// Writes the features of a shard, and the list of its photos without features before, so that
    /// both are there if the features are. Replaces older files of this shard if `force` is set.
    ///
    /// # Errors
    /// If a file cannot be written, or exists and `force` is not set.
    ///
    /// # Panics
    /// As [`FeatureTable::write`].
    pub fn write(
        &self,
        mut table: FeatureTable,
        record: &ShardRecord,
        failures: &[Failure],
        force: bool,
    ) -> Result<(), ShardFolderError> {
        let output = OutputFile::reserve(&self.output(&record.shard), force)?;
        let errors = self.errors(&record.shard);
        match failures {
            [] => match fs::remove_file(&errors) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ShardFolderError::Read(errors, error));
                }
                _ => {}
            },
            failures => {
                let rows = failures.iter().map(|failure| (record.shard.as_str(), failure));
                let list = merged::csv_of(rows);
                OutputFile::reserve(&errors, true)?.write(&list)?;
            }
        }
        table.metadata.extend(record.entries());
        output.stage(|out| table.write(TableFormat::Parquet, out))?.publish()?;
        Ok(())
    }
}

fn stem(shard: &str) -> &str {
    shard.rsplit_once('.').map_or(shard, |(stem, _)| stem)
}

fn output_name(shard: &str) -> String {
    format!("{}.parquet", stem(shard))
}
