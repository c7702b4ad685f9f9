//! Features of the photos that a command was given.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use burn::tensor::Device;
use clap::{Args, ValueHint};
use kindling::Precision;
use kindling::backbone::{Backbone, CpuNetwork};
use kindling::device::{Backend, DeviceInfo};
use kindling::features::cache::CacheError;
use kindling::features::{ExtractError, Extraction, Extractor};
use kindling::photos::{PassedOver, Recipe};
use serde::{Serialize, Serializer};

use super::cache;
use super::terminal::{counted, photo_bar, text, told, warn, warn_skipped};

/// Files that gave no photo, with why.
pub type Skipped = Vec<(String, String)>;

/// Set where no features shall be kept unless a command says so.
const NO_CACHE: &str = "KINDLING_NO_CACHE";

/// The options of every command that computes features.
#[derive(Args, Clone, Serialize)]
pub struct FeaturesArg {
    /// Folder of the feature cache [default: the user's]
    ///
    /// The features of each photo are kept there, and not computed again: `kindling cache --help`.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    cache: Option<PathBuf>,

    /// Compute the features of every photo anew, and keep none
    ///
    /// KINDLING_NO_CACHE=1 in the environment does so for every command without --cache.
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,

    /// How a GPU stores values on the way through the network: f32 or f16
    ///
    /// f16 takes half the memory and half the traffic, and three digits instead of seven; sums are f32 either way. It
    /// needs an adapter that has it: `kindling devices`.
    #[arg(long, value_name = "PRECISION", default_value_t = Precision::F32)]
    #[serde(serialize_with = "as_text")]
    precision: Precision,
}

fn as_text<S: Serializer>(precision: &Precision, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&precision.to_string())
}

impl FeaturesArg {
    /// The folder of the cache, where one is to be used.
    fn folder(&self) -> Option<PathBuf> {
        let never = std::env::var_os(NO_CACHE).is_some_and(|word| !word.is_empty() && word != "0");
        match self.no_cache || (never && self.cache.is_none()) {
            true => None,
            false => cache::folder(self.cache.as_deref()),
        }
    }
}

fn warn_uncached(error: &CacheError) {
    warn(&format!("features are not kept: {}", told(error)));
}

/// What turns photos into features on the device of `info`, in the precision and with the cache that are asked for. A cache
/// that cannot be opened is warned of, and done without.
///
/// # Errors
/// Where the device does not compute in that precision.
pub fn extractor<'a>(
    backbone: &'a Backbone,
    recipe: Recipe,
    (info, device): (&DeviceInfo, &'a Device),
    asked: &FeaturesArg,
) -> Result<Extractor<'a>> {
    let plain = || {
        Extractor::new(backbone, recipe, device, forward_batch(info))
            .suited_to_in(info, asked.precision)
    };
    let Some(folder) = asked.folder() else { return Ok(plain()?) };
    plain()?.with_cache(&folder, info).or_else(|error| {
        warn_uncached(&error);
        Ok(plain()?)
    })
}

/// Photos that go through the frozen network at a time. Beyond rounding nothing depends on it but time
/// and memory: 32 keep a GPU busy; the compiled network says itself; Burn's CPU backends are as fast with 8 for
/// ResNet-18, faster for EfficientNet-Lite0, and take half the memory (benches/RESULTS.md).
fn forward_batch(info: &DeviceInfo) -> usize {
    match info.backend {
        Backend::Cpu => CpuNetwork::photos_at_a_time(),
        _ if info.kind.is_gpu() => 32,
        _ => 8,
    }
}

/// Warns where the cache was given up, and where batches had to be divided.
pub fn warn_of(extractor: &Extractor) {
    if let Some(photos) = extractor.divided() {
        let photos = counted(photos, "photo");
        warn(&format!("the device's memory held no whole batch: {photos} at a time were computed"));
    }
    if let Some(error) = extractor.cache_problem() {
        warn_uncached(&error);
    }
}

/// Why features could not be computed, with what was saved and what to do now.
pub fn advised(error: ExtractError, extractor: &Extractor) -> anyhow::Error {
    let kept = if extractor.is_cached() { "; what was computed before is kept" } else { "" };
    match error {
        ExtractError::NotFinite if extractor.precision() == Precision::F16 => {
            anyhow!("{error}: leave --precision f16 out, which ends at 65504")
        }
        _ if extractor.is_on_gpu() => anyhow!("{error}{kept}; try again, or take --device cpu"),
        _ => error.into(),
    }
}

/// `, 12 of them kept from before`, where some were.
pub fn from_cache(extractor: &Extractor, photos: usize) -> String {
    match extractor.found_in_cache() {
        0 => String::new(),
        found if found == photos => ", kept from before".into(),
        found => format!(", {} kept from before", counted(found, "photo")),
    }
}

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
    let extraction = extractor
        .all(paths, |done| bar.set_position(done as u64))
        .map_err(|error| advised(error, extractor))?;
    bar.finish_and_clear();
    warn_of(extractor);
    let passed_over = passed_over.iter().map(|file| (text(&file.path), file.reason.clone()));
    let failed = extraction.failed.iter().map(|(index, error)| (text(paths[*index]), told(error)));
    let skipped: Skipped = passed_over.chain(failed).collect();
    warn_skipped(&skipped);
    if extraction.photos.is_empty() {
        bail!("no photo in `{}` could be decoded", data.display());
    }
    Ok((extraction, skipped))
}
