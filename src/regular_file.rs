//! Reads regular files, and at most as many bytes as their length says: a pipe, a device or a file
//! of the kernel (`/proc`) would block the program or never end.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Limit for the text files of a run, in bytes.
pub(crate) const MAX_TEXT_BYTES: u64 = 64 << 20;

/// Opens a regular file, and returns it with its length.
///
/// # Errors
/// If it cannot be opened or is not a regular file.
pub(crate) fn open(path: &Path) -> io::Result<(File, u64)> {
    // Opening a pipe would already wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// If it cannot be read, is not a regular file or is larger.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let (file, length) = open(path)?;
    if length > limit {
        let mib = limit >> 20;
        return Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!("it is larger than {mib} MiB"),
        ));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a regular file of UTF-8 text of at most [`MAX_TEXT_BYTES`] bytes.
///
/// # Errors
/// If it cannot be read, is not a regular file, is larger or is not UTF-8.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path, MAX_TEXT_BYTES)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// Reads the first `count` bytes of a regular file, or all of a shorter one.
///
/// # Errors
/// If it cannot be read or is not a regular file.
pub(crate) fn read_head(path: &Path, count: usize) -> io::Result<Vec<u8>> {
    let (file, length) = open(path)?;
    let count = length.min(count as u64);
    let mut bytes = Vec::with_capacity(count as usize);
    file.take(count).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn devices_and_files_of_the_kernel_are_not_waited_for() {
        let zero = read(Path::new("/dev/zero"), 10).unwrap_err();
        assert_eq!(zero.to_string(), "it is not a regular file");
        // It is regular, claims to be empty, and has content.
        assert_eq!(read(Path::new("/proc/self/status"), 10).unwrap(), b"");
        assert_eq!(read_head(Path::new("/proc/self/status"), 10).unwrap(), b"");
    }

    #[test]
    fn a_file_is_read_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "some text").unwrap();
        assert_eq!(read(&file, 9).unwrap(), b"some text");
        assert_eq!(read(&file, 8).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(read_head(&file, 4).unwrap(), b"some");
        assert_eq!(read_head(&file, 40).unwrap(), b"some text");
        fs::write(&file, b"caf\xe9").unwrap();
        assert_eq!(read_text(&file).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
