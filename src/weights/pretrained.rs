//! Where pretrained weights are on this machine: built in, in a folder, or named by the user.

use std::fmt;
use std::path::{Path, PathBuf};

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
         published; delete it, or name it with --weights to use it all the same", .file.display()
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
        // Opened first: a pipe or a device might never end.
        Checkpoint::open(path)?;
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

    /// The weights of the backbone `name`: built in, else the published file in one of `folders`, else
    /// a file of the user's own in [`WEIGHTS_FOLDER`], called `<name>.pth` or `<name>.safetensors`.
    ///
    /// # Errors
    /// Where a published file is there with another content: it is not passed over in silence.
    pub fn find(name: &str, folders: &[PathBuf]) -> Result<Option<Self>, PretrainedError> {
        let published = PublishedWeights::of(name);
        if let Some((weights, bytes)) =
            published.and_then(|weights| Some((weights, weights.built_in()?)))
        {
            let origin = Origin::BuiltIn(weights, bytes);
            return Ok(Some(Self { origin, sha256: sha256_of(bytes) }));
        }
        if let Some(published) = published {
            for file in folders.iter().map(|folder| folder.join(&published.file)) {
                if file.is_file() {
                    return Self::checked(&file, published).map(Some);
                }
            }
        }
        let own = ["pth", "safetensors"]
            .map(|extension| Path::new(WEIGHTS_FOLDER).join(format!("{name}.{extension}")));
        match own.iter().find(|file| file.is_file()) {
            Some(file) => Ok(Some(Self::file(file)?)),
            None => Ok(None),
        }
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
    let folders = directories::ProjectDirs::from("", "", "kindling")?;
    Some(folders.cache_dir().join("weights"))
}
