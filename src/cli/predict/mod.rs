//! `kindling predict`

mod format;

use std::io;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueHint};
use kindling::features::{FeatureBatch, Stopped};
use kindling::gallery::{Gallery, GalleryDir, Shown};
use kindling::photos::{self, Shard, Table, TableOptions, walk};
use kindling::printable::PathText;
use kindling::run::Model;

use super::calibration::CalibrationArg;
use super::extraction::{advised, warn_of};
use super::interrupt;
use super::opened::ComputeArgs;
use super::strangers::{self, Stranger, UNKNOWN};
use super::terminal::{counted, error_text, text, warn, warn_damaged, warn_skipped};
use super::tta::TtaArg;
use format::{Csv, Format, Guess, JsonLines, Label, NONE, People, Predicted};

/// Predict the class of photos
///
/// MODEL is a run folder, a weights file with its own fc layer, or a name from
/// `kindling weights list`. A weights file that has 1000 classes without names is assumed to use
/// ImageNet's classes. Folders are searched recursively.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling predict runs/first holiday.jpg
  kindling predict runs/first holiday/ --top 5 --json
  kindling predict runs/first holiday/ --csv > holiday.csv
  kindling predict runs/first holiday/ --reject     or `unknown`
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

    /// Call photos unknown that are unlike everything that the model was trained on
    ///
    /// A run keeps features of its training photos. The stranger score of a photo is its mean
    /// cosine distance to the 5 nearest of them, and the run's threshold refuses about 5 % of
    /// photos like those trained on. JSON and CSV always have the score.
    #[arg(long)]
    reject: bool,

    #[command(flatten)]
    compute: ComputeArgs,

    #[command(flatten)]
    calibration: CalibrationArg,

    #[command(flatten)]
    tta: TtaArg,

    /// Print one JSON object per photo, each on a line
    #[arg(long)]
    json: bool,

    /// Print CSV, one row per photo: path, class, probability, further guesses, error
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// Save captioned JPEG copies of the photos to DIR/<class>/ (cargo feature `captions`)
    ///
    /// The caption shows the class and its probability. A photo with several classes has a copy in
    /// the folder of each, and one with none is in DIR/none. DIR must be new or empty. The copies are
    /// upright and have the size of the originals.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    save: Option<PathBuf>,
}

pub fn run(args: &PredictArgs) -> Result<()> {
    let (paths, unreadable) = photos(&args.paths)?;
    let gallery_dir = args.save.as_deref().map(GalleryDir::reserve).transpose()?;
    let for_people = !(args.json || args.csv);
    let opened = args.compute.model(&args.model, !for_people, args.calibration)?;
    let (model, info) = (&opened.model, &opened.info);
    if args.reject {
        strangers::required(model, &args.model)?;
    }
    let extractor = args.tta.apply(opened.extractor()?);
    let several = model.task.thresholds().is_some();
    let mut folders = model.classes.clone();
    folders.extend(several.then(|| NONE.to_owned()));
    let unknown = args.reject.then_some(folders.len());
    folders.extend(unknown.map(|_| UNKNOWN.to_owned()));
    let mut gallery = gallery_dir.map(|dir| dir.open(&folders)).transpose()?;
    let out = io::stdout().lock();
    let mut format: Box<dyn Format> = match (args.json, args.csv) {
        (true, _) => Box::new(JsonLines::new(out, &info.device)),
        (_, true) => {
            let guesses = model.classes.len().min(args.top as usize);
            Box::new(Csv::begin(out, guesses, several, model.neighbours.is_some())?)
        }
        _ => Box::new(People::begin(out, info, &paths, &folders, args.reject)?),
    };
    let mut failures = 0;
    let mut counts: Vec<(&str, usize)> = folders.iter().map(|class| (class.as_str(), 0)).collect();
    let mut unsaved = 0;
    let printed = extractor.for_each(&paths, |batch: FeatureBatch| -> Result<()> {
        failures += batch.failed.len();
        let logits = model.calibrated(model.logits(&batch.rows, &opened.device)?);
        let rows = logits.chunks(model.classes.len());
        let mut predictions: Vec<_> = rows.map(|row| predicted(row, model, args.top)).collect();
        if let Some(neighbours) = &model.neighbours {
            let scores = neighbours.scores(&batch.rows, &opened.device);
            for (predicted, score) in predictions.iter_mut().zip(scores) {
                predicted.stranger = Some(Stranger::of(neighbours, score));
            }
        }
        for predicted in &predictions {
            shown(predicted, model, unknown).for_each(|(class, _)| counts[class].1 += 1);
        }
        let mut predicted = batch.photos.iter().copied().zip(&predictions).peekable();
        // Merge failures and predictions, to keep the input order.
        for (failed, error) in &batch.failed {
            while let Some((index, predicted)) = predicted.next_if(|(index, _)| index < failed) {
                format.prediction(&paths[index], predicted)?;
            }
            format.failure(&paths[*failed], &error_text(error))?;
        }
        for (index, predicted) in predicted {
            format.prediction(&paths[index], predicted)?;
        }
        format.flush()?;
        let damaged = batch.warnings.iter();
        warn_damaged(damaged.map(|(index, warning)| (text(&paths[*index]), warning.to_string())));
        if let Some(gallery) = &mut gallery {
            let photos = batch.photos.iter().map(|index| &*paths[*index]);
            let shown = photos.zip(&predictions).flat_map(|(photo, predicted)| {
                let classes = shown(predicted, model, unknown);
                classes.map(move |(class, probability)| Shown { photo, class, probability })
            });
            unsaved += save(gallery, &shown.collect::<Vec<_>>())?;
        }
        interrupt::check(&extractor)
    });
    warn_of(&extractor);
    match printed {
        Ok(()) => {}
        // Returned as it is, so that `main` recognises a broken pipe.
        Err(Stopped::Receiver(error)) => return Err(error),
        Err(Stopped::Extract(error)) => return Err(advised(error, &extractor)),
    }
    if args.paths.iter().any(|path| path.is_dir()) && failures < paths.len() {
        format.counts(&counts, paths.len() - failures)?;
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
        bail!("{unreadable} folders could not be read");
    }
    Ok(())
}

/// The classes that the photo shows, with their probabilities; the one after the last, `none`, if it
/// shows none. Its probability is that of no class, were they independent of each other. A stranger
/// shows the class `unknown`, if there is one, without a probability.
fn shown(
    predicted: &Predicted,
    model: &Model,
    unknown: Option<usize>,
) -> impl Iterator<Item = (usize, Option<f64>)> + use<> {
    let is_unknown = predicted.stranger.is_some_and(|stranger| stranger.is_unknown);
    if let (Some(class), true) = (unknown, is_unknown) {
        return vec![(class, None)].into_iter();
    }
    let shown = predicted.shown();
    let absent = |label: &Label| 1.0 - label.probability;
    let none = shown.is_empty().then(|| {
        let labels = predicted.labels.as_deref().unwrap_or_default();
        (model.classes.len(), labels.iter().map(absent).product())
    });
    let shown = shown.iter().map(|guess| (guess.index, guess.probability)).chain(none);
    let shown: Vec<_> = shown.map(|(class, probability)| (class, Some(probability))).collect();
    shown.into_iter()
}

/// Saves the photos with their classes. Warns of those that could not be saved, and returns
/// their number.
fn save(gallery: &mut Gallery, shown: &[Shown]) -> Result<usize> {
    let failed = gallery.save(shown)?;
    for (index, error) in &failed {
        warn(&format!("not saved: `{}` {}", shown[*index].photo.shown(), error_text(error)));
    }
    Ok(failed.len())
}

/// Lists the files to predict, searching folders recursively, and counts the unreadable folders.
fn photos(arguments: &[PathBuf]) -> Result<(Vec<PathBuf>, usize)> {
    let (mut paths, mut unreadable) = (Vec::new(), 0);
    for path in arguments {
        if Shard::is_one(path) {
            let options = TableOptions { without_labels: true, ..TableOptions::default() };
            paths.extend(Table::read(path, &options)?.rows.into_iter().map(|row| row.path));
            continue;
        }
        if !path.is_dir() {
            paths.push(path.clone());
            continue;
        }
        let walked = walk(path);
        // What cannot be used has a row with its error.
        let left_out: Vec<_> = walked
            .unreadable
            .iter()
            .chain(&walked.passed_over)
            .map(|file| (text(&file.path), file.reason.clone()))
            .collect();
        warn_skipped(&left_out);
        unreadable += walked.unreadable.len();
        let candidates = walked.candidates();
        if candidates.is_empty() {
            bail!("no photo in `{}` ({})", path.shown(), photos::Format::READ);
        }
        paths.extend(candidates);
    }
    Ok((paths, unreadable))
}

/// The prediction from a row of logits, with the `top` most probable classes.
fn predicted<'a>(logits: &[f32], model: &'a Model, top: u32) -> Predicted<'a> {
    let (classes, probabilities) = (&model.classes, model.task.probabilities(logits));
    let labels = model.task.thresholds().map(|thresholds| {
        let each = classes.iter().zip(&probabilities).zip(thresholds).enumerate();
        each.map(|(index, ((class, probability), threshold))| Label {
            index,
            class,
            probability: *probability,
            threshold: *threshold,
            present: probability >= threshold,
        })
        .collect()
    });
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by(|one, other| logits[*other].total_cmp(&logits[*one]));
    let guesses = order
        .into_iter()
        .take(top as usize)
        .map(|index| Guess { index, class: &classes[index], probability: probabilities[index] })
        .collect();
    Predicted { guesses, labels, stranger: None }
}
