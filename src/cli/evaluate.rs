//! `kindling evaluate`

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueHint};
use kindling::evaluation::{CalibrationSummary, ClassScores, Prediction, ScoreIntervals, Scores};
use kindling::neighbours::StrangerCount;
use kindling::photos::{LabelSet, PhotoSet, Table, labelled_as, training_folder};
use kindling::printable::PathText;
use kindling::run::Model;
use serde::Serialize;

use super::calibration::CalibrationArg;
use super::evaluated::Evaluated;
use super::label_sets;
use super::opened::{ComputeArgs, put_back};
use super::report::{GalleryArg, NewReport, ReportFile};
use super::strangers;
use super::table::TableArgs;
use super::terminal::{SEED, class_means, counted, error_text, interval, one_line, text, warn};
use super::tta::TtaArg;

/// Score a trained model on labelled photos
///
/// Uses the validation part of DATA, otherwise its test part, otherwise its class folders, each a
/// class of the model. Rows of a table are chosen likewise. If RUN is a run folder, its report.html
/// is replaced by a report about these photos; `kindling report RUN` restores the one about the
/// run's own validation photos.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling evaluate runs/first photos
  kindling evaluate runs/first other-photos --report other.html
  kindling evaluate runs/first other-photos --no-report --json | jq .accuracy")]
pub struct EvaluateArgs {
    /// Run folder, weights file with its own fc layer, or the name of a published network
    run: PathBuf,

    /// Folder of photos; or a table of them: .csv, .tsv or .parquet; or shards: .tar or .zip
    data: PathBuf,

    #[command(flatten)]
    table: TableArgs,

    #[command(flatten)]
    compute: ComputeArgs,

    #[command(flatten)]
    calibration: CalibrationArg,

    #[command(flatten)]
    tta: TtaArg,

    /// Report file [default: report.html in the run folder]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    report: Option<PathBuf>,

    /// Do not write a report
    #[arg(long, conflicts_with = "report")]
    no_report: bool,

    #[command(flatten)]
    gallery: GalleryArg,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// The output of `--json`.
#[derive(Serialize)]
struct Evaluation<'a> {
    device: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tta: Option<u32>,
    #[serde(flatten)]
    scores: &'a Scores,
    #[serde(flatten)]
    intervals: ScoreIntervals,
    calibration: CalibrationSummary,
    classes: &'a [String],
    per_class: &'a [ClassScores],
    #[serde(flatten)]
    strangers: Option<StrangerCount>,
    skipped: usize,
    skipped_files: Vec<SkippedFile<'a>>,
    report: Option<&'a str>,
}

#[derive(Serialize)]
pub struct SkippedFile<'a> {
    pub path: &'a str,
    pub reason: &'a str,
}

pub fn run(args: &EvaluateArgs) -> Result<()> {
    put_back(&args.run);
    let mut unwritten = None;
    let report_file = match args.no_report {
        true => None,
        false => ReportFile::of(&args.run, args.report.as_deref()).or_else(|error| {
            // A file that the user named fails before the work.
            if args.report.is_some() {
                return Err(error);
            }
            unwritten = Some(error);
            Ok(None)
        })?,
    };
    let opened = args.compute.model(&args.run, args.json, args.calibration)?;
    let (model, info) = (&opened.model, &opened.info);
    if model.task.thresholds().is_some() {
        let asked = label_sets::Asked {
            run: &args.run,
            data: &args.data,
            photos: args.table.labelled_as(&args.data, &model.classes)?,
            report_file,
            unwritten,
            gallery: args.gallery.photos(),
            tta: args.tta,
            json: args.json,
        };
        return label_sets::evaluate(&opened, asked);
    }
    let set: PhotoSet = args.table.labelled_as(&args.data, &model.classes)?;

    let overlap_reported = trained_on_these(model, &set);
    if overlap_reported {
        warn(&format!(
            "the model was trained on photos of `{}`, so these scores are too optimistic",
            set.folder.shown()
        ));
    }
    let folder = (set.folder != args.data).then(|| text(&set.folder));
    let extractor = args.tta.apply(opened.extractor()?);
    let evaluated = Evaluated::of(model, set, &args.data, &extractor, args.json)?;
    let classes = model.classes.len();
    let logits = model.calibrated(evaluated.logits.clone());
    let scores = Scores::of(classes, &logits, &evaluated.labels);
    let per_class = scores.per_class(&model.classes);
    let predictions = Prediction::all(classes, &logits, &evaluated.labels);
    let intervals = ScoreIntervals::of(classes, &predictions, SEED);
    let calibration = CalibrationSummary::measured(
        classes,
        &evaluated.logits,
        &evaluated.labels,
        model.temperature,
        SEED,
    );
    // The scores are printed even if the report cannot be written.
    let report = match report_file {
        None => None,
        Some(report_file) => {
            let report = NewReport {
                model,
                name: &args.run,
                evaluated: &evaluated,
                data: Some(&args.data),
                gallery: args.gallery.photos(),
                extractor: &extractor,
                device: info,
                overlap_reported,
                suspects: None,
            };
            match report.draw().and_then(|report| report_file.write(&report)) {
                Ok((file, _)) => Some(text(&file)),
                Err(error) => {
                    unwritten = Some(error);
                    None
                }
            }
        }
    };
    let skipped = &evaluated.skipped;
    let strangers = evaluated.strangers(model);

    let mut out = io::stdout().lock();
    if args.json {
        let evaluation = Evaluation {
            device: &info.device,
            tta: args.tta.several(),
            scores: &scores,
            intervals,
            calibration,
            classes: &model.classes,
            per_class: &per_class,
            strangers,
            skipped: skipped.len(),
            skipped_files: skipped
                .iter()
                .map(|(path, reason)| SkippedFile { path, reason })
                .collect(),
            report: report.as_deref(),
        };
        writeln!(out, "{}", serde_json::to_string(&evaluation)?)?;
        return complete(unwritten);
    }
    writeln!(out, "device    {info}")?;
    if args.tta.several().is_some() {
        writeln!(out, "views     {}", args.tta)?;
    }
    if let Some(folder) = folder {
        writeln!(out, "photos    {}", one_line(&folder))?;
    }
    write_table(&mut out, &per_class)?;
    write_confusion(&mut out, &model.classes, &scores.confusion)?;
    writeln!(
        out,
        "accuracy {:.4}  loss {:.4}  {}{}  ({})",
        scores.accuracy,
        scores.loss,
        counted(scores.images, "photo"),
        match skipped.len() {
            0 => String::new(),
            count => format!(", {} skipped", counted(count, "file")),
        },
        interval(scores.accuracy, scores.images)
    )?;
    if scores.is_unbalanced() {
        let means = class_means(scores.balanced_accuracy, scores.macro_f1, Some(intervals));
        writeln!(out, "{means}")?;
    }
    writeln!(out, "calibration error {}", calibration_error(&calibration))?;
    if let Some(strangers) = &strangers {
        writeln!(out, "{}", strangers::line(strangers, scores.images, ""))?;
    }
    if let Some(report) = report {
        writeln!(out, "report    {}", one_line(&report))?;
    }
    complete(unwritten)
}

/// The calibration error, with what it can be compared with.
fn calibration_error(calibration: &CalibrationSummary) -> String {
    let CalibrationSummary { error_before, error_after, error_of_a_perfect_model, .. } =
        calibration;
    let without = match calibration.applied_temperature() {
        Some(temperature) => {
            format!(", {error_before:.4} without the temperature {temperature:.3}")
        }
        None => String::new(),
    };
    format!("{error_after:.4}{without} (a perfect model would show {error_of_a_perfect_model:.4})")
}

/// The error at the end if the report could not be written.
pub fn complete(unwritten: Option<anyhow::Error>) -> Result<()> {
    match unwritten {
        None => Ok(()),
        Some(error) => {
            let why = error_text(error.as_ref());
            bail!("no report was written: {why}; --no-report skips it")
        }
    }
}

/// Whether the class folders, or photos of the table, are those that the run was trained on.
pub fn trained_on_these<L>(model: &Model, set: &PhotoSet<L>) -> bool {
    let Some(config) = &model.config else { return false };
    let (data, folder) = (&config.data.folder, &set.folder);
    if Table::is_one(folder) {
        // A photo in an archive has no path that the system knows.
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let known = |path: &Path| path.canonicalize().unwrap_or_else(|_| absolute(path));
        let one_label = config.split().map(|split| split.train).unwrap_or_default();
        let several = config.recorded_split::<LabelSet>().map(|split| split.train);
        let several = several.unwrap_or_default();
        let paths = one_label.iter().map(|photo| &photo.path);
        let paths = paths.chain(several.iter().map(|photo| &photo.path));
        let trained_on: HashSet<PathBuf> = paths.map(|path| known(path)).collect();
        return set.photos.iter().any(|photo| trained_on.contains(&known(&photo.path)));
    }
    // The photos that a run was trained on may be gone.
    let trained_on = training_folder(data).unwrap_or_else(|_| data.clone());
    let is_same = |one: &Path| match (one.canonicalize(), folder.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    };
    let is_refit = config.options.get("refit").and_then(toml::Value::as_bool) == Some(true);
    let validated_on = match (&config.data.val_folder, is_refit) {
        (Some(val), true) => is_same(val),
        // The photos of `folder` that were validated on lie in the folder of the run.
        (None, true) => labelled_as(data, &model.classes).is_ok_and(|set| is_same(&set.folder)),
        (_, false) => false,
    };
    is_same(&trained_on) || validated_on
}

fn write_table(out: &mut impl Write, per_class: &[ClassScores]) -> io::Result<()> {
    let width = per_class
        .iter()
        .map(|scores| one_line(&scores.class).chars().count())
        .max()
        .unwrap_or(0)
        .max(5);
    writeln!(out, "{:width$}  precision  recall      f1  photos", "class")?;
    // With many classes, list only those that occur.
    for scores in per_class.iter().filter(|scores| scores.support > 0 || per_class.len() <= 20) {
        let ClassScores { class, precision, recall, f1, support } = scores;
        let class = one_line(class);
        if *support == 0 {
            let nothing = "n/a";
            writeln!(out, "{class:width$}  {nothing:>9}  {nothing:>6}  {nothing:>6}  {support:6}")?;
            continue;
        }
        writeln!(out, "{class:width$}  {precision:9.4}  {recall:6.4}  {f1:6.4}  {support:6}")?;
    }
    Ok(())
}

/// Maximum number of classes whose confusion matrix fits a terminal.
const CONFUSION_CLASSES: usize = 10;

fn write_confusion(
    out: &mut impl Write,
    classes: &[String],
    confusion: &[Vec<usize>],
) -> io::Result<()> {
    if classes.len() > CONFUSION_CLASSES {
        return Ok(());
    }
    // Class names come from the model file and may hold control characters.
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
