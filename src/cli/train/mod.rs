//! `kindling train`

mod args;
mod calibrate;
mod console;
#[cfg(feature = "tui")]
mod dashboard;
mod extract;
mod fit;
mod load;
mod multi_label;
mod new_run_dir;
mod report;
mod save;
mod scarce;
mod test;
mod watch;

use anyhow::{Context, Result};
use kindling::photos::{
    LabelSet, Part, Split, Table, TableOptions, split_of_parts, training_split,
};
use kindling::printable::PathText;
use kindling::run::REPORT_FILE;

use super::opened::put_back;
use super::report::counts;
use super::terminal::{counted, interval, one_line, shell_word, text, this_program};
pub use args::TrainArgs;
use console::Console;
use new_run_dir::NewRunDir;
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
    if let Some(split) = several_labels(args)? {
        let asked = multi_label::Asked { args, typed, options, run_dir, watch };
        return multi_label::run(asked, &split, console);
    }
    let split = photos(args, &console)?;
    let test_set = test::read(args.test.as_deref(), &split.classes)?;

    let loaded = load::load(args, &console)?;
    let extracted = extract::extract(args, &loaded, &split, &console)?;
    extract::every_class_has_photos(&extracted.train, &split.classes)?;
    let val_counts = counts(extracted.val.labels.iter().copied(), split.classes.len());
    scarce::warn_of_classes(&split.classes, &val_counts);
    let test_photos = test::features(test_set.as_ref(), &extracted, args.quiet)?;
    let fitted = fit::fit(args, &loaded, &extracted, split.classes.len(), watch, &console)?;
    let calibrated = calibrate::calibrate(&fitted, &extracted, split.classes.len());
    let tested =
        test_photos.map(|photos| photos.tested(&fitted, &calibrated, &loaded, &split.classes));
    let trained = Trained {
        loaded: &loaded,
        extracted,
        split: &split,
        fitted,
        calibrated,
        tested,
        options,
        typed,
    };
    let saved = trained.save(args, run_dir)?;
    print(&saved, &console);
    // The run is there; but its name and its accuracy, which the user asked for, are not.
    console.check().with_context(|| format!("`{}` is complete", saved.folder.shown()))
}

/// The photos to train and to validate on.
fn photos(args: &TrainArgs, console: &Console) -> Result<Split> {
    let split = match (&args.train, &args.data) {
        (None, Some(data)) => training_split(data, args.val_split, args.seed)?,
        _ => split_of_parts(args.folder(), args.val.as_deref(), args.val_split, args.seed)?,
    };
    if let Some(roles) = &split.roles {
        console.line(format_args!("layout    {}", one_line(roles)));
    }
    console.line(format_args!(
        "photos    {} to train on, {} to validate on, {} classes",
        split.train.len(),
        split.val.len(),
        split.classes.len()
    ));
    Ok(split)
}

/// The photos of a table in which they have any number of labels.
fn several_labels(args: &TrainArgs) -> Result<Option<Split<LabelSet>>> {
    let Some(file) = args.data.as_deref().filter(|data| Table::is_one(data)) else {
        return Ok(None);
    };
    let table = Table::read(file, &TableOptions::default())?;
    let part = |part| table.photos::<LabelSet>(Some(part)).map(|set| set.photos);
    Ok(Some(Split {
        classes: table.classes.clone(),
        train: part(Part::Train)?,
        val: part(Part::Val)?,
        test: part(Part::Test)?,
        passed_over: table.passed_over.clone(),
        val_folder: None,
        roles: None,
    }))
}

/// Prints where the run is and how good it is.
fn print(saved: &Saved, console: &Console) {
    let Saved { folder, summary, skipped, has_report } = saved;
    if console.quiet {
        return console.always(format_args!("{}", folder.shown()));
    }
    if !skipped.is_empty() {
        console.line(format_args!("skipped   {}", counted(skipped.len(), "file")));
    }
    console.line(format_args!(
        "model     {} (epoch {} of {})",
        one_line(&text(folder)),
        summary.best_epoch.epoch,
        summary.epochs
    ));
    if *has_report {
        let report = text(&folder.join(REPORT_FILE));
        console.line(format_args!("report    {}", one_line(&report)));
    }
    let accuracy = summary.best_epoch.val_accuracy;
    let photos = summary.val_photos;
    console.line(format_args!(
        "validation accuracy {accuracy:.4} on {} ({})",
        counted(photos, "photo"),
        interval(accuracy, photos)
    ));
    if summary.test.is_none() && summary.epochs > 1 {
        console.line(format_args!(
            "          they chose the epoch, which flatters by some half a point; \
             --test DIR gives a figure that nothing was chosen by"
        ));
    }
    if let Some(test) = &summary.test {
        let photos = counted(test.photos, "photo");
        let interval = interval(test.accuracy, test.photos);
        console.line(format_args!("test accuracy {:.4} on {photos} ({interval})", test.accuracy));
    }
    if let Some(line) = summary.calibration.as_ref().and_then(calibrate::in_words) {
        console.line(format_args!("{line}"));
    }
    let model = one_line(&shell_word(folder));
    console.line(format_args!("try it:   {} predict {model} PHOTO", this_program()));
}
