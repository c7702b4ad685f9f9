//! `kindling train` on photos that show any number of classes: from the table on.

mod fit;
mod report;
mod save;

use anyhow::{Context, Result, bail};
use kindling::evaluation::MultiLabelFigures;
use kindling::head::Examples;
use kindling::photos::{LabelSet, Split};
use kindling::printable::PathText;
use kindling::run::REPORT_FILE;

use super::console::Console;
use super::duplicates::{self, Prepared};
use super::extract::Sources;
use super::new_run_dir::NewRunDir;
use super::photos::Photos;
use super::row_storage::RowStorage;
use super::watch::Watch;
use super::{TrainArgs, calibrate, extract, load, neighbours, scarce, test};
use crate::cli::report::counts;
use crate::cli::strangers;
use crate::cli::terminal::{
    counted, multi_label_figures, one_line, shell_word, text, this_program,
};
use save::{Saved, Trained};

/// What the command was given.
pub struct Asked<'a> {
    pub args: &'a TrainArgs,
    /// The command as the user typed it.
    pub typed: &'a str,
    /// The options, for the run's configuration.
    pub options: toml::Table,
    pub run_dir: NewRunDir,
    pub watch: Watch,
    pub storage: RowStorage,
}

/// Trains on `photos`.
pub fn run(asked: Asked, photos: Photos<LabelSet>, console: Console) -> Result<()> {
    let Asked { args, typed, options, run_dir, watch, storage } = asked;
    args.head.check_for_label_sets()?;
    console.line(format_args!("labels    {}", kinds(&photos.split)));
    let loaded = load::load(args, None, &console)?;
    let sources = Sources { known: None, storage: &storage };
    let extracted = extract::extract(args, &loaded, &photos.split, sources, &console)?;
    let test = test::features(&photos.split, &extracted, sources, args.quiet)?;
    let prepared = Prepared { photos, extracted, test };
    let (prepared, near_duplicates) = duplicates::look_for(args, prepared, &console)?;
    let Prepared { photos, extracted, test } = prepared;
    let split = &photos.split;
    every_class_is_shown(&extracted.train, &split.classes)?;
    scarce::warn_of_classes(&split.classes, &shown(&extracted.val, split.classes.len()));
    let fitted = fit::fit(args, &loaded, &extracted, &split.classes, watch, &console)?;
    let test = test.map(|photos| photos.scored(&fitted, &loaded, &split.classes)).transpose()?;
    let strangers = neighbours::measure(args, &loaded, split, &extracted)?;
    let trained = Trained {
        loaded: &loaded,
        extracted,
        photos: &photos,
        split,
        near_duplicates,
        fitted,
        test,
        strangers,
        options,
        typed,
    };
    let saved = trained.save(args, run_dir)?;
    print(&saved, &console);
    console.check().with_context(|| format!("`{}` is complete", saved.folder.shown()))
}

/// How many photos show several classes, and how many none.
fn kinds(split: &Split<LabelSet>) -> String {
    let photos = || split.train.iter().chain(&split.val).chain(&split.test);
    let several = photos().filter(|photo| photo.label.len() > 1).count();
    let none = photos().filter(|photo| photo.label.is_empty()).count();
    format!("several a photo: {} with more than one, {none} with none", counted(several, "photo"))
}

/// The number of photos that show each class.
fn shown(examples: &Examples<LabelSet>, classes: usize) -> Vec<usize> {
    counts(examples.labels.iter().flatten().copied(), classes)
}

/// Checks that each class is shown by a training photo that could be decoded.
fn every_class_is_shown(train: &Examples<LabelSet>, classes: &[String]) -> Result<()> {
    let shown = shown(train, classes.len());
    match classes.iter().zip(&shown).find(|(_, count)| **count == 0) {
        Some((class, _)) => {
            bail!("no training photo that could be decoded shows the class `{class}`")
        }
        None => Ok(()),
    }
}

/// Prints where the run is and how good it is.
fn print(saved: &Saved, console: &Console) {
    let Saved { folder, summary, scores, skipped, has_report } = saved;
    if console.quiet {
        return console.always(format_args!("{}", folder.shown()));
    }
    if *skipped > 0 {
        console.line(format_args!("skipped   {}", counted(*skipped, "file")));
    }
    let (kept, epochs) = (summary.best_epoch.epoch, summary.epochs);
    let model = one_line(&text(folder));
    console.line(format_args!("model     {model} (epoch {kept} of {epochs})"));
    if *has_report {
        let report = text(&folder.join(REPORT_FILE));
        console.line(format_args!("report    {}", one_line(&report)));
    }
    let part = |name: &str, figures: &MultiLabelFigures| {
        console.line(format_args!("{name} {}", multi_label_figures(figures)));
    };
    part("validation", &scores.validation);
    match &scores.test {
        Some(test) => part("test", test),
        None => console.line(format_args!(
            "          they chose the epoch and the thresholds, which flatters; a test part gives \
             figures that nothing was chosen by"
        )),
    }
    if let Some(line) = summary.calibration.as_ref().and_then(calibrate::in_words) {
        console.line(format_args!("{line}"));
    }
    if let Some(count) = &summary.strangers {
        let line = strangers::line(count, summary.val_photos, "validation ");
        console.line(format_args!("{line}"));
    }
    let model = one_line(&shell_word(folder));
    console.line(format_args!("try it:   {} predict {model} PHOTO", this_program()));
}
