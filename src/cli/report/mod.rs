//! `kindling report`

mod content;

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueHint};
use kindling::photos::{PhotoSet, labelled_as};
use kindling::report::DEFAULT_GALLERY;
use kindling::run::Model;
use serde::Serialize;

use super::DeviceArg;
use super::evaluated::Evaluated;
use super::extraction::{FeaturesArg, extractor};
use super::pretrained::NetworkArg;
use super::terminal::{bytes, counted, one_line, say, text, told};
pub use content::{NewReport, Place, counts, leaked, making, name, source, warn_leaked};

/// Show what a model does with photos: one page to open in a browser
///
/// The page has the curves of the training, the confusion of the classes, the photos that the model is surest
/// and least sure of and those that it gets wrong, where it looked in them, photos that may lie in the wrong
/// folder, and how everything was made. `train` and `evaluate` write it too.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling report runs/first             the run's own validation photos
  kindling report runs/first other-photos --gallery 30 --out other.html
  kindling report efficientnet-lite0 photos --out imagenet.html")]
pub struct ReportArgs {
    /// Run folder; or, with DATA and --out, a weights file or the name of a published network
    run: PathBuf,

    /// Folder of photos [default: those that the run was validated on]
    #[arg(value_hint = ValueHint::DirPath)]
    data: Option<PathBuf>,

    /// File to write [default: report.html in the run folder]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,

    #[command(flatten)]
    gallery: GalleryArg,

    #[command(flatten)]
    device: DeviceArg,

    #[command(flatten)]
    features: FeaturesArg,

    #[command(flatten)]
    network: NetworkArg,

    /// Print nothing but warnings, errors and, at the end, the file
    #[arg(long, short)]
    quiet: bool,
}

/// The option of every command that writes a report.
#[derive(Args, Clone, Copy, Serialize)]
pub struct GalleryArg {
    /// Photos of each sort to show in each class of the report: wrong, least certain, right
    // Also the bound of what a report of a few classes may hold.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_GALLERY as u32, value_parser = clap::value_parser!(u32).range(0..=1000))]
    gallery: u32,
}

impl GalleryArg {
    pub fn photos(self) -> usize {
        self.gallery as usize
    }
}

pub fn run(args: &ReportArgs) -> Result<()> {
    let place = Place::of(&args.run, args.out.as_deref())?.ok_or_else(|| {
        anyhow!("`{}` is no run folder to write a report into: give --out FILE", args.run.display())
    })?;
    let (info, device) = args.device.open()?;
    let model = args.network.model(&args.run, args.quiet, &device)?;
    let (set, data) = match (&args.data, &model.config) {
        (Some(data), _) => (labelled_as(data, &model.classes)?, data.clone()),
        (None, Some(config)) => (validated_on(&model)?, config.data.folder.clone()),
        (None, None) => {
            bail!(
                "`{}` does not say what it was validated on: give a folder of photos",
                args.run.display()
            )
        }
    };
    let extractor = extractor(&model.backbone, model.recipe, (&info, &device), &args.features)?;
    let evaluated = Evaluated::of(&model, set, &data, &extractor, args.quiet)?;
    let report = NewReport {
        model: &model,
        name: &args.run,
        evaluated: &evaluated,
        data: args.data.as_deref(),
        gallery: args.gallery.photos(),
        extractor: &extractor,
        device: &info,
        told_of_training: false,
    };
    let (file, size) = place.write(&report.draw()?)?;
    if args.quiet {
        return say(&text(&file));
    }
    say(&format!("device    {info}"))?;
    say(&format!(
        "report    {} ({}, {})",
        one_line(&text(&file)),
        counted(evaluated.labels.len(), "photo"),
        bytes(size)
    ))
}

/// The photos that a run was validated on.
fn validated_on(model: &Model) -> Result<PhotoSet> {
    let config = model.config.as_ref().expect("a run has a configuration");
    let split = config
        .split()
        .map_err(|error| anyhow!("{}; name a folder behind the run", told(&error)))?;
    if split.classes != model.classes {
        bail!(
            "classes.txt does not name the classes that the run was trained on: name a folder behind it"
        );
    }
    Ok(PhotoSet { classes: split.classes, photos: split.val, passed_over: split.passed_over })
}
