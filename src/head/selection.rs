//! Chooses the strength of the L2 penalty by cross-validation.

use std::collections::BTreeMap;

use burn::tensor::Device;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::logistic::{Limits, Problem, Standardisation};
use super::{Examples, L2Options, Monitor};
use crate::evaluation::Scores;

/// The values of `C` that are tried, from the strongest penalty on.
const CANDIDATES: [f64; 15] =
    [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0, 30.0, 100.0];
/// The search ends when so many candidates in a row were worse than the best.
const WORSE: usize = 2;

/// The chosen `C`, and what was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// The chosen value.
    pub c: f64,
    /// Number of folds.
    pub folds: usize,
    /// Number of photos in the folds.
    pub photos: usize,
    /// All values that were tried, ascending.
    pub candidates: Vec<Candidate>,
}

/// A value of `C` with its scores on photos that the heads had not seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The value.
    pub c: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share of photos that are classified correctly.
    pub accuracy: f64,
    /// Mean F1 of the classes.
    pub macro_f1: f64,
}

/// Chooses `C` for [`fit_l2`](super::fit_l2) by cross-validation on the training photos: each photo
/// is predicted by a head that was trained on the other folds.
///
/// `folds` is the fold of each photo. `monitor` is the score that decides; among equal ones the
/// lower loss, then the stronger penalty. `options.c` is not used.
///
/// # Errors
/// If all photos are in one fold.
///
/// # Panics
/// If the rows are in a file.
pub fn select_c(
    train: &Examples,
    classes: usize,
    folds: &[usize],
    options: &L2Options,
    monitor: Monitor,
    device: &Device,
) -> Result<Selection, OneFold> {
    if folds.iter().all(|fold| *fold == folds[0]) {
        return Err(OneFold);
    }
    let standardisation = Standardisation::of(train.rows.values(), train.width);
    let parts = divided(folds);
    let problems: Vec<Problem> = parts
        .iter()
        .map(|part| Problem::of(train, classes, options, &standardisation, &part.rest))
        .collect();
    let tests: Vec<Examples> =
        parts.iter().map(|part| train.subset(&part.held).first_views()).collect();
    let labels: Vec<usize> = tests.iter().flat_map(|test| test.labels.clone()).collect();
    let mut solutions: Vec<Vec<f64>> = problems.iter().map(Problem::start).collect();
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut best: Option<(f64, Candidate)> = None;
    let mut worse = 0;
    for c in CANDIDATES {
        // Each solution is where the search for the next one begins.
        solutions.par_iter_mut().zip(&problems).for_each(|(solution, problem)| {
            problem.solve(c, Limits::QUICK, solution);
        });
        let logits: Vec<f32> = problems
            .iter()
            .zip(&solutions)
            .zip(&tests)
            .flat_map(|((problem, solution), test)| {
                problem.head(solution, device).logits(test.rows.values(), device)
            })
            .collect();
        let Scores { loss, accuracy, macro_f1, .. } = Scores::of(classes, &logits, &labels);
        let candidate = Candidate { c, loss, accuracy, macro_f1 };
        candidates.push(candidate);
        let score = match monitor {
            Monitor::Accuracy => accuracy,
            Monitor::MacroF1 => macro_f1,
            Monitor::Loss => -loss,
        };
        match &best {
            Some((known, other)) if (*known, -other.loss) >= (score, -loss) => worse += 1,
            _ => {
                best = Some((score, candidate));
                worse = 0;
            }
        }
        if worse == WORSE {
            break;
        }
    }
    let (_, best) = best.expect("there are candidates");
    let (folds, photos) = (parts.len(), labels.len());
    Ok(Selection { c: best.c, folds, photos, candidates })
}

/// The photos cannot be divided into folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the strength of the penalty cannot be chosen by cross-validation, as all training photos are in \
     one group; train with --head adam"
)]
pub struct OneFold;

/// The photos of each fold, and the others. Empty folds are left out.
pub(super) fn divided(folds: &[usize]) -> Vec<Part> {
    let mut held: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    folds.iter().enumerate().for_each(|(photo, fold)| held.entry(*fold).or_default().push(photo));
    assert!(held.len() > 1, "two folds of photos");
    held.into_iter()
        .map(|(fold, held)| {
            let rest = (0..folds.len()).filter(|photo| folds[*photo] != fold).collect();
            Part { held, rest }
        })
        .collect()
}

/// A fold: photos to predict, and those to train on.
pub(super) struct Part {
    pub held: Vec<usize>,
    pub rest: Vec<usize>,
}
