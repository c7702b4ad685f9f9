//! Features of the photos that a command was given.

use std::path::Path;

use anyhow::{Result, bail};
use kindling::features::{Extraction, Extractor};
use kindling::photos::PassedOver;

use super::terminal::{photo_bar, text, told, warn_skipped};

/// Files that gave no photo, with why.
pub type Skipped = Vec<(String, String)>;

/// The features of `paths`, which were found in `data`, under a progress bar called `what`; and what was
/// skipped, which `passed_over` is part of and which is warned of.
///
/// # Errors
/// Where the device fails, or no file gave a photo.
pub fn extract(
    paths: &[&Path],
    passed_over: &[PassedOver],
    data: &Path,
    extractor: &Extractor,
    what: &'static str,
    quiet: bool,
) -> Result<(Extraction, Skipped)> {
    let bar = photo_bar(paths.len(), what, quiet);
    let extraction = extractor.all(paths, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    let passed_over = passed_over.iter().map(|file| (text(&file.path), file.reason.clone()));
    let failed = extraction.failed.iter().map(|(index, error)| (text(paths[*index]), told(error)));
    let skipped: Skipped = passed_over.chain(failed).collect();
    warn_skipped(&skipped);
    if extraction.photos.is_empty() {
        bail!("no photo in `{}` could be decoded", data.display());
    }
    Ok((extraction, skipped))
}
