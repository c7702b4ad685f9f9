//! `kindling train`

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use kindling::backbone::Architecture;
use kindling::features::{Extraction, Extractor};
use kindling::head::{EpochMetrics, Examples, FitOptions, fit};
use kindling::photos::{LabelledPhoto, training_split};
use kindling::run::{
    DataRecord, FolderContent, RunConfig, RunError, RunPlace, Summary, Versions, WeightsRecord,
};
use kindling::weights::{self, Checkpoint, sha256_of_file};
use serde::{Serialize, Serializer};

use super::terminal::{counted, photo_bar, shell_word, text, told, warn_skipped};
use super::{DeviceArg, FORWARD_BATCH};

/// Train a classifier on a folder of photos
///
/// DATA holds train/<class>/* and val/<class>/*, or <class>/* (a share of each class is then kept for
/// validation), or photos named <class>.<anything>.jpg. Each photo goes through a pretrained network
/// once; a new last layer is trained on what comes out, and the epoch that does best on the
/// validation photos is kept.
#[derive(Args, Serialize)]
#[command(after_help = "Example:\n  kindling train photos --out runs/first --epochs 30")]
pub struct TrainArgs {
    /// Folder of photos
    data: PathBuf,

    /// Pretrained weights: .pth, .pt or .safetensors in torchvision's naming
    ///
    /// Without it, weights/ is searched for torchvision's file of the backbone.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,

    /// Pretrained network: resnet18 or resnet34
    ///
    /// One with another number of channels in its stem has them behind its name: resnet18-w16.
    #[arg(long, value_name = "NAME", default_value_t = Architecture::RESNET18)]
    #[serde(serialize_with = "as_text")]
    backbone: Architecture,

    #[command(flatten)]
    #[serde(serialize_with = "device_as_text")]
    device: DeviceArg,

    /// Folder for the run [default: runs/<date-time>]
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,

    /// Replace a run that is in the way
    #[arg(long)]
    force: bool,

    /// Print nothing but warnings, errors and, at the end, the run folder
    #[arg(long, short)]
    quiet: bool,

    /// Passes over the training photos, at most
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Training")]
    epochs: u32,

    /// Photos in a step of the optimiser
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Training")]
    batch_size: u32,

    /// Step size of Adam
    #[arg(long, value_name = "X", default_value_t = 1e-3, value_parser = positive, help_heading = "Training")]
    lr: f64,

    /// L2 penalty on the new layer
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = not_negative, help_heading = "Training")]
    weight_decay: f64,

    /// Seed of everything that is drawn
    // TOML's integers, which the run's configuration is written in, end at i64::MAX.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64), help_heading = "Training")]
    seed: u64,

    /// Share of each class kept for validation, where DATA has no val folder [default: 0.2]
    #[arg(long, value_name = "X", value_parser = share, help_heading = "Training")]
    val_split: Option<f64>,

    /// Stop after N epochs without a better one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Training")]
    patience: Option<u32>,
}

fn as_text<S: Serializer>(value: &impl ToString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

fn device_as_text<S: Serializer>(arg: &DeviceArg, serializer: S) -> Result<S::Ok, S::Error> {
    as_text(&arg.device, serializer)
}

fn number(text: &str, valid: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value| valid(*value)).ok_or_else(|| format!("expected {expected}"))
}

fn positive(text: &str) -> Result<f64, String> {
    // Computed with in f32, where 1e-300 is 0.
    number(text, |value| value as f32 > 0.0 && (value as f32).is_finite(), "a number above 0")
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |value| value >= 0.0 && (value as f32).is_finite(), "a number, 0 or above")
}

fn share(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0 && value < 1.0, "a number between 0 and 1")
}

pub fn run(args: &TrainArgs) -> Result<()> {
    let mut out = args.out.clone().unwrap_or_else(|| default_out(1));
    let mut place = RunPlace::reserve(&out, args.force)?;
    let options = toml::Table::try_from(args)
        .context("the options cannot be written into the run (are all paths UTF-8?)")?;
    let weights_file = match &args.weights {
        Some(file) => file.clone(),
        None => find_weights(args.backbone)?,
    };
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
    say.line(format_args!("device    {info}"));
    let start = Instant::now();
    let checkpoint = Checkpoint::open(&weights_file)?;
    let sha256 = sha256_of_file(&weights_file)?;
    let backbone = weights::backbone(&checkpoint, args.backbone, &device)?;
    say.line(format_args!("backbone  {} from {}", args.backbone, weights_file.display()));

    // 3. Each photo through it, once.
    let recipe = args.backbone.recipe();
    let extractor =
        Extractor { backbone: &backbone, recipe, device: &device, batch_size: FORWARD_BATCH };
    let photos: Vec<&LabelledPhoto> = split.train.iter().chain(&split.val).collect();
    let paths: Vec<&Path> = photos.iter().map(|photo| photo.path.as_path()).collect();
    let bar = photo_bar(paths.len(), "features", args.quiet);
    let extraction = extractor.all(&paths, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    let feature_seconds = start.elapsed().as_secs_f64();
    say.line(format_args!(
        "features  {} in {feature_seconds:.1} s ({:.1} photos/s)",
        counted(extraction.photos.len(), "photo"),
        extraction.photos.len() as f64 / feature_seconds,
    ));
    skipped
        .extend(extraction.failed.iter().map(|(index, error)| (text(paths[*index]), told(error))));
    warn_skipped(&skipped);
    let (train, val) = examples(&extraction, &photos, split.train.len(), args.backbone.features());
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
    let start = Instant::now();
    let fitted = fit(&train, &val, split.classes.len(), &fit_options, &device, |metrics| {
        say.line(format_args!("{}", EpochLine(metrics)));
    })?;
    let training_seconds = start.elapsed().as_secs_f64();

    // 5. The run folder.
    let model = weights::safetensors(&backbone, &fitted.head)?;
    let (train_photos, val_photos) = (train.labels.len(), val.labels.len());
    let config = RunConfig {
        backbone: args.backbone.to_string(),
        options,
        preprocessing: recipe,
        data: DataRecord {
            folder: std::path::absolute(&args.data)?,
            train_photos,
            val_photos,
            skipped: skipped.len(),
        },
        weights: WeightsRecord { file: weights_file, sha256 },
        device: info,
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
    let content = FolderContent {
        model: &model,
        classes: &split.classes,
        config: &config,
        epochs: &fitted.epochs,
        summary: &summary,
    };
    // Of two runs that chose the same default name the second takes the next one.
    let mut attempt = 1;
    while let Err(error) = place.write(&content) {
        attempt += 1;
        match error {
            RunError::Exists(_) if args.out.is_none() && attempt < 100 => {
                out = default_out(attempt);
                place = RunPlace::reserve(&out, false).or(Ok::<_, RunError>(place))?;
            }
            error => return Err(error.into()),
        }
    }

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
    say.line(format_args!("validation accuracy {:.4}", fitted.best.val_accuracy));
    say.line(format_args!("try it:   {} predict {} PHOTO", this_program(), shell_word(&out)));
    Ok(())
}

/// The program as it was called, for commands to paste.
fn this_program() -> String {
    std::env::args_os().next().map_or("kindling".into(), |program| shell_word(Path::new(&program)))
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

/// An epoch on one line.
struct EpochLine<'a>(&'a EpochMetrics);

impl std::fmt::Display for EpochLine<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let EpochMetrics { epoch, train_loss, train_accuracy, val_loss, val_accuracy, seconds } =
            self.0;
        write!(
            formatter,
            "epoch {epoch:3}  train loss {train_loss:.4} accuracy {train_accuracy:.4}  \
             val loss {val_loss:.4} accuracy {val_accuracy:.4}  {seconds:.2} s"
        )
    }
}

/// `runs/2026-01-31_17-05-09`, in local time; with `-2` where two runs start in one second.
fn default_out(attempt: usize) -> PathBuf {
    let time = chrono::Local::now().format("%Y-%m-%d_%H-%M-%S").to_string();
    Path::new("runs").join(if attempt == 1 { time } else { format!("{time}-{attempt}") })
}

/// torchvision's file of a backbone, in `weights/`.
fn find_weights(backbone: Architecture) -> Result<PathBuf> {
    let published = match backbone.to_string().as_str() {
        "resnet18" => "resnet18-f37072fd.pth",
        "resnet34" => "resnet34-b627a593.pth",
        _ => bail!("nobody publishes weights for {backbone}: name a file with --weights"),
    };
    let folder = Path::new("weights");
    [published.to_owned(), format!("{backbone}.pth"), format!("{backbone}.safetensors")]
        .into_iter()
        .map(|name| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            anyhow::anyhow!(
                "no pretrained weights for {backbone} in weights/: get {published} from \
                 https://download.pytorch.org/models/{published} and put it there, or name a file \
                 with --weights"
            )
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
