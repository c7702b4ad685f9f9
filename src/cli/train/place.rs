//! Where a run goes: the folder that was asked for, or one named after the time.

use std::path::{Path, PathBuf};

use kindling::run::{FolderContent, RunError, RunPlace};

/// A place that was free when it was reserved.
pub struct Place {
    folder: PathBuf,
    reserved: RunPlace,
    /// The name was chosen here, so another may be chosen.
    ours: bool,
}

impl Place {
    /// As [`RunPlace::reserve`]; without `asked`, a folder of its own in `runs/`.
    pub fn reserve(asked: Option<&Path>, force: bool) -> Result<Self, RunError> {
        let folder = asked.map_or_else(|| after_the_time(1), Path::to_owned);
        let reserved = RunPlace::reserve(&folder, force)?;
        Ok(Self { folder, reserved, ours: asked.is_none() })
    }

    /// The folder, as long as no other run takes its name.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes the run and says where: of two runs that chose the same name the second takes the next.
    pub fn write(mut self, content: &FolderContent) -> Result<PathBuf, RunError> {
        let mut attempt = 1;
        while let Err(error) = self.reserved.write(content) {
            attempt += 1;
            match error {
                RunError::Exists(_) if self.ours && attempt < 100 => {
                    self.folder = after_the_time(attempt);
                    if let Ok(reserved) = RunPlace::reserve(&self.folder, false) {
                        self.reserved = reserved;
                    }
                }
                error => return Err(error),
            }
        }
        Ok(self.folder)
    }
}

/// `runs/2026-01-31_17-05-09`, in local time; with `-2` where two runs start in one second.
fn after_the_time(attempt: usize) -> PathBuf {
    let time = chrono::Local::now().format("%Y-%m-%d_%H-%M-%S").to_string();
    Path::new("runs").join(if attempt == 1 { time } else { format!("{time}-{attempt}") })
}
