//! Output files of commands: written atomically, and never over an existing file unless forced.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::leftovers;
use crate::printable::PathText;
use crate::regular_file;

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The file already exists.
    #[error(
        "`{}` already exists; choose another file name, or pass --force to replace it", .0.shown()
    )]
    Exists(PathBuf),
    /// The path exists and is not a regular file, so a file cannot replace it.
    #[error(
        "`{}` already exists and is not a regular file; choose another file name", .0.shown()
    )]
    NotAFile(PathBuf),
    /// The file system returned an error.
    #[error("`{}` cannot be written", .0.shown())]
    Write(PathBuf, #[source] io::Error),
}

/// The path of a file to be written, checked by [`reserve`](Self::reserve).
#[derive(Debug)]
pub struct OutputFile {
    /// The path as the user gave it, for messages.
    requested: PathBuf,
    /// The path to write to. If the requested path is a symbolic link, the path it points to.
    target: PathBuf,
    force: bool,
}

/// A file whose content is on the disk under a temporary name in the target's folder.
#[derive(Debug)]
pub struct StagedFile {
    output: OutputFile,
    file: NamedTempFile,
    bytes: u64,
}

impl OutputFile {
    /// Checks that a file can be written to `path`, and creates its parent folders. Call it before
    /// the work, so that a long computation does not end with an error here.
    ///
    /// # Errors
    /// If a file exists and `force` is false, if something other than a file exists, or if the
    /// folder is not writable.
    pub fn reserve(path: &Path, force: bool) -> Result<Self, OutputError> {
        let failed = |error| OutputError::Write(path.to_owned(), error);
        let target = match path.is_symlink() {
            true => path.canonicalize().map_err(failed)?,
            false => path.to_owned(),
        };
        let reserved = Self { requested: path.to_owned(), target, force };
        match fs::metadata(&reserved.target) {
            Ok(found) if !found.is_file() => return Err(OutputError::NotAFile(path.to_owned())),
            Ok(_) if !force => return Err(OutputError::Exists(path.to_owned())),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        // Such as `folder/..`, or a path that ends in a slash.
        if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(OutputError::NotAFile(path.to_owned()));
        }
        fs::create_dir_all(reserved.folder()).map_err(failed)?;
        leftovers::sweep(reserved.folder(), |_| false);
        reserved.hidden_file()?.close().map_err(failed)?;
        Ok(reserved)
    }

    /// Writes the content to a hidden file in the same folder and syncs it to disk.
    ///
    /// # Errors
    /// If `content` or the file system returns an error. The hidden file is then removed.
    pub fn stage(
        self,
        content: impl FnOnce(&mut BufWriter<&fs::File>) -> io::Result<()>,
    ) -> Result<StagedFile, OutputError> {
        let file = self.hidden_file()?;
        let write = || {
            let mut out = BufWriter::new(file.as_file());
            content(&mut out)?;
            out.flush()?;
            drop(out);
            file.as_file().sync_all()?;
            Ok(file.as_file().metadata()?.len())
        };
        match write() {
            Ok(bytes) => Ok(StagedFile { output: self, file, bytes }),
            Err(error) => Err(OutputError::Write(self.requested, error)),
        }
    }

    /// Writes the file and returns its size in bytes.
    ///
    /// # Errors
    /// See [`stage`](Self::stage) and [`publish`](StagedFile::publish).
    pub fn write(self, content: &[u8]) -> Result<u64, OutputError> {
        self.stage(|out| out.write_all(content))?.publish()
    }

    fn folder(&self) -> &Path {
        match self.target.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => &self.target,
        }
    }

    fn hidden_file(&self) -> Result<NamedTempFile, OutputError> {
        hidden_file(self.folder())
            .map_err(|error| OutputError::Write(self.requested.clone(), error))
    }
}

/// Whether the first kilobyte of a file contains `mark`, as in files written by Kindling. False for
/// a pipe or a device, which is not read because reading might never end.
pub(crate) fn has_mark(file: &Path, mark: &str) -> bool {
    regular_file::read_head(file, 1024)
        .is_ok_and(|start| String::from_utf8_lossy(&start).contains(mark))
}

/// Whether `name` looks like that of a [`hidden_file`].
pub(crate) fn is_hidden_file(name: &str) -> bool {
    let random = name.strip_prefix(leftovers::PREFIX);
    random.is_some_and(|random| {
        random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Creates a hidden file with a unique name in `folder`, with the permissions of an ordinary file.
/// It is renamed when it is complete, and removed when it is dropped.
pub(crate) fn hidden_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(leftovers::PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    // The clone shares the lock, which lasts until both are closed.
    let open = |file: &NamedTempFile| file.as_file().try_clone();
    let (file, _) = leftovers::held(|| builder.tempfile_in(folder), open, NamedTempFile::path)
        // Only the kind: the full error names the hidden file, which means nothing to the user.
        .map_err(|error| io::Error::from(error.kind()))?;
    Ok(file)
}

impl StagedFile {
    /// Renames the file to its target and returns its size in bytes.
    ///
    /// # Errors
    /// If another file was created there in the meantime, or the file system returns an error. An
    /// existing file is then left unchanged.
    pub fn publish(self) -> Result<u64, OutputError> {
        let Self { output: OutputFile { requested, target, force }, file, bytes } = self;
        let published = match force {
            true => file.persist(&target),
            false => file.persist_noclobber(&target),
        };
        match published {
            Ok(_) => Ok(bytes),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(OutputError::Exists(requested))
            }
            Err(error) => Err(OutputError::Write(requested, error.error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_are_recognised_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let hidden = hidden_file(folder.path()).unwrap();
        assert!(is_hidden_file(hidden.path().file_name().unwrap().to_str().unwrap()));
        for other in [".kindling-", ".kindling-abc.ef", ".kindling-abcdefg", ".config"] {
            assert!(!is_hidden_file(other), "{other}");
        }
    }
}
