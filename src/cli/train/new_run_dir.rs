//! The folder of a new run: the one from `--out`, or one named after the time.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Result;
use kindling::export::ExportError;
use kindling::run::{FolderContent, RunDir, RunError, StagedModel};

/// A folder that was free when it was reserved.
pub struct NewRunDir {
    folder: PathBuf,
    reserved: RunDir,
    /// Whether the name was chosen here, so that another may be chosen.
    is_automatic: bool,
}

impl NewRunDir {
    /// Reserves `asked`, or a new folder in `runs/`: see [`RunDir::reserve`].
    pub fn reserve(asked: Option<&Path>, force: bool) -> Result<Self, RunError> {
        let folder = asked.map_or_else(|| after_the_time(1), Path::to_owned);
        let reserved = RunDir::reserve(&folder, force)?;
        Ok(Self { folder, reserved, is_automatic: asked.is_none() })
    }

    /// The folder, unless another run takes its name meanwhile.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes the model file, in pieces, on a thread of its own, while this one does something
    /// else. Returns what that gives, and the file.
    pub fn stage_model<T>(
        &self,
        pieces: impl Iterator<Item = Result<Vec<u8>, ExportError>> + Send,
        meanwhile: impl FnOnce() -> T,
    ) -> (T, Result<StagedModel>) {
        thread::scope(|scope| {
            let pieces = pieces.map(|piece| piece.map_err(anyhow::Error::from));
            let staging = scope.spawn(|| self.reserved.stage_model(pieces));
            let result = meanwhile();
            (result, staging.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })
    }

    /// Writes the run and returns its folder. Of two runs with the same automatic name, the second
    /// one gets the next name.
    pub fn write(mut self, content: &FolderContent) -> Result<PathBuf, RunError> {
        let mut attempt = 1;
        while let Err(error) = self.reserved.write(content) {
            attempt += 1;
            match error {
                RunError::Exists(_) if self.is_automatic && attempt < 100 => {
                    self.folder = after_the_time(attempt);
                    if let Ok(reserved) = RunDir::reserve(&self.folder, false) {
                        self.reserved = reserved;
                    }
                }
                error => return Err(error),
            }
        }
        Ok(self.folder)
    }
}

/// `runs/2026-01-31_17-05-09`, in local time; with `-2` if two runs start in the same second.
fn after_the_time(attempt: usize) -> PathBuf {
    let time = chrono::Local::now().format("%Y-%m-%d_%H-%M-%S").to_string();
    Path::new("runs").join(if attempt == 1 { time } else { format!("{time}-{attempt}") })
}
