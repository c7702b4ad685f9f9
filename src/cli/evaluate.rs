//! `kindling evaluate`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueHint};
use kindling::evaluation::{ClassScores, Scores};
use kindling::photos::{labelled_as, validation_part};
use kindling::run::Model;
use serde::Serialize;

use super::DeviceArg;
use super::evaluated::Evaluated;
use super::extraction::{FeaturesArg, extractor};
use super::pretrained::NetworkArg;
use super::report::{GalleryArg, NewReport, Place};
use super::terminal::{counted, one_line, text, told, warn};

/// Score a trained model on photos whose class is known
///
/// Takes DATA/val where there is one, else DATA's own class folders. Their names must be classes of
/// the model. Into a run folder it writes report.html anew, about these photos; `kindling report RUN`
/// brings back the one about the run's own.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling evaluate runs/first photos
  kindling evaluate runs/first other-photos --report other.html
  kindling evaluate runs/first other-photos --no-report --json | jq .accuracy")]
pub struct EvaluateArgs {
    /// Run folder, weights file with its own fc layer, or the name of a published network
    run: PathBuf,

    /// Folder of photos
    data: PathBuf,

    #[command(flatten)]
    device: DeviceArg,

    #[command(flatten)]
    features: FeaturesArg,

    #[command(flatten)]
    network: NetworkArg,

    /// File to write the report to [default: report.html in the run folder]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    report: Option<PathBuf>,

    /// Write no report
    #[arg(long, conflicts_with = "report")]
    no_report: bool,

    #[command(flatten)]
    gallery: GalleryArg,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Evaluation<'a> {
    device: &'a str,
    #[serde(flatten)]
    scores: &'a Scores,
    classes: &'a [String],
    per_class: &'a [ClassScores],
    skipped: usize,
    skipped_files: Vec<SkippedFile<'a>>,
    report: Option<&'a str>,
}

#[derive(Serialize)]
struct SkippedFile<'a> {
    path: &'a str,
    reason: &'a str,
}

pub fn run(args: &EvaluateArgs) -> Result<()> {
    let place = match args.no_report {
        true => None,
        false => {
            Place::of(&args.run, args.report.as_deref()).or_else(|error| no_report(error, args))?
        }
    };
    let (info, device) = args.device.open()?;
    let model = args.network.model(&args.run, args.json, &device)?;
    let set = labelled_as(&args.data, &model.classes)?;

    let told_of_training = trained_on_these(&model, &args.data);
    if told_of_training {
        warn(&format!(
            "the model was trained on photos of `{}`, so the scores flatter it",
            args.data.display()
        ));
    }
    let extractor = extractor(&model.backbone, model.recipe, (&info, &device), &args.features)?;
    let evaluated = Evaluated::of(&model, set, &args.data, &extractor, args.json)?;
    let scores = Scores::of(model.classes.len(), &evaluated.logits, &evaluated.labels);
    let per_class = scores.per_class(&model.classes);
    // The scores are there, and told, whatever becomes of the page about them.
    let report = match place {
        None => None,
        Some(place) => {
            let report = NewReport {
                model: &model,
                name: &args.run,
                evaluated: &evaluated,
                data: Some(&args.data),
                gallery: args.gallery.photos(),
                extractor: &extractor,
                device: &info,
                told_of_training,
            };
            match report.draw().and_then(|report| place.write(&report)) {
                Ok((file, _)) => Some(text(&file)),
                Err(error) => no_report(error, args)?,
            }
        }
    };
    let skipped = &evaluated.skipped;

    let mut out = io::stdout().lock();
    if args.json {
        let evaluation = Evaluation {
            device: &info.device,
            scores: &scores,
            classes: &model.classes,
            per_class: &per_class,
            skipped: skipped.len(),
            skipped_files: skipped
                .iter()
                .map(|(path, reason)| SkippedFile { path, reason })
                .collect(),
            report: report.as_deref(),
        };
        writeln!(out, "{}", serde_json::to_string(&evaluation)?)?;
        return Ok(());
    }
    writeln!(out, "device    {info}")?;
    write_table(&mut out, &per_class)?;
    write_confusion(&mut out, &model.classes, &scores.confusion)?;
    writeln!(
        out,
        "accuracy {:.4}  loss {:.4}  {}{}",
        scores.accuracy,
        scores.loss,
        counted(scores.images, "photo"),
        match skipped.len() {
            0 => String::new(),
            count => format!(", {} skipped", counted(count, "file")),
        }
    )?;
    if let Some(report) = report {
        writeln!(out, "report    {}", one_line(&report))?;
    }
    Ok(())
}

/// What becomes of the command where the report cannot be written: an error where it was asked for, a
/// warning where it comes by itself.
fn no_report<T>(error: anyhow::Error, args: &EvaluateArgs) -> Result<Option<T>> {
    if args.report.is_some() {
        return Err(error);
    }
    warn(&format!("there is no report: {}; --no-report leaves it out", told(error.as_ref())));
    Ok(None)
}

/// Whether the photos in `data` are those that the run took its training photos from.
fn trained_on_these(model: &Model, data: &Path) -> bool {
    let same = |folder: &Path| match (folder.canonicalize(), data.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    };
    let trained_on = model.config.as_ref().map(|config| config.data.folder.as_path());
    validation_part(data).is_none()
        && trained_on.is_some_and(|folder| same(folder) || same(&folder.join("train")))
}

fn write_table(out: &mut impl Write, per_class: &[ClassScores]) -> io::Result<()> {
    let width = per_class
        .iter()
        .map(|scores| one_line(&scores.class).chars().count())
        .max()
        .unwrap_or(0)
        .max(5);
    writeln!(out, "{:width$}  precision  recall      f1  photos", "class")?;
    // Of a thousand classes those that were met are of interest.
    for scores in per_class.iter().filter(|scores| scores.support > 0 || per_class.len() <= 20) {
        let ClassScores { class, precision, recall, f1, support } = scores;
        let class = one_line(class);
        writeln!(out, "{class:width$}  {precision:9.4}  {recall:6.4}  {f1:6.4}  {support:6}")?;
    }
    Ok(())
}

/// Most classes for which the confusion matrix fits a terminal.
const CONFUSION_CLASSES: usize = 10;

fn write_confusion(
    out: &mut impl Write,
    classes: &[String],
    confusion: &[Vec<usize>],
) -> io::Result<()> {
    if classes.len() > CONFUSION_CLASSES {
        return Ok(());
    }
    // A model file of somebody's may call its classes anything.
    let classes: Vec<String> = classes.iter().map(|class| one_line(class)).collect();
    let width = classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).max(6);
    let cells = |cells: &mut dyn Iterator<Item = String>| {
        cells.map(|cell| format!("  {cell:>width$}")).collect::<String>()
    };
    writeln!(out, "\n{:width$}{}  (predicted)", "true", cells(&mut classes.iter().cloned()))?;
    for (class, row) in classes.iter().zip(confusion) {
        writeln!(out, "{class:width$}{}", cells(&mut row.iter().map(ToString::to_string)))?;
    }
    writeln!(out)
}
