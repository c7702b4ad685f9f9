//! Training and validation photos together: cross-validation, suspected labels, and the refit.

use anyhow::Result;
use kindling::evaluation::FoldScores;
use kindling::head::{Examples, FitError, Head, Next, fit_epochs, fit_l2, out_of_fold};
use kindling::photos::{Part, Split};
use kindling::report::Suspect;
use kindling::run::{FOLDS_FILE, SUSPECTS_FILE, folds_table, suspects_table};

use super::TrainArgs;
use super::args::HeadKind;
use super::console::Console;
use super::extract::Extracted;
use super::fit::{Fitted, fit_options, head_device};
use super::load::Loaded;
use crate::cli::interrupt;
use crate::cli::suspects::{Pool, is_quick};
use crate::cli::terminal::counted;

/// What cross-validation says of the photos.
pub struct Examined<'a> {
    pub folds: Option<FoldScores>,
    pub suspects: Option<Vec<Suspect<'a>>>,
    /// Tables for the run folder.
    pub tables: Vec<(&'static str, Vec<u8>)>,
}

/// The training and validation photos that could be decoded.
pub fn pool<'a>(split: &'a Split, extracted: &Extracted) -> Pool<'a> {
    let Extracted { train, val, extraction, .. } = extracted;
    let photo = |index: &usize| match index.checked_sub(split.train.len()) {
        None => (&split.train[*index], Part::Train),
        Some(index) => (&split.val[index], Part::Val),
    };
    let photos = extraction.photos.iter().map(photo);
    // Validation photos have one view, and here as many as the training photos.
    let (views, val) = (train.views(), val.first_views());
    let val_rows =
        val.rows.values().chunks(val.width).flat_map(|row| std::iter::repeat_n(row, views));
    let rows = train.rows.values().iter().chain(val_rows.flatten());
    Pool {
        groups: photos.clone().map(|(photo, _)| photo.group).collect(),
        photos: photos.map(|(photo, part)| (photo.path.as_path(), part, photo.label)).collect(),
        examples: Examples {
            width: train.width,
            rows: rows.copied().collect(),
            labels: [train.labels.as_slice(), &val.labels].concat(),
        },
    }
}

/// Cross-validates if the user asked for it, and looks for wrong labels.
pub fn examine<'a>(
    args: &TrainArgs,
    loaded: &Loaded,
    extracted: &Extracted,
    split: &'a Split,
    fitted: &Fitted,
    console: &Console,
) -> Result<Examined<'a>> {
    let (classes, device) = (split.classes.len(), head_device(loaded));
    let mut examined = Examined { folds: None, suspects: None, tables: Vec::new() };
    let Extracted { train, val, .. } = extracted;
    let rows = train.labels.len() * train.views() + val.labels.len();
    let is_in_memory = train.rows.in_memory().is_some();
    if args.head.folds.is_none() && !(is_in_memory && is_quick(rows, train.width, classes)) {
        // Not even the features are copied.
        return Ok(examined);
    }
    let pool = pool(split, extracted);
    if let Some(count) = args.head.folds {
        let folds = pool.folds(count as usize, args.seed);
        if folds.iter().all(|fold| *fold == folds[0]) {
            anyhow::bail!("--folds cannot divide the photos, as all of them are in one group");
        }
        let train = |rest: &Examples| retrain(args, rest, classes, fitted, loaded);
        let logits = out_of_fold(&pool.examples, &folds, &device, train);
        if let Some(interrupted) = interrupt::error(&extracted.extractor) {
            return Err(interrupted);
        }
        let logits = logits?;
        let scores = FoldScores::of(classes, &logits, &pool.examples.labels, &folds);
        print_folds(&scores, console);
        examined.folds = Some(scores);
        let table = folds_table(&split.classes, &pool.photos, &folds, &logits)?;
        examined.tables.push((FOLDS_FILE, table));
    }
    examined.suspects = pool.suspects(classes, args.seed, args.head.folds.is_some(), &device);
    if let Some(suspects) = &examined.suspects {
        examined.tables.push((SUSPECTS_FILE, suspects_table(&split.classes, suspects)?));
        if !suspects.is_empty() {
            console.line(format_args!(
                "suspects  {} of {} may be in the wrong class: {SUSPECTS_FILE} and the report list them",
                suspects.len(),
                counted(pool.photos.len(), "photo")
            ));
        }
    }
    Ok(examined)
}

fn print_folds(scores: &FoldScores, console: &Console) {
    let FoldScores { folds, photos, accuracy, balanced_accuracy, macro_f1, loss } = scores;
    console.line(format_args!(
        "folds     {folds} of {}, mean and standard deviation: accuracy {:.4} ± {:.4}, balanced \
         accuracy {:.4} ± {:.4}, macro F1 {:.4} ± {:.4}, loss {:.4} ± {:.4}",
        counted(*photos, "photo"),
        accuracy.mean,
        accuracy.deviation,
        balanced_accuracy.mean,
        balanced_accuracy.deviation,
        macro_f1.mean,
        macro_f1.deviation,
        loss.mean,
        loss.deviation
    ));
}

/// Trains the finished head on the training and validation photos together, if `--refit` is given.
pub fn refit(
    args: &TrainArgs,
    loaded: &Loaded,
    extracted: &Extracted,
    split: &Split,
    fitted: &mut Fitted,
    console: &Console,
) -> Result<()> {
    if !args.head.refit {
        return Ok(());
    }
    let pool = pool(split, extracted);
    let head = retrain(args, &pool.examples, split.classes.len(), fitted, loaded);
    if let Some(interrupted) = interrupt::error(&extracted.extractor) {
        return Err(interrupted);
    }
    fitted.refit = Some(head?);
    console.line(format_args!(
        "refit     on the {} training and validation photos; the validation figures are those of the \
         head before",
        pool.photos.len()
    ));
    Ok(())
}

/// Trains a head on other photos as the run's own was trained: for the epochs that were best, or
/// with the `C` that was chosen.
fn retrain(
    args: &TrainArgs,
    examples: &Examples,
    classes: usize,
    fitted: &Fitted,
    loaded: &Loaded,
) -> Result<Head, FitError> {
    let device = head_device(loaded);
    match (args.head.head, &fitted.selection) {
        (HeadKind::Auto, Some(selection)) => {
            Ok(fit_l2(examples, classes, &args.head.l2(selection.c), &device))
        }
        _ => {
            let mut options = fit_options(args);
            options.epochs = fitted.fitted.best.epoch;
            fit_epochs(examples, classes, &options, &device, |_| match interrupt::received() {
                true => Next::Abandon,
                false => Next::GoOn,
            })
        }
    }
}
