//! `kindling predict`

mod format;

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueHint};
use kindling::evaluation::probabilities;
use kindling::features::{FeatureBatch, Stopped};
use kindling::gallery::{Gallery, GalleryPlace, Shown};
use kindling::photos::walk;

use super::DeviceArg;
use super::extraction::{FeaturesArg, advised, extractor, warn_of};
use super::pretrained::NetworkArg;
use super::terminal::{counted, text, told, warn, warn_skipped};
use format::{Csv, Format, Guess, JsonLines, People};

/// Name the class of photos
///
/// MODEL is a run folder, a weights file with its own fc layer, or a name from `kindling weights list`. A
/// network with 1000 classes is taken for one of ImageNet's. Folders are walked.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling predict runs/first holiday.jpg
  kindling predict runs/first holiday/ --top 5 --json
  kindling predict runs/first holiday/ --csv > holiday.csv
  kindling predict efficientnet-lite0 holiday.jpg   one of ImageNet's classes")]
pub struct PredictArgs {
    /// Run folder, weights file with its own fc layer, or the name of a published network
    model: PathBuf,

    /// Photos, or folders of photos
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Show the K most probable classes
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,

    #[command(flatten)]
    device: DeviceArg,

    #[command(flatten)]
    features: FeaturesArg,

    #[command(flatten)]
    network: NetworkArg,

    /// Print a JSON object a line, one for each photo
    #[arg(long)]
    json: bool,

    /// Print CSV, a row for each photo: path, class, probability, further guesses, error
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// Write the photos with class and probability on them to DIR/<class>/, as JPEG (cargo feature `captions`)
    ///
    /// DIR must be new or empty. The photos are upright and as large as they were.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    save: Option<PathBuf>,
}

pub fn run(args: &PredictArgs) -> Result<()> {
    let (paths, unreadable) = photos(&args.paths)?;
    let place = args.save.as_deref().map(GalleryPlace::reserve).transpose()?;
    let (info, device) = args.device.open()?;
    let for_people = !(args.json || args.csv);
    let model = args.network.model(&args.model, !for_people, &device)?;
    let extractor = extractor(&model.backbone, model.recipe, (&info, &device), &args.features)?;
    let mut gallery = place.map(|place| place.open(&model.classes)).transpose()?;
    let out = io::stdout().lock();
    let mut format: Box<dyn Format> = match (args.json, args.csv) {
        (true, _) => Box::new(JsonLines::new(out, &info.device)),
        (_, true) => Box::new(Csv::begin(out, model.classes.len().min(args.top as usize))?),
        _ => Box::new(People::begin(out, &info, &paths, &model.classes)?),
    };
    let mut failures = 0;
    let mut unsaved = 0;
    let printed = extractor.for_each(&paths, |batch: FeatureBatch| -> Result<()> {
        failures += batch.failed.len();
        let logits = model.logits(&batch.rows, &device)?;
        let rows = logits.chunks(model.classes.len());
        let guesses: Vec<_> = rows.map(|row| guesses(row, &model.classes, args.top)).collect();
        let mut predicted = batch.photos.iter().copied().zip(&guesses).peekable();
        // Failures lie among the photos, and the output keeps the order that was asked for.
        for (failed, error) in &batch.failed {
            while let Some((index, guesses)) = predicted.next_if(|(index, _)| index < failed) {
                format.prediction(&paths[index], guesses)?;
            }
            format.failure(&paths[*failed], &told(error))?;
        }
        for (index, guesses) in predicted {
            format.prediction(&paths[index], guesses)?;
        }
        format.flush()?;
        if let Some(gallery) = &mut gallery {
            let photos = batch.photos.iter().map(|index| &*paths[*index]);
            unsaved += save(gallery, photos.zip(&guesses))?;
        }
        Ok(())
    });
    warn_of(&extractor);
    match printed {
        Ok(()) => {}
        // As itself, so that a reader that left early is recognised.
        Err(Stopped::Receiver(error)) => return Err(error),
        Err(Stopped::Extract(error)) => return Err(advised(error, &extractor)),
    }
    if let Some(gallery) = &gallery {
        format.saved(gallery)?;
    }
    if failures > 0 {
        bail!("{failures} of {} files could not be read", paths.len());
    }
    if unsaved > 0 {
        bail!("{} could not be saved", counted(unsaved, "photo"));
    }
    if unreadable > 0 {
        bail!("{unreadable} folders could not be looked into");
    }
    Ok(())
}

/// Saves the photos with their best guesses; says which could not be saved and how many.
fn save<'a>(
    gallery: &mut Gallery,
    predicted: impl Iterator<Item = (&'a Path, &'a Vec<Guess<'a>>)>,
) -> Result<usize> {
    let shown: Vec<Shown> = predicted
        .map(|(photo, guesses)| {
            let Guess { index: class, probability, .. } = guesses[0];
            Shown { photo, class, probability }
        })
        .collect();
    let failed = gallery.save(&shown)?;
    for (index, error) in &failed {
        warn(&format!("not saved: `{}` {}", shown[*index].photo.display(), told(error)));
    }
    Ok(failed.len())
}

/// The files to predict, folders walked, and how much could not be looked into.
fn photos(asked: &[PathBuf]) -> Result<(Vec<PathBuf>, usize)> {
    let (mut paths, mut unreadable) = (Vec::new(), 0);
    for path in asked {
        if !path.is_dir() {
            paths.push(path.clone());
            continue;
        }
        let walked = walk(path);
        let left_out: Vec<_> = walked
            .unreadable
            .iter()
            .chain(&walked.passed_over)
            .map(|file| (text(&file.path), file.reason.clone()))
            .collect();
        warn_skipped(&left_out);
        unreadable += walked.unreadable.len();
        if walked.photos.is_empty() {
            bail!("no photo in `{}` (JPEG, PNG, WebP, BMP or GIF)", path.display());
        }
        paths.extend(walked.photos);
    }
    Ok((paths, unreadable))
}

/// The `top` most probable classes, most probable first.
fn guesses<'a>(logits: &[f32], classes: &'a [String], top: u32) -> Vec<Guess<'a>> {
    let probabilities = probabilities(logits);
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by(|one, other| logits[*other].total_cmp(&logits[*one]));
    order
        .into_iter()
        .take(top as usize)
        .map(|index| Guess { index, class: &classes[index], probability: probabilities[index] })
        .collect()
}
