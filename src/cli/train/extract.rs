//! The second step of `train`: the features of every photo, once.

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};
use kindling::FeatureRows;
use kindling::features::{Extraction, Extractor, SelfCheck, SelfCheckError};
use kindling::head::Examples;
use kindling::photos::{LabelledPhoto, Split, for_each_batch};

use super::TrainArgs;
use super::console::Console;
use super::known_features::KnownFeatures;
use super::load::Loaded;
use super::row_storage::{self, RowStorage};
use crate::cli::extraction::{
    Skipped, advised, extract_into, extract_views, extractor, from_cache,
};
use crate::cli::terminal::{Hinted, counted};

/// The features of a split's photos.
pub struct Extracted<'a, L = usize> {
    pub extractor: Extractor<'a>,
    pub self_check: Option<SelfCheck>,
    pub train: Examples<L>,
    pub val: Examples<L>,
    /// Of all photos: training photos first.
    pub extraction: Extraction<FeatureRows>,
    pub skipped: Skipped,
    /// From the start of loading the weights.
    pub seconds: f64,
}

/// Where features come from, and where they are kept.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// Features that need not be computed.
    pub known: Option<&'a KnownFeatures>,
    pub storage: &'a RowStorage,
}

/// Checks the GPU, and runs the backbone on every photo of `split`, unless its features are
/// `known`.
pub fn extract<'a, L: Clone>(
    args: &TrainArgs,
    loaded: &'a Loaded,
    split: &Split<L>,
    sources: Sources,
    console: &Console,
) -> Result<Extracted<'a, L>> {
    let Loaded { info, device, backbone, start, .. } = loaded;
    let Sources { known, storage } = sources;
    let architecture = backbone.architecture();
    let preprocessing = args.preprocessing.of(architecture.preprocessing());
    let features = match known {
        Some(_) => args.features.without_default_cache(),
        None => args.features.clone(),
    };
    let extractor = extractor(backbone, preprocessing, (info, device), &features)?;
    let extractor = match args.no_self_check {
        true => extractor.without_spot_checks(),
        false => extractor,
    };
    let photos: Vec<&LabelledPhoto<L>> = split.train.iter().chain(&split.val).collect();
    let paths: Vec<&Path> = photos.iter().map(|photo| photo.path.as_path()).collect();
    let self_check = match args.no_self_check || known.is_some() {
        true => None,
        false => self_check(&extractor, &paths, loaded)?,
    };
    if let Some(check) = &self_check {
        console.line(format_args!(
            "checked   {} kernels agree with the processor: they differ by {:.1e} of the largest \
             feature, and rounding explains at most {:.0e}",
            check.kernels, check.error, check.bound
        ));
    }
    let (train_photos, views) = (split.train.len(), args.preprocessing.views());
    let (passed_over, what, quiet) = (&split.passed_over, "features", args.quiet);
    let (extraction, skipped) = match (known, views) {
        (Some(known), _) => {
            known.check(&extractor, loaded)?;
            (known.rows(&paths, storage.writer())?, known.skipped(passed_over))
        }
        (None, 1) => {
            let rows = storage.writer();
            extract_into(rows, &paths, passed_over, &extractor, what, quiet)?
        }
        (None, _) => {
            // Validation photos have the plain view alone, as predictions do.
            let of = |index: usize| if index < train_photos { views } else { 1 };
            let (extraction, skipped) =
                extract_views(&paths, passed_over, &extractor, of, what, quiet)?;
            (extraction.into(), skipped)
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    let width = architecture.features();
    let speed = Speed { extraction: &extraction, width, seconds };
    match known {
        Some(known) => console.line(format_args!("features  {known}")),
        None => console.line(format_args!(
            "features  {speed}{})",
            from_cache(&extractor, extraction.photos.len()),
        )),
    }
    row_storage::check(args, &extraction.rows)?;
    let (train, val) = examples(&extraction, &photos, train_photos, views, width);
    // Without any, the first class is as good an example as the others.
    if let (true, Some(class)) = (train.labels.is_empty(), split.classes.first()) {
        bail!(
            "no photo of the class `{class}` could be decoded to train on, so it cannot be \
                 trained; add some, or leave the class out"
        );
    }
    if val.labels.is_empty() {
        bail!("no validation photo could be decoded");
    }
    Ok(Extracted { extractor, self_check, train, val, extraction, skipped, seconds })
}

/// How fast the features were there: `940 photos, 4780 views in 60.0 s (15.7 photos/s, 79.7
/// views/s`.
struct Speed<'a> {
    extraction: &'a Extraction<FeatureRows>,
    width: usize,
    seconds: f64,
}

impl fmt::Display for Speed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { extraction, width, seconds } = self;
        let photos = extraction.photos.len();
        let further = extraction.further_views.len() / width;
        formatter.write_str(&counted(photos, "photo"))?;
        if further > 0 {
            write!(formatter, ", {}", counted(photos + further, "view"))?;
        }
        write!(formatter, " in {seconds:.1} s ({:.1} photos/s", photos as f64 / seconds)?;
        if further > 0 {
            write!(formatter, ", {:.1} views/s", (photos + further) as f64 / seconds)?;
        }
        Ok(())
    }
}

/// Runs the self-check on the first photo that can be decoded.
///
/// # Errors
/// If the GPU disagrees with the processor, or fails.
fn self_check(
    extractor: &Extractor,
    paths: &[&Path],
    loaded: &Loaded,
) -> Result<Option<SelfCheck>> {
    if !extractor.is_on_gpu() {
        return Ok(None);
    }
    // Batches of one: stops at the first photo.
    let preprocessing = extractor.preprocessing();
    let first = for_each_batch(paths, &preprocessing, 1, |batch| match batch.photos.len() {
        0 => Ok(()),
        _ => Err(batch.pixels),
    });
    let Err(photo) = first else { return Ok(None) };
    extractor.self_check(&photo).map_err(|error| match error {
        SelfCheckError::Disagrees { .. } => {
            let message = format!("{} failed the self-check: {error}", loaded.info);
            let hints =
                ["use --device cpu or another driver", "--no-self-check trains on it anyway"];
            Hinted::new(message, hints.map(String::from).into()).into()
        }
        SelfCheckError::Engine(error) => advised(error, extractor),
    })
}

/// The features as training and validation examples. The first `train_photos` of `photos` are for
/// training, with this number of views each.
pub fn examples<L: Clone>(
    extraction: &Extraction<FeatureRows>,
    photos: &[&LabelledPhoto<L>],
    train_photos: usize,
    views: usize,
    width: usize,
) -> (Examples<L>, Examples<L>) {
    let boundary = extraction.photos.partition_point(|index| *index < train_photos);
    let labels: Vec<L> =
        extraction.photos.iter().map(|index| photos[*index].label.clone()).collect();
    let train = Examples {
        width,
        rows: match views {
            1 => extraction.rows.part(0..boundary * width),
            _ => {
                // They are in memory: see `RowStorage`.
                let plain = extraction.rows.values();
                extraction.with_views(plain, boundary, views, width).into()
            }
        },
        labels: labels[..boundary].to_vec(),
    };
    let val = Examples {
        width,
        rows: extraction.rows.part(boundary * width..extraction.rows.len()),
        labels: labels[boundary..].to_vec(),
    };
    (train, val)
}

/// Checks that each class has training photos that could be decoded.
pub fn every_class_has_photos(train: &Examples, classes: &[String]) -> Result<()> {
    for (label, class) in classes.iter().enumerate() {
        if !train.labels.contains(&label) {
            bail!(
                "no photo of the class `{class}` could be decoded to train on, so it cannot be \
                 trained; add some, or leave the class out"
            );
        }
    }
    Ok(())
}
