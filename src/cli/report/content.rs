//! What goes into a report, gathered from a model, its run and the photos that were evaluated.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use kindling::device::DeviceInfo;
use kindling::features::Extractor;
use kindling::output::OutputFile;
use kindling::photos::{LabelledPhoto, exact_duplicates};
use kindling::report::{Content, Report, ReportPhoto};
use kindling::run::{CURVES_FILE, History, Model, REPORT_FILE, RunConfig, Summary, Versions};

use crate::cli::evaluated::Evaluated;
use crate::cli::terminal::{text, told, warn};

/// The report of a model that exists, on photos that were just evaluated.
pub struct NewReport<'a> {
    pub model: &'a Model,
    /// The model as it was named.
    pub name: &'a Path,
    pub evaluated: &'a Evaluated,
    /// The folder of the photos; nothing where they are the run's own validation photos.
    pub data: Option<&'a Path>,
    pub gallery: usize,
    pub extractor: &'a Extractor<'a>,
    /// What they were evaluated on.
    pub device: &'a DeviceInfo,
    /// It has been said already that the model was trained on these photos.
    pub told_of_training: bool,
}

impl NewReport<'_> {
    /// Draws it, and warns of what it could not show.
    pub fn draw(&self) -> Result<Report> {
        let Self { model, evaluated, .. } = self;
        let photos = evaluated.photos();
        let history = match &model.config {
            Some(_) => Some(History::read(self.name)?),
            None => None,
        };
        let split = match &model.config {
            Some(config) => config.split().map_err(|error| told(&error)),
            None => Err("what the model was trained on is not written down".into()),
        };
        let leaked = split.map(|split| leaked(&split.train, &photos));
        if let (Ok(leaked), false) = (&leaked, self.told_of_training) {
            warn_leaked(leaked, "evaluated");
        }
        let mut making = match (&model.config, &history) {
            (Some(config), Some(history)) => making(config, &history.summary),
            _ => vec![
                ("backbone", model.backbone.architecture().to_string()),
                ("weights", text(self.name)),
                ("versions", versions(&Versions::current())),
            ],
        };
        making.push(("evaluated on", self.device.to_string()));
        let report = Report::draw(
            &Content {
                name: &name(self.name),
                classes: &model.classes,
                epochs: history
                    .as_ref()
                    .map(|history| (history.epochs.as_slice(), history.summary.best_epoch.epoch)),
                source: match (self.data, &model.config) {
                    (Some(data), _) => format!("{} photos of {}", photos.len(), data.display()),
                    (None, config) => source(photos.len(), config.as_ref()),
                },
                photos: &photos,
                logits: &evaluated.logits,
                trained_on: model
                    .config
                    .as_ref()
                    .and_then(|config| config.data.trained_on.clone())
                    .filter(|counts| counts.len() == model.classes.len()),
                skipped: &evaluated.skipped,
                leaked,
                making,
                gallery: self.gallery,
            },
            self.extractor,
            &model.head,
        );
        if let Some(problem) = &report.problem {
            warn(&format!("in the report {problem}"));
        }
        Ok(report)
    }
}

/// Where a report goes.
pub struct Place {
    file: PathBuf,
    page: OutputFile,
    /// Into a run folder the curves go too.
    curves: Option<OutputFile>,
}

impl Place {
    /// `asked`, or the report of the run folder `run`; nothing where that is no folder.
    ///
    /// # Errors
    /// Where a file is there that is no report: it is not ours to replace. Where none can be made.
    pub fn of(run: &Path, asked: Option<&Path>) -> Result<Option<Self>> {
        let (file, curves) = match asked {
            Some(file) => (file.to_owned(), None),
            None if run.is_dir() => (run.join(REPORT_FILE), Some(run.join(CURVES_FILE))),
            None => return Ok(None),
        };
        if file.symlink_metadata().is_ok() && !Report::is_one(&file) {
            bail!("`{}` is there already and is no report: name another file", file.display());
        }
        let page = OutputFile::reserve(&file, true)?;
        // Curves that are not ours are left alone.
        let curves = curves
            .filter(|curves| curves.symlink_metadata().is_err() || Report::is_one(curves))
            .map(|curves| OutputFile::reserve(&curves, true))
            .transpose()?;
        Ok(Some(Self { file, page, curves }))
    }

    /// Writes the page and the curves; says where the page is and how many bytes it has.
    pub fn write(self, report: &Report) -> Result<(PathBuf, u64)> {
        if let (Some(place), Some(curves)) = (self.curves, &report.curves) {
            place.write(curves.as_bytes())?;
        }
        Ok((self.file, self.page.write(report.html.as_bytes())?))
    }
}

/// The validation photos of a run, in words.
pub fn source(photos: usize, config: Option<&RunConfig>) -> String {
    match config {
        Some(config) => format!("{photos} validation photos of {}", config.data.folder.display()),
        None => format!("{photos} photos"),
    }
}

/// A model's name for people: the end of its path.
pub fn name(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Photos of each class.
pub fn counts(labels: impl IntoIterator<Item = usize>, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    labels.into_iter().for_each(|label| counts[label] += 1);
    counts
}

/// The evaluated photos whose content was trained on, each with the photo that it is a copy of.
pub fn leaked(trained_on: &[LabelledPhoto], evaluated: &[ReportPhoto]) -> Vec<(PathBuf, PathBuf)> {
    let trained: Vec<&Path> = trained_on.iter().map(|photo| photo.path.as_path()).collect();
    let others: Vec<&Path> = evaluated.iter().map(|photo| photo.path).collect();
    exact_duplicates(&trained, &others)
        .into_iter()
        .map(|(other, photo)| (others[other].to_owned(), trained[photo].to_owned()))
        .collect()
}

/// Says on the terminal that photos were trained on which should be new: validation photos, or whichever.
pub fn warn_leaked(leaked: &[(PathBuf, PathBuf)], which: &str) {
    if let Some((evaluated, trained)) = leaked.first() {
        let (are, they) = match leaked.len() {
            1 => ("photo is", "it flatters"),
            _ => ("photos are", "they flatter"),
        };
        warn(&format!(
            "{} {which} {are}, byte for byte, among those trained on, so {they} the scores: `{}` is `{}`{}",
            leaked.len(),
            evaluated.display(),
            trained.display(),
            if leaked.len() > 1 { ", ... (the report lists them)" } else { "" },
        ));
    }
}

/// How a run was made, as names and values.
pub fn making(config: &RunConfig, summary: &Summary) -> Vec<(&'static str, String)> {
    let option = |name: &str| config.options.get(name).map(ToString::to_string);
    let recipe = &config.preprocessing;
    let rows = [
        ("command", config.command.clone()),
        ("made", config.created.clone()),
        ("backbone", Some(config.backbone.clone())),
        ("weights", Some(text(&config.weights.file))),
        ("weights' SHA-256", Some(config.weights.sha256.clone())),
        (
            "preprocessing",
            Some(format!(
                "short side {} ({}), centre {}, mean {:?}, deviation {:?}",
                recipe.resize, recipe.filter, recipe.crop, recipe.mean, recipe.std
            )),
        ),
        ("trained on", Some(config.device.to_string())),
        ("epochs", Some(format!("{} ({} kept)", summary.epochs, summary.best_epoch.epoch))),
        ("batch size", option("batch_size")),
        ("step size", option("lr")),
        ("weight decay", option("weight_decay")),
        ("seed", option("seed")),
        ("versions", Some(versions(&config.versions))),
        ("features", Some(format!("{:.2} s", summary.feature_seconds))),
        ("training", Some(format!("{:.2} s", summary.training_seconds))),
    ];
    rows.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn versions(versions: &Versions) -> String {
    format!("kindling {}, Burn {}", versions.kindling, versions.burn)
}
