//! All shards of a folder together.

use std::collections::{BTreeMap, BTreeSet};

use super::{ERRORS_FILE, Failure, ShardFolder, ShardFolderError, ShardRecord};
use crate::output::OutputFile;
use crate::regular_file;

/// What all shards of a folder have together.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// Shards whose features are there.
    pub shards: usize,
    /// Photos with features.
    pub photos: usize,
    /// Photos without features.
    pub failed: usize,
    /// Shards whose features are not there.
    pub missing: Vec<String>,
    /// Shards whose features are not whole, and why.
    pub damaged: Vec<(String, String)>,
    /// The models that computed the features, each with its first shard.
    pub models: BTreeMap<String, String>,
    /// The devices that computed them.
    pub engines: BTreeSet<String>,
}

impl Merged {
    /// Whether the features of every shard are there, and one model computed them.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.damaged.is_empty() && self.models.len() <= 1
    }

    fn add(&mut self, record: ShardRecord) {
        self.shards += 1;
        self.photos += record.photos;
        self.failed += record.failed;
        self.models.entry(record.model).or_insert(record.shard);
        self.engines.insert(record.engine);
    }
}

impl ShardFolder {
    /// Looks at the features of every shard, and writes the photos without features of all of them
    /// into [`ERRORS_FILE`].
    ///
    /// # Errors
    /// If a list of photos without features cannot be read or written.
    pub fn merge(&self) -> Result<Merged, ShardFolderError> {
        let mut merged = Merged::default();
        let mut lists = Vec::new();
        for shard in &self.shards {
            match self.record(shard) {
                Ok(None) => merged.missing.push(shard.clone()),
                Ok(Some(record)) if record.shard != *shard => {
                    let reason = format!("it has the features of `{}`", record.shard);
                    merged.damaged.push((shard.clone(), reason));
                }
                Ok(Some(record)) => {
                    if record.failed > 0 {
                        let path = self.errors(shard);
                        let list = regular_file::read_text(&path);
                        lists.push(list.map_err(|error| ShardFolderError::Read(path, error))?);
                    }
                    merged.add(record);
                }
                Err(error @ ShardFolderError::Damaged(..)) => {
                    merged.damaged.push((shard.clone(), error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        let mut errors = csv_of([]);
        let rows = |list: &String| list.split_once('\n').map(|(_, rows)| rows.to_owned());
        lists.iter().filter_map(rows).for_each(|rows| errors.extend(rows.into_bytes()));
        OutputFile::reserve(&self.folder.join(ERRORS_FILE), true)?.write(&errors)?;
        Ok(merged)
    }
}

/// A table of photos without features, with the columns `shard`, `photo` and `error`.
pub(super) fn csv_of<'a>(rows: impl IntoIterator<Item = (&'a str, &'a Failure)>) -> Vec<u8> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let header = ["shard", "photo", "error"];
    let mut write = |record: [&str; 3]| csv.write_record(record).expect("memory has no errors");
    write(header);
    rows.into_iter().for_each(|(shard, (photo, error))| write([shard, photo, error]));
    csv.into_inner().expect("memory has no errors")
}
