//! A file that a command leaves behind: it appears whole or not at all, and never over another one
//! unasked.

use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A file is there already.
    #[error("`{}` is there already; name another file, or --force to replace it", .0.display())]
    Exists(PathBuf),
    /// Something else is there, which no file can replace.
    #[error("`{}` is there already and is no regular file; name another file", .0.display())]
    NotAFile(PathBuf),
    /// The file system refused.
    #[error("`{}` cannot be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

/// Where a file will be written: a place that was free when it was reserved.
#[derive(Debug)]
pub struct OutputFile {
    /// As it was asked for, to speak of.
    asked: PathBuf,
    /// Where it is put: a link that is replaced stays one.
    place: PathBuf,
    force: bool,
}

/// A file whose content is on the disk, under another name beside its place.
#[derive(Debug)]
pub struct StagedFile {
    output: OutputFile,
    file: NamedTempFile,
    bytes: u64,
}

impl OutputFile {
    /// Sees that a file can be written to `path`: nothing is there, or a file and `force`; and that files
    /// can be made beside it. Folders above it are made. Asked before the work, so that it does not
    /// end in a refusal.
    ///
    /// # Errors
    /// Where it cannot.
    pub fn reserve(path: &Path, force: bool) -> Result<Self, OutputError> {
        let failed = |error| OutputError::Write(path.to_owned(), error);
        let place = match path.is_symlink() {
            true => path.canonicalize().map_err(failed)?,
            false => path.to_owned(),
        };
        let reserved = Self { asked: path.to_owned(), place, force };
        match fs::metadata(&reserved.place) {
            Ok(found) if !found.is_file() => return Err(OutputError::NotAFile(path.to_owned())),
            Ok(_) if !force => return Err(OutputError::Exists(path.to_owned())),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        // Such as `folder/..`, and a name that ends in a slash.
        if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(OutputError::NotAFile(path.to_owned()));
        }
        fs::create_dir_all(reserved.folder()).map_err(failed)?;
        reserved.hidden_file()?.close().map_err(failed)?;
        Ok(reserved)
    }

    /// Writes the content to a hidden file beside the place, through to the disk.
    ///
    /// # Errors
    /// Where the file system refuses, or the first error of `content`; then nothing is left behind.
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
            Err(error) => Err(OutputError::Write(self.asked, error)),
        }
    }

    /// Writes the file and says how many bytes it has.
    ///
    /// # Errors
    /// As [`stage`](Self::stage) and [`publish`](StagedFile::publish).
    pub fn write(self, content: &[u8]) -> Result<u64, OutputError> {
        self.stage(|out| out.write_all(content))?.publish()
    }

    fn folder(&self) -> &Path {
        match self.place.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => &self.place,
        }
    }

    fn hidden_file(&self) -> Result<NamedTempFile, OutputError> {
        hidden_file(self.folder()).map_err(|error| OutputError::Write(self.asked.clone(), error))
    }
}

/// Whether a file has `mark` in its first kilobyte, as files of ours have. A pipe or a device has none, and is
/// not read: that might never end.
pub(crate) fn has_mark(file: &Path, mark: &str) -> bool {
    let mut start = Vec::new();
    let is_file = fs::metadata(file).is_ok_and(|found| found.is_file());
    let read = |file: fs::File| file.take(1024).read_to_end(&mut start);
    is_file
        && fs::File::open(file).and_then(read).is_ok()
        && String::from_utf8_lossy(&start).contains(mark)
}

/// A file of a name of its own in `folder`, to be renamed when it is whole and removed when it is dropped,
/// with the permissions of any other.
pub(crate) fn hidden_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".kindling-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    // The kind alone: the error itself names the hidden file, which tells nobody anything.
    builder.tempfile_in(folder).map_err(|error| error.kind().into())
}

impl StagedFile {
    /// Gives the file its name, and says how many bytes it has.
    ///
    /// # Errors
    /// Where a file has come to be there in the meantime, or the file system refuses; what was there
    /// still is.
    pub fn publish(self) -> Result<u64, OutputError> {
        let Self { output: OutputFile { asked, place, force }, file, bytes } = self;
        let published = match force {
            true => file.persist(&place),
            false => file.persist_noclobber(&place),
        };
        match published {
            Ok(_) => Ok(bytes),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(OutputError::Exists(asked))
            }
            Err(error) => Err(OutputError::Write(asked, error.error)),
        }
    }
}
