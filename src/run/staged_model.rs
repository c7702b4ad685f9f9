//! A model file that is written before the rest of its run: while the report is drawn.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::folder::{RunDir, RunError};
use crate::output;

/// A model file under a hidden name beside a run folder, deleted when this is dropped. The run that
/// is made of it gives the file a second name.
#[derive(Debug)]
pub struct StagedModel(NamedTempFile);

impl RunDir {
    /// Writes a model file in pieces, so that the whole of it is never in memory, and syncs it to
    /// disk.
    ///
    /// # Errors
    /// The first error of `pieces`, or that of the file system.
    pub fn stage_model<E: From<RunError>>(
        &self,
        pieces: impl IntoIterator<Item = Result<Vec<u8>, E>>,
    ) -> Result<StagedModel, E> {
        let failed = |error| self.failed(error);
        let mut file = output::hidden_file(self.parent()).map_err(failed)?;
        for piece in pieces {
            file.write_all(&piece?).map_err(failed)?;
        }
        file.as_file().sync_all().map_err(failed)?;
        Ok(StagedModel(file))
    }
}

impl StagedModel {
    /// Gives the file the name `path` too. A file system without such links gets a copy.
    pub(super) fn link(&self, path: &Path) -> io::Result<()> {
        if fs::hard_link(self.0.path(), path).is_err() {
            fs::copy(self.0.path(), path)?;
            OpenOptions::new().write(true).open(path)?.sync_all()?;
        }
        Ok(())
    }
}
