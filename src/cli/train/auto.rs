//! `train --head auto`: the L2-regularised optimum, its penalty chosen by cross-validation.

use std::time::Instant;

use anyhow::Result;
use burn::tensor::Device;
use kindling::evaluation::Scores;
use kindling::head::{EpochMetrics, Fitted, Selection, fit_l2, select_c};
use kindling::photos::{Split, folds};

use super::TrainArgs;
use super::console::Console;
use super::extract::Extracted;
use crate::cli::terminal::counted;

/// Number of folds.
const FOLDS: usize = 5;

/// Chooses the penalty on the training photos alone, and trains the head on all of them. The result
/// counts as one epoch.
pub fn fit(
    args: &TrainArgs,
    extracted: &Extracted,
    split: &Split,
    device: &Device,
    console: &Console,
) -> Result<(Fitted, Selection)> {
    let Extracted { train, val, extraction, .. } = extracted;
    let classes = split.classes.len();
    let start = Instant::now();
    let photos = &extraction.photos[..train.labels.len()];
    let groups: Vec<Option<usize>> = photos.iter().map(|index| split.train[*index].group).collect();
    let folds = folds(&train.labels, &groups, FOLDS, args.seed);
    let selection =
        select_c(train, classes, &folds, &args.head.l2(1.0), args.head.monitor(), device)?;
    let head = fit_l2(train, classes, &args.head.l2(selection.c), device);
    let scores =
        |rows: &[f32], labels: &[usize]| Scores::of(classes, &head.logits(rows, device), labels);
    let first = train.first_views();
    let (of_train, of_val) =
        (scores(first.rows.values(), &first.labels), scores(val.rows.values(), &val.labels));
    let best = EpochMetrics {
        epoch: 1,
        train_loss: of_train.loss,
        train_accuracy: of_train.accuracy,
        val_loss: of_val.loss,
        val_accuracy: of_val.accuracy,
        seconds: start.elapsed().as_secs_f64(),
        val_macro_f1: Some(of_val.macro_f1),
    };
    console.line(format_args!(
        "head      C = {} of {} tried, by {} folds of {}  val loss {:.4} accuracy {:.4}  {:.2} s",
        selection.c,
        selection.candidates.len(),
        selection.folds,
        counted(selection.photos, "training photo"),
        best.val_loss,
        best.val_accuracy,
        best.seconds
    ));
    Ok((Fitted { head, epochs: vec![best], best }, selection))
}
