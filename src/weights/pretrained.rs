//! Where pretrained weights are on this machine: built in, in a folder, or named by the user.

use std::fmt;
use std::path::{Path, PathBuf};

use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};

use super::checkpoint::sha256_of;
use super::{Checkpoint, CheckpointError, Digest, PublishedWeights, sha256_of_file};

/// The folder beside the work that is searched first, relative to the current one.
pub const WEIGHTS_FOLDER: &str = "weights";

/// Weights that are here and whole.
#[derive(Clone, Debug)]
pub struct Pretrained {
    origin: Origin,
    sha256: String,
}

#[derive(Clone, Debug)]
enum Origin {
    BuiltIn(&'static PublishedWeights, &'static [u8]),
    File(PathBuf),
}

/// Why weights that are here cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PretrainedError {
    /// The file is at fault.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The content is not what the name promises.
    #[error(
        "`{}` is damaged or another file than its name says: its SHA-256 is {found}, and {expected} is \
         published; delete it and the right one will be downloaded, or rename it if you want to use it as it is",
        .file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is published.
        expected: Digest,
        /// What it has.
        found: String,
    },
}

impl Pretrained {
    /// The file `path`, whatever it holds.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn file(path: &Path) -> Result<Self, CheckpointError> {
        Ok(Self { origin: Origin::File(path.to_owned()), sha256: sha256_of_file(path)? })
    }

    /// The file `path`, which must have the content that was published.
    ///
    /// # Errors
    /// Where it cannot be read, or has another content.
    pub fn checked(path: &Path, published: &PublishedWeights) -> Result<Self, PretrainedError> {
        let sha256 = sha256_of_file(path)?;
        match published.digest.admits(&sha256) {
            true => Ok(Self { origin: Origin::File(path.to_owned()), sha256 }),
            false => Err(PretrainedError::Damaged {
                file: path.to_owned(),
                expected: published.digest.clone(),
                found: sha256,
            }),
        }
    }

    /// The same content, which was renamed.
    pub(super) fn moved(self, path: &Path) -> Self {
        Self { origin: Origin::File(path.to_owned()), ..self }
    }

    /// The published weights, checked: built in, else the file of their name in one of `folders`.
    ///
    /// # Errors
    /// Where a file of that name is there with another content: it is not passed over in silence.
    pub fn published(
        weights: &'static PublishedWeights,
        folders: &[PathBuf],
    ) -> Result<Option<Self>, PretrainedError> {
        if let Some(bytes) = weights.built_in() {
            let origin = Origin::BuiltIn(weights, bytes);
            return Ok(Some(Self { origin, sha256: sha256_of(bytes) }));
        }
        let file =
            folders.iter().map(|folder| folder.join(&weights.file)).find(|file| file.is_file());
        file.map(|file| Self::checked(&file, weights)).transpose()
    }

    /// A file of the user's own for the backbone `name`, unchecked: `<name>.pth` or
    /// `<name>.safetensors` in [`WEIGHTS_FOLDER`].
    ///
    /// # Errors
    /// Where it is there and cannot be read.
    pub fn own(name: &str) -> Result<Option<Self>, PretrainedError> {
        let file = ["pth", "safetensors"]
            .map(|extension| Path::new(WEIGHTS_FOLDER).join(format!("{name}.{extension}")))
            .into_iter()
            .find(|file| file.is_file() && PublishedWeights::of_file(file).is_none());
        Ok(file.map(|file| Self::file(&file)).transpose()?)
    }

    /// The weights of the backbone `name`: the published ones, else the user's own.
    ///
    /// # Errors
    /// As [`published`](Self::published) and [`own`](Self::own).
    pub fn find(name: &str, folders: &[PathBuf]) -> Result<Option<Self>, PretrainedError> {
        if let Some(weights) = PublishedWeights::of(name)
            && let Some(published) = Self::published(weights, folders)?
        {
            return Ok(Some(published));
        }
        Self::own(name)
    }

    /// Opens them.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn open(&self) -> Result<Checkpoint, CheckpointError> {
        match &self.origin {
            Origin::BuiltIn(weights, bytes) => Checkpoint::from_safetensors(&weights.file, bytes),
            Origin::File(path) => Checkpoint::open(path),
        }
    }

    /// The SHA-256 of the content, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The file, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.origin {
            Origin::BuiltIn(..) => None,
            Origin::File(path) => Some(path),
        }
    }
}

impl fmt::Display for Pretrained {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::BuiltIn(weights, _) => write!(formatter, "{} (built in)", weights.file),
            Origin::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

/// The folder of this user's that downloads are kept in: the platform's cache folder
/// (`~/.cache/kindling/weights` on Linux, `~/Library/Caches/kindling/weights` on macOS,
/// `%LOCALAPPDATA%\\kindling\\cache\\weights` on Windows). `None` for a user without a home.
pub fn cache_folder() -> Option<PathBuf> {
    kept_in("weights")
}

/// A folder of the platform's cache folder for this program. `None` for a user without a home.
pub(crate) fn kept_in(part: &str) -> Option<PathBuf> {
    let caches = choose_native_strategy().ok()?.cache_dir();
    // Windows has one folder for all local data of a program.
    let own = if cfg!(windows) { "kindling/cache" } else { "kindling" };
    Some(caches.join(own).join(part))
}
