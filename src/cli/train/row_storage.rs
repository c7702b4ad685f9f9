//! Where the features of a training are kept: in memory, or in a temporary file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use kindling::printable::PathText;
use kindling::{FeatureRows, RowWriter};

use super::TrainArgs;
use super::args::{HeadKind, SplitDuplicates};
use crate::cli::memory_size::MemorySize;

/// Features that stay in memory without being asked to. The memory that a training takes at its
/// peak is some three times as much.
pub const DEFAULT_MEMORY: MemorySize = MemorySize(192 << 20);

/// Where the features of a training are kept.
#[derive(Clone, Debug)]
pub struct RowStorage {
    /// `None` if all of them stay in memory.
    file: Option<(u64, PathBuf)>,
}

impl RowStorage {
    /// As the options say. The folder of the run is `run`, beside which there is space for the
    /// features, or there is none for the run either.
    pub fn of(args: &TrainArgs, run: &Path) -> Result<Self> {
        if args.preprocessing.views() > 1 {
            return Ok(Self { file: None });
        }
        let folder = match &args.features_dir {
            Some(folder) => {
                fs::create_dir_all(folder)
                    .with_context(|| format!("`{}` cannot be created", folder.shown()))?;
                folder
            }
            None => run.ancestors().skip(1).find(|it| it.is_dir()).unwrap_or(Path::new(".")),
        };
        Ok(Self { file: Some((args.features_memory.0, folder.to_owned())) })
    }

    /// For the features of a set of photos.
    pub fn writer(&self) -> RowWriter {
        match &self.file {
            Some((bytes, folder)) => RowWriter::with_limit(*bytes, folder),
            None => RowWriter::default(),
        }
    }
}

/// Refuses options that need all features in memory, if they are not.
pub fn check(args: &TrainArgs, rows: &FeatureRows) -> Result<()> {
    if rows.in_memory().is_some() {
        return Ok(());
    }
    let option = match args {
        _ if args.head.head == HeadKind::Auto => "--head auto",
        _ if args.head.refit => "--refit",
        _ if args.head.folds.is_some() => "--folds",
        _ if args.split.split_duplicates == SplitDuplicates::Together => {
            "--split-duplicates together"
        }
        _ => return Ok(()),
    };
    let bytes = MemorySize((rows.len() * size_of::<f32>()) as u64);
    bail!(
        "{option} needs all features in memory, which take {bytes}: pass --features-memory {bytes}"
    )
}
