//! A run folder appears whole or not at all.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::card::CARD_MARK;
use super::history::metrics_csv;
use super::{
    CARD_FILE, CLASSES_FILE, CONFIG_FILE, CURVES_FILE, METRICS_FILE, MODEL_FILE, REPORT_FILE,
    RunConfig, SUMMARY_FILE, Summary,
};
use crate::head::EpochMetrics;
use crate::output::has_mark;
use crate::report::Report;

/// Everything that a run folder holds, whichever version wrote it.
const FILES: [&str; 8] = [
    MODEL_FILE,
    CLASSES_FILE,
    CONFIG_FILE,
    METRICS_FILE,
    SUMMARY_FILE,
    REPORT_FILE,
    CURVES_FILE,
    CARD_FILE,
];

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
    /// The report, an HTML page, where there is one.
    pub report: Option<&'a str>,
    /// The curves of the epochs, an SVG drawing, likewise.
    pub curves: Option<&'a str>,
    /// The model card, in Markdown.
    pub card: &'a str,
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
    /// A run with something of the user's in it.
    #[error(
        "`{}` holds `{}` beside a run, which --force would delete; move it away or give another --out",
        .folder.display(), .other.display()
    )]
    NotOnlyARun {
        /// The folder.
        folder: PathBuf,
        /// The first file that no run has.
        other: PathBuf,
    },
    /// A folder that the program stands in.
    #[error("a run needs a folder of its own, and `{}` is the current folder or above it", .0.display())]
    WorkingFolder(PathBuf),
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

/// Where a run will be written: a place that was free when it was reserved.
#[derive(Debug)]
pub struct RunPlace {
    /// As it was asked for, to speak of.
    asked: PathBuf,
    /// Absolute, links resolved.
    folder: PathBuf,
    force: bool,
}

/// What is at the place of a run folder.
enum Occupant {
    Nothing,
    Run,
}

impl RunPlace {
    /// Sees that a run can be written to `folder`: nothing is there, or an empty folder, or a run
    /// (and nothing else) and `force`; and that folders can be made beside it. Asked before training,
    /// so that an hour of work does not end in a refusal.
    ///
    /// # Errors
    /// Where it cannot.
    pub fn reserve(folder: &Path, force: bool) -> Result<Self, RunError> {
        let failed = |error| RunError::Write(folder.to_owned(), error);
        // `.` and links are resolved, so that what is renamed at the end is the folder itself.
        let place = match folder.canonicalize() {
            Ok(place) => place,
            Err(_) if folder.is_symlink() => return Err(RunError::NotARun(folder.to_owned())),
            Err(_) => std::path::absolute(folder).map_err(failed)?,
        };
        if std::env::current_dir()
            .and_then(|here| here.canonicalize())
            .is_ok_and(|here| here.starts_with(&place))
        {
            return Err(RunError::WorkingFolder(folder.to_owned()));
        }
        let place = Self { asked: folder.to_owned(), folder: place, force };
        place.occupant()?;
        fs::create_dir_all(place.parent()).map_err(failed)?;
        place.hidden_folder()?.close().map_err(failed)?;
        Ok(place)
    }

    fn parent(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    fn failed(&self, error: io::Error) -> RunError {
        RunError::Write(self.asked.clone(), error)
    }

    fn occupant(&self) -> Result<Occupant, RunError> {
        let folder = &self.folder;
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupant::Nothing),
            Err(_) if folder.is_file() => return Err(RunError::NotARun(self.asked.clone())),
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
            return Err(RunError::NotARun(self.asked.clone()));
        }
        match names.into_iter().find(|name| !self.is_of_a_run(name)) {
            _ if !self.force => Err(RunError::Exists(self.asked.clone())),
            Some(other) => {
                Err(RunError::NotOnlyARun { folder: self.asked.clone(), other: other.into() })
            }
            None => Ok(Occupant::Run),
        }
    }

    /// Whether a file of this name in the folder is one that a run has. People write a README.md or a
    /// report.html themselves, too: those are not ours.
    fn is_of_a_run(&self, name: &OsStr) -> bool {
        let file = self.folder.join(name);
        match name.to_str() {
            Some(CARD_FILE) => has_mark(&file, CARD_MARK),
            Some(REPORT_FILE | CURVES_FILE) => Report::is_one(&file),
            name => FILES.iter().any(|file| name == Some(file)),
        }
    }

    /// Writes the run: into a hidden folder beside its place, which is renamed when all of it is on
    /// the disk. A run that it replaces is there until then.
    ///
    /// # Errors
    /// Where something has come to be in the way, or the file system refuses; then nothing is left
    /// behind and what was there still is.
    pub fn write(&self, content: &FolderContent) -> Result<(), RunError> {
        let failed = |error| self.failed(error);
        let config = toml::to_string_pretty(content.config)?;
        let summary = serde_json::to_string_pretty(content.summary)? + "\n";
        let classes: String = content.classes.iter().map(|class| format!("{class}\n")).collect();
        let metrics = metrics_csv(content.epochs);

        let staging = self.hidden_folder()?;
        for (name, bytes) in [
            (CLASSES_FILE, Some(classes.as_bytes())),
            (CONFIG_FILE, Some(config.as_bytes())),
            (METRICS_FILE, Some(metrics.as_bytes())),
            (SUMMARY_FILE, Some(summary.as_bytes())),
            (REPORT_FILE, content.report.map(str::as_bytes)),
            (CURVES_FILE, content.curves.map(str::as_bytes)),
            (CARD_FILE, Some(content.card.as_bytes())),
            (MODEL_FILE, Some(content.model)),
        ] {
            let Some(bytes) = bytes else { continue };
            write_through(&staging.path().join(name), bytes).map_err(failed)?;
        }
        match self.occupant()? {
            Occupant::Nothing => {
                // Windows does not rename onto a folder, not even an empty one.
                if self.folder.is_dir() {
                    fs::remove_dir(&self.folder).map_err(failed)?;
                }
                fs::rename(staging.path(), &self.folder).map_err(|error| match error.kind() {
                    // Another run was quicker by a moment.
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                        RunError::Exists(self.asked.clone())
                    }
                    _ => failed(error),
                })?;
            }
            Occupant::Run => {
                let aside = self.hidden_folder()?;
                let old = aside.path().join("replaced");
                fs::rename(&self.folder, &old).map_err(failed)?;
                if let Err(error) = fs::rename(staging.path(), &self.folder) {
                    // Back to what was there. Should even that fail, the old run must not go with
                    // `aside`.
                    if fs::rename(&old, &self.folder).is_err() {
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

    /// A folder of a name of its own beside the place, removed when it is dropped, with the
    /// permissions of any other.
    fn hidden_folder(&self) -> Result<tempfile::TempDir, RunError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".kindling-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        // The kind alone: the error itself names the hidden folder, which tells nobody anything.
        builder.tempdir_in(self.parent()).map_err(|error| self.failed(error.kind().into()))
    }
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
