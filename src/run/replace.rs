//! Puts a new run in the place of an old one, without a moment in which no run can be found.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{CONFIG_FILE, MODEL_FILE};

/// What is about to happen to a run folder, for tests that stop before it.
pub(super) type Step<'a> = &'a mut dyn FnMut(&'static str);

/// Puts the folder `new` in the place of the run `run`. The old run is then at the returned path.
///
/// The two are exchanged in one step where the system can do that. Elsewhere the old run is moved
/// away first, to where [`restore_replaced`] finds it if the program ends before the new one is
/// there.
pub(super) fn replace(new: &Path, run: &Path, step: Step) -> io::Result<PathBuf> {
    step("exchange the runs");
    match exchange(new, run) {
        Ok(()) => Ok(new.to_owned()),
        Err(_) => by_two_renames(new, run, step),
    }
}

/// Moves the old run away, then the new one to its place.
pub(super) fn by_two_renames(new: &Path, run: &Path, step: Step) -> io::Result<PathBuf> {
    let aside = aside(run).ok_or(io::ErrorKind::InvalidInput)?;
    step("move the old run away");
    fs::rename(run, &aside)?;
    step("move the new run to its place");
    if let Err(error) = fs::rename(new, run) {
        // If this fails too, the next command does it.
        let _ = fs::rename(&aside, run);
        return Err(error);
    }
    Ok(aside)
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Where a run waits while it is replaced by two renames: a hidden folder beside it.
fn aside(run: &Path) -> Option<PathBuf> {
    let mut name = std::ffi::OsString::from(".kindling-replaced-");
    name.push(run.file_name()?);
    Some(run.with_file_name(name))
}

/// Puts a run back that was moved away to be replaced, if the program that did so ended before the
/// new run was there. Returns whether it did. Call it before a run folder is looked at.
pub fn restore_replaced(run: &Path) -> bool {
    // Links and `..` are resolved as far as there is something.
    let run = run.canonicalize().or_else(|_| std::path::absolute(run));
    let Some((run, aside)) = run.ok().and_then(|run| aside(&run).map(|aside| (run, aside))) else {
        return false;
    };
    let is_run =
        |folder: &Path| [MODEL_FILE, CONFIG_FILE].iter().all(|file| folder.join(file).is_file());
    match is_run(&aside) {
        false => false,
        // It ended before it deleted the old run.
        true if is_run(&run) => {
            let _ = fs::remove_dir_all(&aside);
            false
        }
        true => run.symlink_metadata().is_err() && fs::rename(&aside, &run).is_ok(),
    }
}
