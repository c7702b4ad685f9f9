//! What computed the features of a space, in words: its folder is called by a digest.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::output::hidden_file;
use crate::printable::printable;

/// The file in a space's folder that holds the words.
pub(super) const FILE: &str = "network.txt";
/// Maximum length of the file, in bytes. A longer one is not ours.
const MAX_BYTES: u64 = 1000;

/// Writes the label of the space in `folder`, unless it is there.
pub(super) fn write(folder: &Path, label: &str) -> io::Result<()> {
    if read(folder).as_deref() == Some(label) {
        return Ok(());
    }
    let mut file = hidden_file(folder)?;
    writeln!(file, "{label}")?;
    file.persist(folder.join(FILE))?;
    Ok(())
}

/// The label of the space in `folder`; `None` in caches of older versions.
pub(super) fn read(folder: &Path) -> Option<String> {
    let path = folder.join(FILE);
    let metadata = fs::symlink_metadata(&path).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return None;
    }
    let text = fs::read_to_string(&path).ok()?;
    text.lines().next().map(printable).filter(|label| !label.is_empty())
}
