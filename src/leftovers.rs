//! Hidden temporary files and folders that programs left behind when they were killed.
//!
//! A program locks what it writes under a temporary name, and the lock ends with the program. So
//! what can be locked belongs to nobody, and is deleted.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

/// The start of every temporary name.
pub(crate) const PREFIX: &str = ".kindling-";
/// Length of the random part, as `tempfile` makes it.
const RANDOM: usize = 6;
/// Attempts to create something that no sweeping program deletes.
const ATTEMPTS: usize = 10;

/// Creates something temporary and locks it, until the file is dropped.
///
/// A program that sweeps may delete it before it is locked. Then another one is created.
///
/// # Errors
/// If `create` fails, or all that it created was deleted.
pub(crate) fn held<T>(
    create: impl Fn() -> io::Result<T>,
    open: impl Fn(&T) -> io::Result<File>,
    path: impl Fn(&T) -> &Path,
) -> io::Result<(T, Option<File>)> {
    for _ in 0..ATTEMPTS {
        let created = create()?;
        // Windows does not open folders as files; nothing is swept there.
        let Ok(file) = open(&created) else { return Ok((created, None)) };
        // If the file system has no locks, nobody can sweep there either.
        let is_locked = !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
        if is_locked && path(&created).exists() {
            return Ok((created, Some(file)));
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Deletes the abandoned temporary files in `folder`, and abandoned temporary folders that hold
/// nothing but files for which `belongs` is true.
pub(crate) fn sweep(folder: &Path, belongs: impl Fn(&OsStr) -> bool) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let is_temporary = random.is_some_and(|random| {
            random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        let Ok(kind) = entry.file_type() else { continue };
        if !is_temporary || !(kind.is_file() || kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        let Ok(opened) = File::open(&path) else { continue };
        if opened.try_lock().is_err() {
            continue;
        }
        log::debug!("`{}`: deleted, it was left behind", path.display());
        let _ = match kind.is_file() {
            true => fs::remove_file(&path),
            false => remove_folder(&path, &belongs),
        };
    }
}

/// Deletes a folder, if all that it holds belongs to a run.
fn remove_folder(folder: &Path, belongs: impl Fn(&OsStr) -> bool) -> io::Result<()> {
    let files: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    let known = |file: &fs::DirEntry| {
        file.file_type().is_ok_and(|kind| kind.is_file()) && belongs(&file.file_name())
    };
    if files.iter().all(known) {
        for file in &files {
            fs::remove_file(file.path())?;
        }
        fs::remove_dir(folder)?;
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_holds_is_swept_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        let held = crate::output::hidden_file(place).unwrap();
        for file in [".kindling-abc123", ".kindling-notes", "kindling-abc123"] {
            fs::write(place.join(file), "text").unwrap();
        }
        for (name, file) in [(".kindling-AAAAAA", "model"), (".kindling-BBBBBB", "mine")] {
            fs::create_dir(place.join(name)).unwrap();
            fs::write(place.join(name).join(file), "text").unwrap();
        }
        let locked = File::open(place.join(".kindling-AAAAAA")).unwrap();
        locked.try_lock().unwrap();
        let names = || {
            sweep(place, |name| name == "model");
            let mut names: Vec<_> =
                fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let held_name = held.path().file_name().unwrap().to_owned();
        let mut expected: Vec<std::ffi::OsString> =
            [".kindling-AAAAAA", ".kindling-BBBBBB", ".kindling-notes", "kindling-abc123"]
                .map(Into::into)
                .into();
        expected.push(held_name.clone());
        expected.sort();
        assert_eq!(names(), expected);
        drop(locked);
        expected.retain(|name| name != ".kindling-AAAAAA");
        assert_eq!(names(), expected);
        drop(held);
        expected.retain(|name| *name != held_name);
        assert_eq!(names(), expected);
    }

    #[test]
    fn what_is_deleted_before_it_is_locked_is_created_again() {
        let folder = tempfile::tempdir().unwrap();
        let deleted = std::cell::Cell::new(0);
        let create = || tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder.path());
        let open = |created: &tempfile::TempDir| {
            let file = File::open(created.path());
            // Another program sweeps at the worst moment, twice.
            if deleted.get() < 2 {
                deleted.set(deleted.get() + 1);
                sweep(folder.path(), |_| false);
            }
            file
        };
        let (created, _lock) = held(create, open, tempfile::TempDir::path).unwrap();
        assert_eq!(deleted.get(), 2);
        assert!(created.path().is_dir());
        sweep(folder.path(), |_| false);
        assert!(created.path().is_dir());
    }
}
