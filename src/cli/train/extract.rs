//! The second step of `train`: the features of every photo, once.

use std::path::Path;

use anyhow::{Result, bail};
use kindling::features::{Extraction, Extractor, SelfCheck, SelfCheckError};
use kindling::head::Examples;
use kindling::photos::{LabelledPhoto, Split, for_each_batch};

use super::TrainArgs;
use super::console::Console;
use super::load::Loaded;
use crate::cli::extraction::{self, Skipped, advised, extractor, from_cache};
use crate::cli::terminal::{Hinted, counted};

/// The features of a split's photos.
pub struct Extracted<'a, L = usize> {
    pub extractor: Extractor<'a>,
    pub self_check: Option<SelfCheck>,
    pub train: Examples<L>,
    pub val: Examples<L>,
    /// Of all photos: training photos first.
    pub extraction: Extraction,
    pub skipped: Skipped,
    /// From the start of loading the weights.
    pub seconds: f64,
}

/// Checks the GPU, and runs the backbone on every photo of `split`.
pub fn extract<'a, L: Clone>(
    args: &TrainArgs,
    loaded: &'a Loaded,
    split: &Split<L>,
    console: &Console,
) -> Result<Extracted<'a, L>> {
    let Loaded { info, device, backbone, start, .. } = loaded;
    let architecture = backbone.architecture();
    let extractor =
        extractor(backbone, architecture.preprocessing(), (info, device), &args.features)?;
    let photos: Vec<&LabelledPhoto<L>> = split.train.iter().chain(&split.val).collect();
    let paths: Vec<&Path> = photos.iter().map(|photo| photo.path.as_path()).collect();
    let self_check = match args.no_self_check {
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
    let (extraction, skipped) =
        extraction::extract(&paths, &split.passed_over, &extractor, "features", args.quiet)?;
    let seconds = start.elapsed().as_secs_f64();
    console.line(format_args!(
        "features  {} in {seconds:.1} s ({:.1} photos/s{})",
        counted(extraction.photos.len(), "photo"),
        extraction.photos.len() as f64 / seconds,
        from_cache(&extractor, extraction.photos.len()),
    ));
    let (train, val) = examples(&extraction, &photos, split.train.len(), architecture.features());
    if val.labels.is_empty() {
        bail!("no validation photo could be decoded");
    }
    Ok(Extracted { extractor, self_check, train, val, extraction, skipped, seconds })
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
/// training.
pub fn examples<L: Clone>(
    extraction: &Extraction,
    photos: &[&LabelledPhoto<L>],
    train_photos: usize,
    width: usize,
) -> (Examples<L>, Examples<L>) {
    let boundary = extraction.photos.partition_point(|index| *index < train_photos);
    let labels: Vec<L> =
        extraction.photos.iter().map(|index| photos[*index].label.clone()).collect();
    let part = |from: usize, to: usize| Examples {
        width,
        rows: extraction.rows[from * width..to * width].to_vec(),
        labels: labels[from..to].to_vec(),
    };
    (part(0, boundary), part(boundary, labels.len()))
}

/// Checks that each class has training photos that could be decoded.
pub fn every_class_has_photos(train: &Examples, classes: &[String]) -> Result<()> {
    for (label, class) in classes.iter().enumerate() {
        if !train.labels.contains(&label) {
            bail!("no photo of the class `{class}` could be decoded, so it cannot be trained");
        }
    }
    Ok(())
}
