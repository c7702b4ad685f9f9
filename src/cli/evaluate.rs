//! `kindling evaluate`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use kindling::evaluation::{ClassScores, Scores};
use kindling::features::Extractor;
use kindling::photos::{labelled_as, validation_part};
use kindling::run::Model;
use serde::Serialize;

use super::pretrained::NetworkArg;
use super::terminal::{counted, photo_bar, text, told, warn, warn_skipped};
use super::{DeviceArg, forward_batch};

/// Score a trained model on photos whose class is known
///
/// Takes DATA/val where there is one, else DATA's own class folders. Their names must be classes of
/// the model.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling evaluate runs/first photos
  kindling evaluate runs/first other-photos --json | jq .accuracy")]
pub struct EvaluateArgs {
    /// Run folder, weights file with its own fc layer, or the name of a published network
    run: PathBuf,

    /// Folder of photos
    data: PathBuf,

    #[command(flatten)]
    device: DeviceArg,

    #[command(flatten)]
    network: NetworkArg,

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
}

#[derive(Serialize)]
struct SkippedFile<'a> {
    path: &'a str,
    reason: &'a str,
}

pub fn run(args: &EvaluateArgs) -> Result<()> {
    let (info, device) = args.device.open()?;
    let model = args.network.model(&args.run, args.json, &device)?;
    let set = labelled_as(&args.data, &model.classes)?;
    let paths = set.paths();

    if trained_on_these(&model, &args.data) {
        warn(&format!(
            "the model was trained on photos of `{}`, so the scores flatter it",
            args.data.display()
        ));
    }
    let extractor = Extractor {
        backbone: &model.backbone,
        recipe: model.recipe,
        device: &device,
        batch_size: forward_batch(&info),
    };
    let bar = photo_bar(paths.len(), "evaluate", args.json);
    let extraction = extractor.all(&paths, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();

    let passed_over = set.passed_over.iter().map(|file| (text(&file.path), file.reason.clone()));
    let failed = extraction.failed.iter().map(|(index, error)| (text(paths[*index]), told(error)));
    let skipped: Vec<(String, String)> = passed_over.chain(failed).collect();
    warn_skipped(&skipped);
    if extraction.photos.is_empty() {
        bail!("no photo in `{}` could be decoded", args.data.display());
    }
    let labels: Vec<usize> =
        extraction.photos.iter().map(|index| set.photos[*index].label).collect();
    let logits = model.logits(&extraction.rows, &device)?;
    let scores = Scores::of(model.classes.len(), &logits, &labels);
    let per_class = scores.per_class(&model.classes);

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
    Ok(())
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
    let width =
        per_class.iter().map(|scores| scores.class.chars().count()).max().unwrap_or(0).max(5);
    writeln!(out, "{:width$}  precision  recall      f1  photos", "class")?;
    // Of a thousand classes those that were met are of interest.
    for scores in per_class.iter().filter(|scores| scores.support > 0 || per_class.len() <= 20) {
        let ClassScores { class, precision, recall, f1, support } = scores;
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
