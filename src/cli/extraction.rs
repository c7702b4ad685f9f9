//! Features of a command's photos: the options, the extractor, and what to report about it.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use burn::tensor::Device;
use clap::{Args, ValueHint};
use kindling::backbone::Backbone;
use kindling::device::DeviceInfo;
use kindling::engine::{EngineError, PackedCache};
use kindling::features::cache::CacheError;
use kindling::features::{Extraction, Extractor, Stopped};
use kindling::photos::{DEFAULT_DECODE_MEMORY, PassedOver, Preprocessing, set_decode_memory};
use kindling::printable::PathText;
use kindling::{FeatureRows, Precision, RowWriter};
use serde::{Serialize, Serializer};

use super::cache;
use super::interrupt;
use super::memory_size::MemorySize;
use super::terminal::{
    counted, error_text, photo_bar, text, view_bar, warn, warn_damaged, warn_skipped,
};

/// Skipped files with the reasons.
pub type Skipped = Vec<(String, String)>;

/// Turns the cache off for commands without `--cache`.
const NO_CACHE: &str = "KINDLING_NO_CACHE";

/// The options of every command that computes features.
#[derive(Args, Clone, Serialize)]
pub struct FeaturesArg {
    /// Folder of the feature cache [default: the user's cache folder]
    ///
    /// It keeps the features of each photo, so that they are computed once: see `kindling cache
    /// --help`.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    cache: Option<PathBuf>,

    /// Do not use the feature cache
    ///
    /// KINDLING_NO_CACHE=1 in the environment has the same effect on every command without --cache.
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,

    /// Number format of activations on a GPU: f32 or f16
    ///
    /// f16 halves memory and memory traffic, and keeps three digits instead of seven; sums are f32
    /// in both. The adapter must support it: see `kindling devices`.
    #[arg(long, value_name = "PRECISION", default_value_t = Precision::F32)]
    #[serde(serialize_with = "as_text")]
    precision: Precision,

    /// Memory that decoding photos may take in all, such as 512MiB or 2GB
    ///
    /// Photos wait for each other if they need more together. A photo that needs more by itself
    /// is skipped.
    #[arg(long, value_name = "SIZE", default_value_t = MemorySize(DEFAULT_DECODE_MEMORY))]
    decode_memory: MemorySize,
}

fn as_text<S: Serializer>(precision: &Precision, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&precision.to_string())
}

impl FeaturesArg {
    /// The folder of the cache, if one is used.
    fn folder(&self) -> Option<PathBuf> {
        let never = std::env::var_os(NO_CACHE).is_some_and(|word| !word.is_empty() && word != "0");
        match self.no_cache || (never && self.cache.is_none()) {
            true => None,
            false => cache::folder(self.cache.as_deref()),
        }
    }

    /// The same without the user's cache; a folder that was named is used.
    pub fn without_default_cache(&self) -> Self {
        Self { no_cache: self.no_cache || self.cache.is_none(), ..self.clone() }
    }

    /// The cache of packed weights, if one is used.
    pub fn packed(&self) -> Option<PackedCache> {
        self.folder().map(|folder| PackedCache::beside(&folder))
    }
}

fn warn_uncached(error: &CacheError) {
    warn(&format!("the feature cache is not used: {}", error_text(error)));
}

/// The extractor for the device that `info` describes, with the options of `args`. A cache that
/// cannot be opened is reported and not used. Also reports a network that the device's own engine
/// cannot run.
///
/// # Errors
/// If the device does not compute in that precision.
pub fn extractor<'a>(
    backbone: &'a Backbone,
    preprocessing: Preprocessing,
    (info, device): (&DeviceInfo, &'a Device),
    args: &FeaturesArg,
) -> Result<Extractor<'a>> {
    set_decode_memory(args.decode_memory.0);
    interrupt::watch()?;
    let uncached = || {
        Extractor::new(backbone, preprocessing, device, 1)
            .on(info, args.precision)
            .map(Extractor::with_best_batch_size)
    };
    let extractor = match args.folder() {
        None => uncached()?,
        Some(folder) => uncached()?.with_cache(&folder).or_else(|error| {
            warn_uncached(&error);
            uncached()
        })?,
    };
    if let Some(unsupported) = extractor.unsupported() {
        warn(&format!("{} runs on Burn's operations: {unsupported}", backbone.architecture()));
    }
    Ok(extractor)
}

/// Warns if the cache was closed, and if batches had to be divided.
pub fn warn_of(extractor: &Extractor) {
    if let Some(photos) = extractor.reduced_batch_size() {
        let photos = counted(photos, "photo");
        warn(&format!(
            "the device's memory is too small for whole batches: used {photos} at a time"
        ));
    }
    if let Some(error) = extractor.cache_problem() {
        warn_uncached(&error);
    }
}

/// An engine's error, with what was saved and what to do now.
pub fn advised(error: EngineError, extractor: &Extractor) -> anyhow::Error {
    let kept = if extractor.is_cached() { "; the features computed so far are cached" } else { "" };
    match error {
        EngineError::NotFinite if extractor.precision() == Precision::F16 => {
            anyhow!("{error}: omit --precision f16, whose largest number is 65504")
        }
        EngineError::WrongNumbers { .. } => anyhow!(
            "{error}; its features since the last check are not cached; use --device cpu, or another \
             driver (`kindling devices --test` tests it)"
        ),
        EngineError::Timeout(_) => error.into(),
        _ if extractor.is_on_gpu() => anyhow!("{error}{kept}; try again, or use --device cpu"),
        _ => error.into(),
    }
}

/// `, 12 photos from the cache`, if there were any.
pub fn from_cache(extractor: &Extractor, photos: usize) -> String {
    match extractor.found_in_cache() {
        0 => String::new(),
        found if found == photos => ", from the cache".into(),
        found => format!(", {} from the cache", counted(found, "photo")),
    }
}

/// Extracts the features of `paths` with a progress bar called `what`. Returns them and the skipped
/// files, `passed_over` included, and warns of those.
///
/// # Errors
/// If the device fails.
pub fn extract(
    paths: &[&Path],
    passed_over: &[PassedOver],
    extractor: &Extractor,
    what: &'static str,
    quiet: bool,
) -> Result<(Extraction, Skipped)> {
    let bar = photo_bar(paths.len(), what, quiet);
    let extraction = extractor.all_unless(paths, |done| {
        bar.set_position(done as u64);
        interrupt::check(extractor)
    });
    bar.finish_and_clear();
    reported(extraction, paths, passed_over, extractor)
}

/// The same, with the features in `rows`.
///
/// # Errors
/// If the device fails, or the features cannot be kept.
pub fn extract_into(
    rows: RowWriter,
    paths: &[&Path],
    passed_over: &[PassedOver],
    extractor: &Extractor,
    what: &'static str,
    quiet: bool,
) -> Result<(Extraction<FeatureRows>, Skipped)> {
    let bar = photo_bar(paths.len(), what, quiet);
    let extraction = extractor.all_into(paths, rows, |done| {
        bar.set_position(done as u64);
        interrupt::check(extractor)
    });
    bar.finish_and_clear();
    reported(extraction, paths, passed_over, extractor)
}

/// Extracts the features of the first `views(index)` views of each of `paths`, one by one, as
/// [`extract`] does. The progress bar counts views.
///
/// # Errors
/// If the device fails.
pub fn extract_views(
    paths: &[&Path],
    passed_over: &[PassedOver],
    extractor: &Extractor,
    views: impl Fn(usize) -> usize + Sync,
    what: &'static str,
    quiet: bool,
) -> Result<(Extraction, Skipped)> {
    let bar = view_bar((0..paths.len()).map(&views).sum(), what, quiet);
    let mut files = 0;
    let extraction = extractor.views_unless(paths, &views, |done| {
        bar.inc((files..done).map(&views).sum::<usize>() as u64);
        files = done;
        interrupt::check(extractor)
    });
    bar.finish_and_clear();
    reported(extraction, paths, passed_over, extractor)
}

/// The extraction and the skipped files, with the warnings about them.
fn reported<R>(
    extraction: Result<Extraction<R>, Stopped<anyhow::Error>>,
    paths: &[&Path],
    passed_over: &[PassedOver],
    extractor: &Extractor,
) -> Result<(Extraction<R>, Skipped)> {
    let extraction = extraction.map_err(|error| stopped(error, extractor))?;
    warn_of(extractor);
    let passed_over = passed_over.iter().map(|file| (text(&file.path), file.reason.clone()));
    let failed =
        extraction.failed.iter().map(|(index, error)| (text(paths[*index]), error_text(error)));
    let skipped: Skipped = passed_over.chain(failed).collect();
    warn_skipped(&skipped);
    let damaged = extraction.warnings.iter();
    warn_damaged(damaged.map(|(index, warning)| (text(paths[*index]), warning.to_string())));
    Ok((extraction, skipped))
}

/// The error of an extraction that ended early.
pub fn stopped(stopped: Stopped<anyhow::Error>, extractor: &Extractor) -> anyhow::Error {
    match stopped {
        Stopped::Receiver(interrupted) => interrupted,
        Stopped::Extract(error) => advised(error, extractor),
    }
}

/// Checks that a photo of the folder `data` could be decoded.
///
/// # Errors
/// If not.
pub fn any_decoded<R>(extraction: &Extraction<R>, data: &Path) -> Result<()> {
    if extraction.photos.is_empty() {
        bail!("no photo in `{}` could be decoded", data.shown());
    }
    Ok(())
}
