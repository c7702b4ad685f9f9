//! `shards.json`: the shards whose features belong into a folder.

use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{MANIFEST_FILE, ShardFolderError};
use crate::output::{OutputError, OutputFile};
use crate::regular_file;

/// The content of the file.
#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Version of the format.
    version: u32,
    /// File names of the shards, in the order in which tasks share them.
    shards: Vec<String>,
}

const VERSION: u32 = 1;

impl Manifest {
    /// Writes the list unless it is there. Several processes may do so at the same time.
    ///
    /// # Errors
    /// If another list is there, or it cannot be written.
    pub fn write_or_compare(folder: &Path, shards: &[String]) -> Result<(), ShardFolderError> {
        let file = folder.join(MANIFEST_FILE);
        let manifest = Self { version: VERSION, shards: shards.to_vec() };
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|error| ShardFolderError::Manifest(file.clone(), error.to_string()))?;
        let written = OutputFile::reserve(&file, false).and_then(|it| it.write(text.as_bytes()));
        match written {
            Ok(_) => return Ok(()),
            Err(OutputError::Exists(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let known = Self::read(folder)?;
        match known == shards {
            true => Ok(()),
            false => Err(ShardFolderError::OtherShards {
                folder: folder.to_owned(),
                known: known.len(),
                first: known.into_iter().next().unwrap_or_default(),
            }),
        }
    }

    /// Reads the list.
    ///
    /// # Errors
    /// If it is not there, or damaged.
    pub fn read(folder: &Path) -> Result<Vec<String>, ShardFolderError> {
        let file = folder.join(MANIFEST_FILE);
        let text = regular_file::read_text(&file).map_err(|error| match error.kind() {
            ErrorKind::NotFound => ShardFolderError::NoManifest(folder.to_owned()),
            _ => ShardFolderError::Read(file.clone(), error),
        })?;
        let damaged = |reason: String| ShardFolderError::Manifest(file.clone(), reason);
        let manifest: Self =
            serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if manifest.version != VERSION {
            return Err(damaged(format!("its version is {}", manifest.version)));
        }
        // A name with a folder would lead out of this one.
        let leads_out = |name: &String| {
            Path::new(name).file_name().is_none_or(|file_name| file_name != name.as_str())
        };
        match manifest.shards.iter().find(|name| leads_out(name)) {
            Some(name) => Err(damaged(format!("`{name}` is not a file name"))),
            None => Ok(manifest.shards),
        }
    }
}
