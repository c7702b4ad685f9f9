//! Writes a run folder atomically: it appears complete or not at all.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::card::CARD_MARK;
use super::history::metrics_csv;
use super::replace::{Step, replace};
use super::staged_model::StagedModel;
use super::{
    CARD_FILE, CLASSES_FILE, CONFIG_FILE, CURVES_FILE, FOLDS_FILE, METRICS_FILE, MODEL_FILE,
    NEIGHBOURS_FILE, PREDICTIONS_FILE, REPORT_FILE, RunConfig, SPLIT_FILE, SUMMARY_FILE,
    SUSPECTS_FILE, Summary, TABLE_COLUMNS,
};
use crate::head::EpochMetrics;
use crate::leftovers;
use crate::output::has_mark;
use crate::printable::PathText;
use crate::regular_file;
use crate::report::Report;

/// All files that a run folder may contain, from any version.
const FILES: [&str; 13] = [
    MODEL_FILE,
    CLASSES_FILE,
    CONFIG_FILE,
    METRICS_FILE,
    SUMMARY_FILE,
    REPORT_FILE,
    CURVES_FILE,
    CARD_FILE,
    PREDICTIONS_FILE,
    FOLDS_FILE,
    SUSPECTS_FILE,
    SPLIT_FILE,
    NEIGHBOURS_FILE,
];

/// The whole network, as a safetensors file.
pub enum ModelFile<'a> {
    /// Its bytes.
    Bytes(&'a [u8]),
    /// It was written by [`RunDir::stage_model`].
    Staged(&'a StagedModel),
}

/// The contents of a run folder.
pub struct FolderContent<'a> {
    /// The whole network.
    pub model: ModelFile<'a>,
    /// Class names, in the order of the logits.
    pub classes: &'a [String],
    /// The configuration of the run.
    pub config: &'a RunConfig,
    /// The metrics of every epoch.
    pub epochs: &'a [EpochMetrics],
    /// The results.
    pub summary: &'a Summary,
    /// The report as HTML, if there is one.
    pub report: Option<&'a str>,
    /// The loss and accuracy curves as SVG, if there are any.
    pub curves: Option<&'a str>,
    /// The model card as Markdown.
    pub card: &'a str,
    /// Further files of the run, by name: see the constants of [`run`](crate::run).
    pub further: &'a [(&'static str, Vec<u8>)],
}

/// Why a run folder cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder already holds a run.
    #[error("`{}` already holds a run; choose another --out, or use --force to replace it", .0.shown())]
    Exists(PathBuf),
    /// Something exists that is not a run and must not be replaced.
    #[error("`{}` already exists and is not a run folder; choose another --out", .0.shown())]
    NotARun(PathBuf),
    /// The folder holds a run and other files of the user.
    #[error(
        "`{}` holds a run and also `{}`, which --force would delete; move it away or choose another --out",
        .folder.shown(), .other.shown()
    )]
    NotOnlyARun {
        /// The folder.
        folder: PathBuf,
        /// The first file that is not part of a run.
        other: PathBuf,
    },
    /// The folder is the current folder or contains it.
    #[error("a run needs its own folder, and `{}` is the current folder or contains it; choose another --out", .0.shown())]
    WorkingFolder(PathBuf),
    /// The folder cannot be written.
    #[error("the run folder `{}` cannot be written", .0.shown())]
    Write(PathBuf, #[source] io::Error),
    /// The configuration cannot be serialised as TOML.
    #[error("the configuration cannot be written")]
    Config(#[from] toml::ser::Error),
    /// The summary cannot be serialised as JSON.
    #[error("the summary cannot be written")]
    Summary(#[from] serde_json::Error),
}

/// The folder that a run will be written to, checked to be free by [`RunDir::reserve`].
#[derive(Debug)]
pub struct RunDir {
    /// The path as the user gave it, for messages.
    requested: PathBuf,
    /// The absolute path, with links resolved.
    folder: PathBuf,
    force: bool,
}

/// What currently exists at the path of a run folder.
enum Occupant {
    Nothing,
    Run,
}

impl RunDir {
    /// Checks that a run can be written to `folder`, and creates its parent folders.
    ///
    /// `folder` must not exist, or must be empty, or, with `force`, must hold a run and nothing
    /// else. It must also be possible to create folders next to it. Call this before training, so
    /// that an hour of work does not end with an error.
    ///
    /// # Errors
    /// If a run cannot be written to `folder`.
    pub fn reserve(folder: &Path, force: bool) -> Result<Self, RunError> {
        let failed = |error| RunError::Write(folder.to_owned(), error);
        // Resolve `.` and links, so that the final rename affects the folder itself.
        let path = match folder.canonicalize() {
            Ok(path) => path,
            Err(_) if folder.is_symlink() => return Err(RunError::NotARun(folder.to_owned())),
            Err(_) => std::path::absolute(folder).map_err(failed)?,
        };
        if std::env::current_dir()
            .and_then(|current| current.canonicalize())
            .is_ok_and(|current| current.starts_with(&path))
        {
            return Err(RunError::WorkingFolder(folder.to_owned()));
        }
        let run_dir = Self { requested: folder.to_owned(), folder: path, force };
        run_dir.occupant()?;
        fs::create_dir_all(run_dir.parent()).map_err(failed)?;
        let belongs = |name: &OsStr| FILES.iter().any(|file| name == *file);
        leftovers::sweep(run_dir.parent(), belongs);
        drop(run_dir.hidden_folder()?);
        Ok(run_dir)
    }

    pub(super) fn parent(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    pub(super) fn failed(&self, error: io::Error) -> RunError {
        RunError::Write(self.requested.clone(), error)
    }

    /// Checks what exists at the path.
    ///
    /// # Errors
    /// If it must not be replaced.
    fn occupant(&self) -> Result<Occupant, RunError> {
        let folder = &self.folder;
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupant::Nothing),
            Err(_) if folder.is_file() => return Err(RunError::NotARun(self.requested.clone())),
            Err(error) => return Err(self.failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(|error| self.failed(error))?.file_name());
        }
        if names.is_empty() {
            return Ok(Occupant::Nothing);
        }
        if ![MODEL_FILE, CONFIG_FILE].iter().all(|file| folder.join(file).is_file()) {
            return Err(RunError::NotARun(self.requested.clone()));
        }
        match names.into_iter().find(|name| !self.belongs_to_run(name)) {
            _ if !self.force => Err(RunError::Exists(self.requested.clone())),
            Some(other) => {
                Err(RunError::NotOnlyARun { folder: self.requested.clone(), other: other.into() })
            }
            None => Ok(Occupant::Run),
        }
    }

    /// Whether the file `name` in the folder is part of a run. A README.md or report.html may also
    /// have been written by the user, so these must carry Kindling's mark.
    fn belongs_to_run(&self, name: &OsStr) -> bool {
        let file = self.folder.join(name);
        match name.to_str() {
            Some(CARD_FILE) => has_mark(&file, CARD_MARK),
            Some(REPORT_FILE | CURVES_FILE) => Report::is_one(&file),
            Some(PREDICTIONS_FILE | FOLDS_FILE | SUSPECTS_FILE | SPLIT_FILE) => {
                begins_with(&file, TABLE_COLUMNS.as_bytes())
            }
            name => FILES.iter().any(|file| name == Some(file)),
        }
    }

    /// Writes the run into a hidden folder next to the target, and renames it once everything is on
    /// disk. A run that is replaced stays in place until then.
    ///
    /// # Errors
    /// If something else was created at the path in the meantime, or the file system fails. No
    /// partial run is left behind, and what existed before is kept.
    pub fn write(&self, content: &FolderContent) -> Result<(), RunError> {
        let config = toml::to_string_pretty(content.config)?;
        let summary = serde_json::to_string_pretty(content.summary)? + "\n";
        let classes: String = content.classes.iter().map(|class| format!("{class}\n")).collect();
        let metrics = metrics_csv(content.epochs);
        let (model, staged) = match content.model {
            ModelFile::Bytes(bytes) => (Some(bytes), None),
            ModelFile::Staged(staged) => (None, Some(staged)),
        };

        let mut files = vec![
            (CLASSES_FILE, Some(classes.as_bytes())),
            (CONFIG_FILE, Some(config.as_bytes())),
            (METRICS_FILE, Some(metrics.as_bytes())),
            (SUMMARY_FILE, Some(summary.as_bytes())),
            (REPORT_FILE, content.report.map(str::as_bytes)),
            (CURVES_FILE, content.curves.map(str::as_bytes)),
            (CARD_FILE, Some(content.card.as_bytes())),
            (MODEL_FILE, model),
        ];
        let further = content.further.iter();
        files.extend(further.map(|(name, bytes)| (*name, Some(bytes.as_slice()))));
        self.write_files(&files, staged, &mut |_| ())
    }

    /// Writes these files as a run, and calls `step` before each change of the file system.
    fn write_files(
        &self,
        files: &[(&str, Option<&[u8]>)],
        staged: Option<&StagedModel>,
        step: Step,
    ) -> Result<(), RunError> {
        let failed = |error| self.failed(error);
        step("create a hidden folder");
        // The lock is on the folder, whatever its name is.
        let (staging, lock) = self.hidden_folder()?;
        for (name, bytes) in files {
            let Some(bytes) = bytes else { continue };
            write_through(&staging.path().join(name), bytes, step).map_err(failed)?;
        }
        if let Some(staged) = staged {
            step("add the model");
            staged.link(&staging.path().join(MODEL_FILE)).map_err(failed)?;
        }
        match self.occupant()? {
            Occupant::Nothing => {
                // Windows cannot rename onto an existing folder, not even an empty one.
                if self.folder.is_dir() {
                    step("remove the empty folder");
                    fs::remove_dir(&self.folder).map_err(failed)?;
                }
                step("rename the hidden folder");
                fs::rename(staging.path(), &self.folder).map_err(|error| match error.kind() {
                    // Another process created the folder in the meantime.
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                        RunError::Exists(self.requested.clone())
                    }
                    _ => failed(error),
                })?;
            }
            Occupant::Run => {
                let old = replace(staging.path(), &self.folder, step).map_err(failed)?;
                step("delete the old run");
                // What cannot be deleted now is swept later.
                let _ = fs::remove_dir_all(old);
            }
        }
        step("unlock it");
        drop(lock);
        // The folder was renamed, so there is nothing to remove.
        let _ = staging.keep();
        Ok(())
    }

    /// Creates a hidden folder with a unique name next to the target and default permissions, and
    /// its lock. It is deleted when it is dropped.
    fn hidden_folder(&self) -> Result<(TempDir, Option<File>), RunError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(leftovers::PREFIX);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        let open = |folder: &TempDir| File::open(folder.path());
        leftovers::held(|| builder.tempdir_in(self.parent()), open, TempDir::path)
            // Only the kind: the full error names the hidden folder, which means nothing to the
            // user.
            .map_err(|error| self.failed(error.kind().into()))
    }
}

/// Whether the file begins with these bytes.
fn begins_with(file: &Path, bytes: &[u8]) -> bool {
    let mut found = vec![0; bytes.len()];
    let read = regular_file::open(file).and_then(|(mut file, _)| file.read_exact(&mut found));
    read.is_ok() && found == bytes
}

/// Writes a new file and flushes it to disk.
fn write_through(path: &Path, bytes: &[u8], step: Step) -> io::Result<()> {
    step("create a file");
    let mut file = File::create_new(path)?;
    step("write it");
    file.write_all(bytes)?;
    step("flush it");
    file.sync_all()
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
