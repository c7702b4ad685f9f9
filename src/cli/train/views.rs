//! The further views of photos that were put among the training photos after the extraction.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Result, bail};
use kindling::FeatureRows;
use kindling::features::{Extraction, Extractor};
use kindling::printable::PathText;

use crate::cli::extraction::stopped;
use crate::cli::interrupt;

/// The further views of the photos at `train`, in this order, if each has `views` views. Those of
/// `trained_on`, the training photos of `before`, are there; those of the others are computed.
///
/// # Errors
/// If a photo can no longer be decoded, or the device fails.
pub fn further_views(
    extractor: &Extractor,
    (before, trained_on): (&Extraction<FeatureRows>, &[&Path]),
    train: &[&Path],
    views: usize,
) -> Result<Vec<f32>> {
    if views == 1 {
        return Ok(Vec::new());
    }
    let length = (views - 1) * extractor.width();
    let mut known: HashMap<&Path, &[f32]> =
        trained_on.iter().copied().zip(before.further_views.chunks_exact(length)).collect();
    let new: Vec<&Path> = train.iter().copied().filter(|path| !known.contains_key(path)).collect();
    let computed = extractor
        .views_unless(&new, |_| views, |_| interrupt::check(extractor))
        .map_err(|error| stopped(error, extractor))?;
    if let Some((index, error)) = computed.failed.first() {
        bail!("`{}` could be read before, and now {error}", new[*index].shown());
    }
    known.extend(new.into_iter().zip(computed.further_views.chunks_exact(length)));
    Ok(train.iter().flat_map(|path| known[path]).copied().collect())
}
