//! The scores of a model that gives a photo any number of classes.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use kindling::evaluation::{CalibrationSummary, LabelScores, MultiLabelFigures};
use kindling::neighbours::StrangerCount;
use kindling::photos::{LabelSet, PhotoSet};
use kindling::printable::PathText;
use kindling::run::Model;
use serde::Serialize;

use super::NewLabelReport;
use crate::cli::evaluate::{SkippedFile, complete, trained_on_these};
use crate::cli::evaluated::Evaluated;
use crate::cli::opened::Opened;
use crate::cli::report::ReportFile;
use crate::cli::strangers;
use crate::cli::terminal::{SEED, counted, multi_label_figures, one_line, table, text, warn};
use crate::cli::tta::TtaArg;

/// What `evaluate` was asked for.
pub struct Asked<'a> {
    /// The path or name of the model, as the user gave it.
    pub run: &'a Path,
    /// The folder or table of the photos.
    pub data: &'a Path,
    pub photos: PhotoSet<LabelSet>,
    /// Where the report goes, if there is to be one.
    pub report_file: Option<ReportFile>,
    /// Why there is no place for a report.
    pub unwritten: Option<anyhow::Error>,
    pub gallery: usize,
    pub tta: TtaArg,
    pub json: bool,
}

/// The output of `--json`.
#[derive(Serialize)]
struct Evaluation<'a> {
    device: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tta: Option<u32>,
    task: &'static str,
    #[serde(flatten)]
    figures: &'a MultiLabelFigures,
    calibration: CalibrationSummary,
    #[serde(flatten)]
    strangers: Option<StrangerCount>,
    classes: &'a [String],
    skipped: usize,
    skipped_files: Vec<SkippedFile<'a>>,
    report: Option<&'a str>,
}

/// Scores the model on the photos, draws the report, and prints both.
pub fn evaluate(opened: &Opened<Model>, asked: Asked) -> Result<()> {
    let Asked { run, data, photos, report_file, mut unwritten, gallery, tta, json } = asked;
    let (model, info) = (&opened.model, &opened.info);
    let overlap_reported = trained_on_these(model, &photos);
    if overlap_reported {
        warn(&format!(
            "the model was trained on photos of `{}`, so these scores are too optimistic",
            photos.folder.shown()
        ));
    }
    let extractor = tta.apply(opened.extractor()?);
    let evaluated = Evaluated::of(model, photos, data, &extractor, json)?;
    let Evaluated { labels, skipped, .. } = &evaluated;
    let logits = model.calibrated(evaluated.logits.clone());
    let thresholds = model.task.thresholds().unwrap_or_default();
    let figures = MultiLabelFigures::of(&model.classes, &logits, labels, thresholds, SEED);
    // The scores are printed even if the report cannot be written.
    let report = report_file.and_then(|report_file| {
        let report = NewLabelReport {
            model,
            name: run,
            evaluated: &evaluated,
            data: Some(data),
            gallery,
            extractor: &extractor,
            device: info,
            overlap_reported,
        };
        match report.draw().and_then(|report| report_file.write(&report)) {
            Ok((file, _)) => Some(text(&file)),
            Err(error) => {
                unwritten = Some(error);
                None
            }
        }
    });
    let strangers = evaluated.strangers(model);
    let mut out = io::stdout().lock();
    if json {
        let evaluation = Evaluation {
            device: &info.device,
            tta: tta.several(),
            task: "multi-label",
            figures: &figures,
            calibration: CalibrationSummary::measured_on_label_sets(
                model.classes.len(),
                &evaluated.logits,
                labels,
                model.temperature,
                SEED,
            ),
            strangers,
            classes: &model.classes,
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
    if tta.several().is_some() {
        writeln!(out, "views     {tta}")?;
    }
    write_classes(&mut out, &figures.scores.per_class)?;
    let skipped = match skipped.len() {
        0 => String::new(),
        count => format!(", {} skipped", counted(count, "file")),
    };
    writeln!(out, "{}{skipped}", multi_label_figures(&figures))?;
    if let Some(count) = &strangers {
        writeln!(out, "{}", strangers::line(count, figures.scores.images, ""))?;
    }
    if let Some(report) = report {
        writeln!(out, "report    {}", one_line(&report))?;
    }
    complete(unwritten)
}

/// The scores of each class, with its confusion in the last four columns.
fn write_classes(out: &mut impl Write, per_class: &[LabelScores]) -> io::Result<()> {
    let header = [
        "class",
        "AP",
        "threshold",
        "precision",
        "recall",
        "f1",
        "photos",
        "found",
        "missed",
        "wrongly given",
        "rightly not given",
    ];
    let mut rows = vec![header.map(String::from)];
    // With many classes, list only those that occur.
    for one in per_class.iter().filter(|one| one.support > 0 || per_class.len() <= 20) {
        let score = |value: f64| match one.support {
            0 => "n/a".to_owned(),
            _ => format!("{value:.4}"),
        };
        let [[rightly_not, wrongly], [missed, found]] = one.confusion;
        rows.push([
            one_line(&one.class),
            score(one.average_precision.unwrap_or_default()),
            format!("{:.2}", one.threshold),
            score(one.precision),
            score(one.recall),
            score(one.f1),
            one.support.to_string(),
            found.to_string(),
            missed.to_string(),
            wrongly.to_string(),
            rightly_not.to_string(),
        ]);
    }
    table(out, rows)
}
