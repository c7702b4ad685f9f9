//! `kindling train`

mod args;
mod auto;
mod calibrate;
mod console;
mod curve;
#[cfg(feature = "tui")]
mod dashboard;
mod duplicates;
mod examine;
mod extract;
mod fit;
mod known_features;
mod load;
mod multi_label;
mod neighbours;
mod new_run_dir;
mod photos;
mod report;
mod row_storage;
mod save;
mod scarce;
mod test;
mod views;
mod watch;

use anyhow::{Context, Result};
use kindling::printable::PathText;
use kindling::run::REPORT_FILE;

use super::opened::put_back;
use super::report::counts;
use super::strangers;
use super::terminal::{class_means, counted, interval, one_line, shell_word, text, this_program};
pub use args::TrainArgs;
use console::Console;
use duplicates::Prepared;
use extract::Sources;
use known_features::KnownFeatures;
use new_run_dir::NewRunDir;
use photos::TrainingData;
use row_storage::RowStorage;
use save::{Saved, Trained};
use watch::Watch;

/// Runs the command. `typed` is the command line as the user gave it, which the run records.
pub fn run(args: &TrainArgs, typed: &str) -> Result<()> {
    let watch = Watch::asked(args.tui)?;
    if let Some(out) = &args.out {
        put_back(out);
    }
    let run_dir = NewRunDir::reserve(args.out.as_deref(), args.force)?;
    let options = toml::Table::try_from(args)
        .context("the options cannot be written into the run (are all paths UTF-8?)")?;
    let console = Console::new(args.quiet);
    let storage = RowStorage::of(args, run_dir.folder())?;
    let known = KnownFeatures::read(args, storage.writer(), &console)?;
    let data_set = match photos::read(args, known.as_ref(), &console)? {
        TrainingData::OneLabel(data_set) => data_set,
        TrainingData::SeveralLabels(data_set) => {
            let photos = photos::split(args, data_set, &console)?;
            let asked = multi_label::Asked { args, typed, options, run_dir, watch, storage };
            return multi_label::run(asked, photos, console);
        }
    };
    let photos = photos::split(args, data_set, &console)?;

    let loaded = load::load(args, known.as_ref().and_then(KnownFeatures::backbone), &console)?;
    let sources = Sources { known: known.as_ref(), storage: &storage };
    let extracted = extract::extract(args, &loaded, &photos.split, sources, &console)?;
    let test = test::features(&photos.split, &extracted, sources, args.quiet)?;
    // Its features were copied.
    drop(known);
    let prepared = Prepared { photos, extracted, test };
    let (prepared, near_duplicates) = duplicates::look_for(args, prepared, &console)?;
    let Prepared { photos, extracted, test } = prepared;
    let classes = &photos.split.classes;
    extract::every_class_has_photos(&extracted.train, classes)?;
    let val_counts = counts(extracted.val.labels.iter().copied(), classes.len());
    scarce::warn_of_classes(classes, &val_counts);
    let split = &photos.split;
    let mut fitted = fit::fit(args, &loaded, &extracted, split, watch, &console)?;
    let calibrated = calibrate::calibrate(&fitted, &extracted, classes.len());
    examine::refit(args, &loaded, &extracted, split, &mut fitted, &console)?;
    let tested = test.map(|test| test.tested(&photos.split, &fitted, &calibrated, &loaded));
    let tested = tested.transpose()?;
    let examined = examine::examine(args, &loaded, &extracted, split, &fitted, &console)?;
    let strangers = neighbours::measure(args, &loaded, split, &extracted)?;
    let curve = curve::measure(&extracted, &photos.split, &loaded);
    let trained = Trained {
        loaded: &loaded,
        extracted,
        photos: &photos,
        near_duplicates,
        fitted,
        calibrated,
        strangers,
        tested,
        examined,
        curve,
        options,
        typed,
    };
    let saved = trained.save(args, run_dir)?;
    print(args, &saved, &console);
    // The run is there; but its name and its accuracy, which the user asked for, are not.
    console.check().with_context(|| format!("`{}` is complete", saved.folder.shown()))
}

/// Prints where the run is and how good it is.
fn print(args: &TrainArgs, saved: &Saved, console: &Console) {
    let Saved { folder, summary, skipped, has_report, .. } = saved;
    if console.quiet {
        return console.always(format_args!("{}", folder.shown()));
    }
    if !skipped.is_empty() {
        console.line(format_args!("skipped   {}", counted(skipped.len(), "file")));
    }
    let chosen = match &summary.head.selection {
        Some(selection) => format!("C = {}", selection.c),
        None => format!("epoch {} of {}", summary.best_epoch.epoch, summary.epochs),
    };
    console.line(format_args!("model     {} ({chosen})", one_line(&text(folder))));
    if *has_report {
        let report = text(&folder.join(REPORT_FILE));
        console.line(format_args!("report    {}", one_line(&report)));
    } else if !args.known_features.is_empty() {
        console.line(format_args!(
            "report    none, for it shows photos: `kindling report` draws it if they are there"
        ));
    }
    let accuracy = summary.best_epoch.val_accuracy;
    let photos = summary.val_photos;
    console.line(format_args!(
        "validation accuracy {accuracy:.4} on {} ({})",
        counted(photos, "photo"),
        interval(accuracy, photos)
    ));
    if let (true, Some(balanced), Some(macro_f1)) =
        (saved.is_unbalanced, summary.head.balanced_accuracy, summary.head.macro_f1)
    {
        let means = class_means(balanced, macro_f1, summary.val_intervals);
        console.line(format_args!("          {means}"));
    }
    if summary.test.is_none() && summary.chose_an_epoch() {
        console.line(format_args!(
            "          they chose the epoch, which flatters by some half a point; \
             a test part (--test, --test-split) gives a figure that nothing was chosen by"
        ));
    }
    if let Some(strangers) = &summary.strangers {
        console.line(format_args!("{}", strangers::line(strangers, photos, "validation ")));
    }
    if let Some(test) = &summary.test {
        let photos = counted(test.photos, "photo");
        let interval = interval(test.accuracy, test.photos);
        console.line(format_args!("test accuracy {:.4} on {photos} ({interval})", test.accuracy));
        if let (true, Some(balanced), Some(macro_f1)) =
            (saved.is_unbalanced, test.balanced_accuracy, test.macro_f1)
        {
            let means = class_means(balanced, macro_f1, test.intervals);
            console.line(format_args!("          {means}"));
        }
    }
    if let Some(line) = summary.calibration.as_ref().and_then(calibrate::in_words) {
        console.line(format_args!("{line}"));
    }
    if let Some(curve) = &summary.learning_curve {
        console.line(format_args!("outlook   {}", curve.sentence()));
    }
    let model = one_line(&shell_word(folder));
    console.line(format_args!("try it:   {} predict {model} PHOTO", this_program()));
}
