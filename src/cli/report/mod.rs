//! `kindling report`

mod content;
mod copies;
mod label_texts;
mod suspects;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueHint};
use kindling::device::DeviceInfo;
use kindling::photos::{PhotoSet, Split};
use kindling::printable::PathText;
use kindling::report::DEFAULT_GALLERY;
use kindling::run::{Model, RunConfig};
use serde::Serialize;

use self::suspects::suspects_of_run;
use super::calibration::CalibrationArg;
use super::evaluated::Evaluated;
use super::label_sets::{self, NewLabelReport};
use super::opened::{ComputeArgs, Opened, put_back};
use super::table::TableArgs;
use super::terminal::{
    Hinted, bytes, counted, error_text, one_line, printed_afterwards, say, text,
};
use super::tta::TtaArg;
pub use content::{NewReport, ReportFile, counts, made_of, making, name, source, warn_of_problem};
pub use copies::{in_two_classes, leaked, warn_in_two_classes, warn_leaked, with_near_duplicates};
pub use label_texts::LabelTexts;

/// Write an HTML report on a model and its predictions
///
/// The page shows the training curves, the confusion matrix, the most and the least certain photos
/// of each class, the misclassified photos with class activation maps, photos that may be in the
/// wrong folder, and how the model was made. `kindling train` and `kindling evaluate` write it too.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling report runs/first             the run's own validation photos
  kindling report runs/first other-photos --gallery 30 --out other.html
  kindling report efficientnet-lite0 photos --out imagenet.html")]
pub struct ReportArgs {
    /// Run folder; or, with DATA and --out, a weights file or the name of a published network
    run: PathBuf,

    /// Folder of photos, a table of them, or shards [default: the run's validation photos]
    #[arg(value_hint = ValueHint::AnyPath)]
    data: Option<PathBuf>,

    /// Output file [default: report.html in the run folder]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,

    #[command(flatten)]
    table: TableArgs,

    #[command(flatten)]
    gallery: GalleryArg,

    #[command(flatten)]
    compute: ComputeArgs,

    #[command(flatten)]
    calibration: CalibrationArg,

    #[command(flatten)]
    tta: TtaArg,

    /// Print only warnings, errors and, at the end, the report's path
    #[arg(long, short)]
    quiet: bool,
}

/// The option shared by every command that writes a report.
#[derive(Args, Clone, Copy, Serialize)]
pub struct GalleryArg {
    /// Photos to show in the report per class and kind: wrong, least certain, right
    // The upper limit bounds the size of a report with few classes.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_GALLERY as u32, value_parser = clap::value_parser!(u32).range(0..=1000))]
    gallery: u32,
}

impl GalleryArg {
    pub fn photos(self) -> usize {
        self.gallery as usize
    }
}

pub fn run(args: &ReportArgs) -> Result<()> {
    put_back(&args.run);
    let report_file = ReportFile::of(&args.run, args.out.as_deref())?.ok_or_else(|| {
        let message = format!("`{}` is not a run folder", args.run.shown());
        Hinted::new(message, vec!["give a file with --out".into()])
    })?;
    let opened = args.compute.model(&args.run, args.quiet, args.calibration)?;
    let (model, info) = (&opened.model, &opened.info);
    if model.task.thresholds().is_some() {
        return on_label_sets(args, report_file, &opened);
    }
    let (set, data, split) = match (&args.data, &model.config) {
        (Some(data), _) => (args.table.labelled_as(data, &model.classes)?, data.clone(), None),
        (None, Some(config)) => {
            let split = split_of_run(model, config)?;
            (validated_on(&split, config), config.data.folder.clone(), Some(split))
        }
        (None, None) => return Err(unrecorded(&args.run)),
    };
    let extractor = args.tta.apply(opened.extractor()?);
    let evaluated = Evaluated::of(model, set, &data, &extractor, args.quiet)?;
    let suspects = match &split {
        Some(split) => suspects_of_run(model, split, &evaluated, &extractor, args.quiet)?,
        None => None,
    };
    let report = NewReport {
        model,
        name: &args.run,
        evaluated: &evaluated,
        data: args.data.as_deref(),
        gallery: args.gallery.photos(),
        extractor: &extractor,
        device: info,
        overlap_reported: false,
        suspects: suspects.as_deref(),
    };
    let written = report_file.write(&report.draw()?)?;
    print(args, info, written, evaluated.labels.len())
}

/// The report on a model that gives a photo any number of classes.
fn on_label_sets(args: &ReportArgs, report_file: ReportFile, opened: &Opened<Model>) -> Result<()> {
    let Opened { model, info, .. } = opened;
    let (photos, data) = match (&args.data, &model.config) {
        (Some(data), _) => (args.table.labelled_as(data, &model.classes)?, data.clone()),
        (None, Some(config)) => (label_sets::validated_on(model)?, config.data.folder.clone()),
        (None, None) => return Err(unrecorded(&args.run)),
    };
    let extractor = args.tta.apply(opened.extractor()?);
    let evaluated = Evaluated::of(model, photos, &data, &extractor, args.quiet)?;
    let report = NewLabelReport {
        model,
        name: &args.run,
        evaluated: &evaluated,
        data: args.data.as_deref(),
        gallery: args.gallery.photos(),
        extractor: &extractor,
        device: info,
        overlap_reported: false,
    };
    let written = report_file.write(&report.draw()?)?;
    print(args, info, written, evaluated.labels.len())
}

/// Prints where the report is.
fn print(
    args: &ReportArgs,
    info: &DeviceInfo,
    (file, size): (PathBuf, u64),
    photos: usize,
) -> Result<()> {
    if args.quiet {
        return say(&text(&file));
    }
    printed_afterwards(writeln!(
        io::stdout(),
        "device    {info}\nreport    {} ({}, {})",
        one_line(&text(&file)),
        counted(photos, "photo"),
        bytes(size)
    ));
    Ok(())
}

/// The error about a model without a record of its validation photos.
fn unrecorded(run: &Path) -> anyhow::Error {
    let message = format!("`{}` does not record its validation photos", run.shown());
    Hinted::new(message, vec!["give a folder of photos".into()]).into()
}

/// The training and validation photos of a run, if the latter tell something of its model.
fn split_of_run(model: &Model, config: &RunConfig) -> Result<Split> {
    if config.options.get("refit").and_then(toml::Value::as_bool) == Some(true) {
        let message = "the run's head was trained on its validation photos too (--refit), so they \
                       say nothing of it; the report that `train` wrote has the figures of before";
        let hint = "give a folder of photos that it has not seen, after the run";
        return Err(Hinted::new(message.into(), vec![hint.into()]).into());
    }
    let hinted = |message: String| {
        Hinted::new(message, vec!["give a folder of photos after the run".into()])
    };
    let split = config.split().map_err(|error| hinted(error_text(&error)))?;
    if split.classes != model.classes {
        let message = "classes.txt does not list the classes that the run was trained on";
        return Err(hinted(message.into()).into());
    }
    Ok(split)
}

/// The validation photos of a run.
fn validated_on(split: &Split, config: &RunConfig) -> PhotoSet {
    PhotoSet {
        classes: split.classes.clone(),
        photos: split.val.clone(),
        passed_over: split.passed_over.clone(),
        folder: split.val_folder.clone().unwrap_or_else(|| config.data.folder.clone()),
    }
}
