//! Predictions for photos by heads that have not seen them.

use burn::tensor::Device;
use rayon::prelude::*;

use super::logistic::{Limits, Problem, Standardisation};
use super::selection::divided;
use super::{Examples, Head, L2Options};

/// The logits of each photo, `[photos, classes]`, by a head that `train` trained on the photos of
/// the other folds. `folds` is the fold of each photo. Of a photo with several views, the first is
/// predicted.
///
/// # Errors
/// Those of `train`.
///
/// # Panics
/// If all photos are in one fold, or the rows are in a file.
pub fn out_of_fold<E>(
    examples: &Examples,
    folds: &[usize],
    device: &Device,
    mut train: impl FnMut(&Examples) -> Result<Head, E>,
) -> Result<Vec<f32>, E> {
    let mut logits = Vec::new();
    for part in divided(folds) {
        let head = train(&examples.subset(&part.rest))?;
        scatter(&mut logits, examples, &part.held, &head, device);
    }
    Ok(logits)
}

/// As [`out_of_fold`], by L2-regularised heads: all folds share the scale of the features, and are
/// solved on all threads.
///
/// # Panics
/// If all photos are in one fold, or the rows are in a file.
pub fn out_of_fold_l2(
    examples: &Examples,
    classes: usize,
    folds: &[usize],
    options: &L2Options,
    device: &Device,
) -> Vec<f32> {
    let standardisation = Standardisation::of(examples.rows.values(), examples.width);
    let parts = divided(folds);
    let heads: Vec<Vec<f64>> = parts
        .par_iter()
        .map(|part| {
            let problem = Problem::of(examples, classes, options, &standardisation, &part.rest);
            let mut solution = problem.start();
            problem.solve(options.c, Limits::QUICK, &mut solution);
            solution
        })
        .collect();
    let mut logits = Vec::new();
    for (part, solution) in parts.iter().zip(heads) {
        let problem = Problem::of(examples, classes, options, &standardisation, &part.rest);
        scatter(&mut logits, examples, &part.held, &problem.head(&solution, device), device);
    }
    logits
}

/// Writes the logits of the photos `held` to their places.
fn scatter(
    logits: &mut Vec<f32>,
    examples: &Examples,
    held: &[usize],
    head: &Head,
    device: &Device,
) {
    let classes = head.classes();
    logits.resize(examples.labels.len() * classes, 0.0);
    let rows = head.logits(examples.subset(held).first_views().rows.values(), device);
    for (photo, row) in held.iter().zip(rows.chunks_exact(classes)) {
        logits[photo * classes..][..classes].copy_from_slice(row);
    }
}
