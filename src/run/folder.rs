//! A run folder appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::config::metrics_csv;
use super::{
    CLASSES_FILE, CONFIG_FILE, METRICS_FILE, MODEL_FILE, RunConfig, SUMMARY_FILE, Summary,
};
use crate::head::EpochMetrics;

/// What goes into a run folder.
pub struct FolderContent<'a> {
    /// The whole network as a safetensors file.
    pub model: &'a [u8],
    /// Class names, in the order of the logits.
    pub classes: &'a [String],
    /// How it was made.
    pub config: &'a RunConfig,
    /// Every epoch.
    pub epochs: &'a [EpochMetrics],
    /// What came of it.
    pub summary: &'a Summary,
}

/// Why a run folder cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A run is there already.
    #[error("`{}` holds a run already; give another --out, or --force to replace it", .0.display())]
    Exists(PathBuf),
    /// Something else is there, which is not ours to replace.
    #[error("`{}` is there already and is no run folder; give another --out", .0.display())]
    NotARun(PathBuf),
    /// The file system refused.
    #[error("the run folder `{}` cannot be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The configuration has no TOML form.
    #[error("the configuration cannot be written")]
    Config(#[from] toml::ser::Error),
    /// The summary has no JSON form.
    #[error("the summary cannot be written")]
    Summary(#[from] serde_json::Error),
}

/// What is at the place of a run folder.
enum Occupant {
    Nothing,
    Run,
}

/// Whether a run may be written to `folder`: nothing is there, or an empty folder, or a run and
/// `force`. Asked before training, so that an hour of work does not end in a refusal.
///
/// # Errors
/// Where it may not.
pub fn check_free(folder: &Path, force: bool) -> Result<(), RunError> {
    match occupant(folder)? {
        Occupant::Run if !force => Err(RunError::Exists(folder.to_owned())),
        Occupant::Run | Occupant::Nothing => Ok(()),
    }
}

fn occupant(folder: &Path) -> Result<Occupant, RunError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupant::Nothing),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(RunError::NotARun(folder.to_owned()));
        }
        Err(error) => return Err(RunError::Write(folder.to_owned(), error)),
    };
    if [MODEL_FILE, CONFIG_FILE].iter().all(|file| folder.join(file).is_file()) {
        Ok(Occupant::Run)
    } else if entries.count() == 0 {
        Ok(Occupant::Nothing)
    } else {
        Err(RunError::NotARun(folder.to_owned()))
    }
}

/// Writes a run folder: into a hidden folder beside it, which is renamed when all of it is on the
/// disk. A run that it replaces (with `force`) is there until then.
///
/// # Errors
/// Where something is in the way (as [`check_free`]) or the file system refuses; then nothing is
/// left behind and what was there still is.
pub fn write_run(folder: &Path, force: bool, content: &FolderContent) -> Result<(), RunError> {
    check_free(folder, force)?;
    let failed = |error| RunError::Write(folder.to_owned(), error);
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(failed)?;
    let config = toml::to_string_pretty(content.config)?;
    let summary = serde_json::to_string_pretty(content.summary)? + "\n";
    let classes: String = content.classes.iter().map(|class| format!("{class}\n")).collect();
    let metrics = metrics_csv(content.epochs);

    let staging = hidden_folder(parent).map_err(failed)?;
    for (name, bytes) in [
        (CLASSES_FILE, classes.as_bytes()),
        (CONFIG_FILE, config.as_bytes()),
        (METRICS_FILE, metrics.as_bytes()),
        (SUMMARY_FILE, summary.as_bytes()),
        (MODEL_FILE, content.model),
    ] {
        write_through(&staging.path().join(name), bytes).map_err(failed)?;
    }
    match occupant(folder)? {
        Occupant::Nothing => {
            // Windows does not rename onto a folder, not even an empty one.
            if folder.is_dir() {
                fs::remove_dir(folder).map_err(failed)?;
            }
            fs::rename(staging.path(), folder).map_err(failed)?;
        }
        Occupant::Run if !force => return Err(RunError::Exists(folder.to_owned())),
        Occupant::Run => {
            let aside = hidden_folder(parent).map_err(failed)?;
            let old = aside.path().join("replaced");
            fs::rename(folder, &old).map_err(failed)?;
            if let Err(error) = fs::rename(staging.path(), folder) {
                // Back to what was there. Should even that fail, the old run must not go with `aside`.
                if fs::rename(&old, folder).is_err() {
                    let _ = aside.keep();
                }
                return Err(failed(error));
            }
        }
    }
    // Renamed, so there is nothing left for it to remove.
    let _ = staging.keep();
    Ok(())
}

/// A folder of a name of its own, removed when it is dropped, with the permissions of any other.
fn hidden_folder(parent: &Path) -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".kindling-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o777));
    }
    builder.tempdir_in(parent)
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
