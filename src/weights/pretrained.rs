//! Finds pretrained weights on this machine: built in, in a folder, or in a file given by the user.

use crate::printable::PathText;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};

use super::checkpoint::sha256_of;
use super::{Checkpoint, CheckpointError, Digest, PublishedWeights, sha256_of_file};

/// The folder that is searched first, relative to the current folder.
pub const WEIGHTS_FOLDER: &str = "weights";

/// Pretrained weights that are available on this machine, with their SHA-256.
#[derive(Clone, Debug)]
pub struct Pretrained {
    origin: Origin,
}

#[derive(Clone, Debug)]
enum Origin {
    /// The SHA-256 is computed when someone asks for it.
    BuiltIn {
        weights: &'static PublishedWeights,
        bytes: &'static [u8],
        sha256: OnceLock<String>,
    },
    File {
        path: PathBuf,
        sha256: String,
    },
}

/// Why weights on this machine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PretrainedError {
    /// The file cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The file has the name of published weights, but another SHA-256.
    #[error(
        "`{}` is damaged or not the file that its name says: its SHA-256 is {found} instead of \
         {expected}; delete it to download the right one, or rename it to use it as it is",
        .file.shown()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Digest of the published file.
        expected: Digest,
        /// SHA-256 of the file.
        found: String,
    },
}

impl Pretrained {
    /// Uses the file `path`, without checking its digest.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn file(path: &Path) -> Result<Self, CheckpointError> {
        let (path, sha256) = (path.to_owned(), sha256_of_file(path)?);
        Ok(Self { origin: Origin::File { path, sha256 } })
    }

    /// Uses the file `path`, and checks that it has the digest of the published weights.
    ///
    /// # Errors
    /// If the file cannot be read or has another digest.
    pub fn checked(path: &Path, published: &PublishedWeights) -> Result<Self, PretrainedError> {
        let sha256 = sha256_of_file(path)?;
        match published.digest.admits(&sha256) {
            true => Ok(Self { origin: Origin::File { path: path.to_owned(), sha256 } }),
            false => Err(PretrainedError::Damaged {
                file: path.to_owned(),
                expected: published.digest.clone(),
                found: sha256,
            }),
        }
    }

    /// The same content after the file was renamed to `path`.
    pub(super) fn moved(self, path: &Path) -> Self {
        let (path, sha256) = (path.to_owned(), self.sha256().to_owned());
        Self { origin: Origin::File { path, sha256 } }
    }

    /// Finds the published weights: built in, or else the first file with their name in `folders`,
    /// whose digest is checked. Returns `None` if neither exists.
    ///
    /// # Errors
    /// If the file cannot be read or has another digest. Such a file is not silently ignored.
    pub fn published(
        weights: &'static PublishedWeights,
        folders: &[PathBuf],
    ) -> Result<Option<Self>, PretrainedError> {
        if let Some(bytes) = weights.built_in {
            let origin = Origin::BuiltIn { weights, bytes, sha256: OnceLock::new() };
            return Ok(Some(Self { origin }));
        }
        let file =
            folders.iter().map(|folder| folder.join(&weights.file)).find(|file| file.is_file());
        file.map(|file| Self::checked(&file, weights)).transpose()
    }

    /// Finds the user's own weights for the backbone `name`: `<name>.pth` or `<name>.safetensors`
    /// in [`WEIGHTS_FOLDER`]. There is no digest to check. Returns `None` if there is no such file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn own(name: &str) -> Result<Option<Self>, PretrainedError> {
        let file = ["pth", "safetensors"]
            .map(|extension| Path::new(WEIGHTS_FOLDER).join(format!("{name}.{extension}")))
            .into_iter()
            .find(|file| file.is_file() && PublishedWeights::of_file(file).is_none());
        Ok(file.map(|file| Self::file(&file)).transpose()?)
    }

    /// Finds the weights of the backbone `name`: the published ones, or else the user's own.
    ///
    /// # Errors
    /// See [`published`](Self::published) and [`own`](Self::own).
    pub fn find(name: &str, folders: &[PathBuf]) -> Result<Option<Self>, PretrainedError> {
        if let Some(weights) = PublishedWeights::of(name)
            && let Some(published) = Self::published(weights, folders)?
        {
            return Ok(Some(published));
        }
        Self::own(name)
    }

    /// Opens the weights.
    ///
    /// # Errors
    /// See [`Checkpoint::open`].
    pub fn open(&self) -> Result<Checkpoint, CheckpointError> {
        match &self.origin {
            Origin::BuiltIn { weights, bytes, .. } => Checkpoint::built_in(&weights.file, bytes),
            Origin::File { path, .. } => Checkpoint::open(path),
        }
    }

    /// SHA-256 of the content, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        match &self.origin {
            Origin::BuiltIn { bytes, sha256, .. } => sha256.get_or_init(|| sha256_of(bytes)),
            Origin::File { sha256, .. } => sha256,
        }
    }

    /// Path of the file; `None` if the weights are built in.
    pub fn path(&self) -> Option<&Path> {
        match &self.origin {
            Origin::BuiltIn { .. } => None,
            Origin::File { path, .. } => Some(path),
        }
    }
}

impl fmt::Display for Pretrained {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::BuiltIn { weights, .. } => write!(formatter, "{} (built in)", weights.file),
            Origin::File { path, .. } => write!(formatter, "{}", path.shown()),
        }
    }
}

/// The user's folder for downloaded weights, in the platform's cache folder
/// (`~/.cache/kindling/weights` on Linux, `~/Library/Caches/kindling/weights` on macOS,
/// `%LOCALAPPDATA%\\kindling\\cache\\weights` on Windows). `None` if the user has no home folder.
pub fn cache_folder() -> Option<PathBuf> {
    kept_in("weights")
}

/// The subfolder `part` of Kindling's cache folder. `None` if the user has no home folder.
pub(crate) fn kept_in(part: &str) -> Option<PathBuf> {
    let caches = choose_native_strategy().ok()?.cache_dir();
    // Windows has one folder for all local data of a program, not only for its cache.
    let own = if cfg!(windows) { "kindling/cache" } else { "kindling" };
    Some(caches.join(own).join(part))
}
