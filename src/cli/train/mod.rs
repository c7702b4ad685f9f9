//! `kindling train`

mod args;
#[cfg(feature = "tui")]
mod dashboard;
mod place;
mod report;
mod watch;

use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use kindling::device::{self, DeviceInfo};
use kindling::evaluation::Scores;
use kindling::export::{self, Parts, Precision};
use kindling::features::{Extraction, Extractor, SelfCheck, SelfCheckError};
use kindling::head::{Examples, FitOptions, fit};
use kindling::photos::{LabelledPhoto, for_each_batch, training_split};
use kindling::run::{
    Card, DataRecord, FolderContent, REPORT_FILE, RunConfig, Summary, Versions, WeightsRecord,
};
use kindling::weights::{self, Description, Pretrained};

use super::extraction::{advised, extractor, from_cache, warn_of};
use super::pretrained::Use;
use super::report::counts;
use super::terminal::{counted, photo_bar, shell_word, text, this_program, told, warn_skipped};
pub use args::TrainArgs;
use place::Place;
use watch::Watch;

/// Without `--backbone` and `--weights`.
const DEFAULT_BACKBONE: &str = "resnet18";

/// `typed` is the command as it was given, to be written down.
pub fn run(args: &TrainArgs, typed: &str) -> Result<()> {
    let watch = Watch::asked(args.tui)?;
    let place = Place::reserve(args.out.as_deref(), args.force)?;
    let options = toml::Table::try_from(args)
        .context("the options cannot be written into the run (are all paths UTF-8?)")?;
    let say = Speaker { quiet: args.quiet };

    // 1. The photos.
    let split = training_split(&args.data, args.val_split, args.seed)?;
    let mut skipped: Vec<(String, String)> =
        split.passed_over.iter().map(|file| (text(&file.path), file.reason.clone())).collect();
    say.line(format_args!(
        "photos    {} to train on, {} to validate on, {} classes",
        split.train.len(),
        split.val.len(),
        split.classes.len()
    ));

    // 2. The backbone, on a plain device: frozen.
    let (info, device) = args.device.open()?;
    let (pretrained, named) = match &args.weights {
        Some(file) => (Pretrained::file(file)?, args.backbone.clone()),
        None => {
            let named = args.backbone.clone().map_or_else(|| DEFAULT_BACKBONE.parse(), Ok)?;
            let found = args.network.pretrained(&named.to_string(), Use::Train, args.quiet)?;
            (found, Some(named))
        }
    };
    say.line(format_args!("device    {info}"));
    let start = Instant::now();
    let checkpoint = pretrained.open()?;
    // A file of the user's own is recognised; where a name was given it must be that.
    let architecture = named.map_or_else(|| weights::architecture(&checkpoint), Ok)?;
    let backbone = weights::backbone(&checkpoint, &architecture, &device)?;
    drop(checkpoint);
    say.line(format_args!("backbone  {architecture} from {pretrained}"));

    // 3. Each photo through it, once.
    let recipe = architecture.recipe();
    let extractor = extractor(&backbone, recipe, (&info, &device), &args.features)?;
    let photos: Vec<&LabelledPhoto> = split.train.iter().chain(&split.val).collect();
    let paths: Vec<&Path> = photos.iter().map(|photo| photo.path.as_path()).collect();
    let self_check = match args.no_self_check {
        true => None,
        false => checked(&extractor, &paths, &info)?,
    };
    if let Some(check) = &self_check {
        say.line(format_args!(
            "checked   {} kernels agree with the processor: off by {:.1e} of the largest feature, at most {:.0e} is rounding",
            check.kernels, check.error, check.bound
        ));
    }
    let bar = photo_bar(paths.len(), "features", args.quiet);
    let extraction = extractor
        .all(&paths, |done| bar.set_position(done as u64))
        .map_err(|error| advised(error, &extractor))?;
    bar.finish_and_clear();
    warn_of(&extractor);
    let feature_seconds = start.elapsed().as_secs_f64();
    say.line(format_args!(
        "features  {} in {feature_seconds:.1} s ({:.1} photos/s{})",
        counted(extraction.photos.len(), "photo"),
        extraction.photos.len() as f64 / feature_seconds,
        from_cache(&extractor, extraction.photos.len()),
    ));
    skipped
        .extend(extraction.failed.iter().map(|(index, error)| (text(paths[*index]), told(error))));
    warn_skipped(&skipped);
    let (train, val) = examples(&extraction, &photos, split.train.len(), architecture.features());
    every_class_is_left(&train, &val, &split.classes)?;

    // 4. The head, trained on the features.
    let fit_options = FitOptions {
        epochs: args.epochs as usize,
        batch_size: args.batch_size as usize,
        learning_rate: args.lr,
        weight_decay: args.weight_decay,
        seed: args.seed,
        patience: args.patience.map(|epochs| epochs as usize),
    };
    // On the processor, whatever the features came from: an epoch on some hundred of them takes milliseconds
    // (benches/RESULTS.md).
    let head_device = device::processor().unwrap_or_else(|| device.clone());
    let start = Instant::now();
    let fitted = watch.training(&say, args.epochs as usize, |observe| {
        fit(&train, &val, split.classes.len(), &fit_options, &head_device, observe)
    })?;
    let training_seconds = start.elapsed().as_secs_f64();

    // 5. The run folder, with its report.
    let description =
        Description { backbone: architecture.to_string(), classes: split.classes.clone(), recipe };
    let (train_photos, val_photos) = (train.labels.len(), val.labels.len());
    let config = RunConfig {
        command: Some(typed.to_owned()),
        created: Some(chrono::Local::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, false)),
        backbone: architecture.to_string(),
        options,
        preprocessing: recipe,
        data: DataRecord {
            folder: std::path::absolute(&args.data)?,
            train_photos,
            val_photos,
            skipped: skipped.len(),
            split_sha256: Some(split.digest(&args.data)),
            trained_on: Some(counts(train.labels.iter().copied(), split.classes.len())),
        },
        weights: WeightsRecord {
            file: pretrained.to_string().into(),
            sha256: pretrained.sha256().to_owned(),
        },
        device: info,
        self_check,
        versions: Versions::current(),
    };
    let summary = Summary {
        best_epoch: fitted.best,
        epochs: fitted.epochs.len(),
        classes: split.classes.clone(),
        train_photos,
        val_photos,
        skipped: skipped.len(),
        feature_seconds,
        training_seconds,
    };
    let logits = fitted.head.logits(&val.rows, &head_device);
    let scores = Scores::of(split.classes.len(), &logits, &val.labels);
    let validated = report::Validated {
        split: &split,
        sizes: extraction.sizes.get(train_photos..).unwrap_or_default(),
        photos: extraction
            .photos
            .iter()
            .skip(train_photos)
            .map(|index| &split.val[index - split.train.len()])
            .collect(),
        logits: &logits,
        skipped: &skipped,
        epochs: &fitted.epochs,
    };
    let drawn = validated.draw(place.folder(), &config, &summary, args, &extractor, &fitted.head);
    // Two copies of the weights are enough at a time: the compiled ones go before the file's come.
    drop(extractor);
    let parts = Parts { backbone: &backbone, head: &fitted.head, description: &description };
    let model = export::safetensors(parts, Precision::Full)?;
    let card = Card { config: &config, summary: &summary, scores: &scores }.markdown();
    let content = FolderContent {
        model: &model,
        classes: &split.classes,
        config: &config,
        epochs: &fitted.epochs,
        summary: &summary,
        report: drawn.as_ref().map(|report| report.html.as_str()),
        curves: drawn.as_ref().and_then(|report| report.curves.as_deref()),
        card: &card,
    };
    let out = place.write(&content)?;

    if args.quiet {
        let _ = writeln!(io::stdout(), "{}", out.display());
        return Ok(());
    }
    if !skipped.is_empty() {
        say.line(format_args!("skipped   {}", counted(skipped.len(), "file")));
    }
    say.line(format_args!(
        "model     {} (epoch {} of {})",
        out.display(),
        fitted.best.epoch,
        fitted.epochs.len()
    ));
    if drawn.is_some() {
        say.line(format_args!("report    {}", out.join(REPORT_FILE).display()));
    }
    say.line(format_args!("validation accuracy {:.4}", fitted.best.val_accuracy));
    say.line(format_args!("try it:   {} predict {} PHOTO", this_program(), shell_word(&out)));
    Ok(())
}

/// Prints for people, unless told not to. A reader that has left is no reason to stop training.
struct Speaker {
    quiet: bool,
}

impl Speaker {
    fn line(&self, line: std::fmt::Arguments) {
        if !self.quiet {
            let _ = writeln!(io::stdout(), "{line}");
        }
    }
}

/// Checks what computes on a GPU with the first photo that can be decoded.
///
/// # Errors
/// Where it disagrees with the processor, or fails.
fn checked(extractor: &Extractor, paths: &[&Path], info: &DeviceInfo) -> Result<Option<SelfCheck>> {
    if !extractor.is_on_gpu() {
        return Ok(None);
    }
    // A photo at a time, as they come: the first one that can be decoded.
    let first = for_each_batch(paths, &extractor.recipe(), 1, |batch| match batch.photos.len() {
        0 => Ok(()),
        _ => Err(batch.pixels),
    });
    let Err(photo) = first else { return Ok(None) };
    extractor.self_check(&photo).map_err(|error| match error {
        SelfCheckError::Disagrees { .. } => anyhow!(
            "{info} is not to be trusted: {error}. Take --device cpu, or another driver; --no-self-check trains on it all \
             the same"
        ),
        SelfCheckError::Extract(error) => advised(error, extractor),
    })
}

/// The features as examples; the first `train_photos` of `photos` are for training.
fn examples(
    extraction: &Extraction,
    photos: &[&LabelledPhoto],
    train_photos: usize,
    width: usize,
) -> (Examples, Examples) {
    let boundary = extraction.photos.partition_point(|index| *index < train_photos);
    let labels: Vec<usize> = extraction.photos.iter().map(|index| photos[*index].label).collect();
    let part = |from: usize, to: usize| Examples {
        width,
        rows: extraction.rows[from * width..to * width].to_vec(),
        labels: labels[from..to].to_vec(),
    };
    (part(0, boundary), part(boundary, labels.len()))
}

/// A class whose every file was skipped is as empty as a folder without files.
fn every_class_is_left(train: &Examples, val: &Examples, classes: &[String]) -> Result<()> {
    for (label, class) in classes.iter().enumerate() {
        if !train.labels.contains(&label) {
            bail!("no photo of the class `{class}` could be decoded, so it cannot be trained");
        }
    }
    if val.labels.is_empty() {
        bail!("no photo to validate on could be decoded");
    }
    Ok(())
}
