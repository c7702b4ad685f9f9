//! Compares runs on the photos that all of them predicted.
//!
//! Models that are scored on the same photos share the luck of these photos, so their difference is
//! much more certain than their accuracies are. [`Comparison::of`] therefore pairs the photos of
//! `predictions.csv`; runs of older versions, which have no such table, are compared unpaired.

mod matching;
mod record;
mod scores;

use crate::evaluation::{
    Prediction, ResampledScores, ScoreIntervals, accuracy_interval, bootstrap_intervals,
    difference_interval, fisher_exact, holm, mcnemar_exact,
};
use crate::photos::Part;
use matching::Matched;
pub use record::{ComparedRun, OptionDifference, RecordError, option_differences};
pub use scores::{Comparison, Difference, FurtherScores, PairedDifference, RunScores};

/// A difference with a higher p-value is within noise.
const SIGNIFICANT: f64 = 0.05;
/// Seed of the bootstrap intervals, so that the same runs give the same table.
const SEED: u64 = 0;

/// Why runs cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    /// No photo is in the same part of all runs.
    #[error(
        "`{one}` and `{other}` have no {part} photo in common, so they cannot be compared: train \
         them on the same split, or give both the same --test photos"
    )]
    NothingShared {
        /// A run.
        one: String,
        /// Another run.
        other: String,
        /// The part.
        part: &'static str,
    },
    /// A run has no photos of the part that was asked for.
    #[error("`{run}` has no {part} photos; leave --part out, or compare runs that have some")]
    NoPart {
        /// The run.
        run: String,
        /// The part.
        part: &'static str,
    },
}

/// The adjective for the photos of a part.
pub fn words(part: Part) -> &'static str {
    match part {
        Part::Train => "training",
        Part::Val => "validation",
        Part::Test => "test",
    }
}

impl Comparison {
    /// Compares `runs`, at least two, on `part`; by default on the test photos if all runs have
    /// some, otherwise on the validation photos.
    ///
    /// # Errors
    /// If a run has no photos of the part, or two runs have none in common.
    ///
    /// # Panics
    /// If there are no runs.
    pub fn of(runs: &[ComparedRun], part: Option<Part>) -> Result<Self, ComparisonError> {
        let default = match runs.iter().all(|run| run.has(Part::Test)) {
            true => Part::Test,
            false => Part::Val,
        };
        let part = part.unwrap_or(default);
        if let Some(run) = runs.iter().find(|run| !run.has(part)) {
            return Err(ComparisonError::NoPart { run: run.name.clone(), part: words(part) });
        }
        match runs.iter().all(|run| run.predictions.is_some()) {
            true => Self::paired(runs, part),
            false => Ok(Self::unpaired(runs, part)),
        }
    }

    fn paired(runs: &[ComparedRun], part: Part) -> Result<Self, ComparisonError> {
        let Matched { classes, predictions, photos, relabelled, matched_by_name } =
            Matched::of(runs, part)?;
        let all: Vec<usize> = (0..predictions[0].len()).collect();
        let scores: Vec<ResampledScores> =
            predictions.iter().map(|rows| ResampledScores::of(classes, rows, &all)).collect();
        let mut order: Vec<usize> = (0..runs.len()).collect();
        // Of runs that are equally good, the first stays first.
        order.sort_by(|one, other| {
            let (one, other) = (&scores[*one], &scores[*other]);
            other.accuracy.total_cmp(&one.accuracy).then(one.loss.total_cmp(&other.loss))
        });
        let has_macro_f1 = !runs.iter().any(ComparedRun::is_multi_label);
        let of_run = |index: &usize| {
            let intervals = ScoreIntervals::of(classes, &predictions[*index], SEED);
            let ResampledScores { accuracy, macro_f1, loss, .. } = scores[*index];
            RunScores {
                run: runs[*index].name.clone(),
                best: *index == order[0],
                photos: photos[*index],
                accuracy,
                accuracy_interval: intervals.accuracy_interval,
                further: Some(FurtherScores {
                    macro_f1: has_macro_f1.then_some(macro_f1),
                    macro_f1_interval: has_macro_f1.then_some(intervals.macro_f1_interval),
                    loss,
                    loss_interval: intervals.loss_interval,
                }),
            }
        };
        let best = &predictions[order[0]];
        let differences = order[1..]
            .iter()
            .map(|index| {
                let run = (runs[*index].name.as_str(), predictions[*index].as_slice());
                Difference::paired(classes, run, (&runs[order[0]].name, best))
            })
            .map(|difference| match has_macro_f1 {
                true => difference,
                false => difference.without_macro_f1(),
            })
            .collect();
        Ok(Self {
            part,
            photos: Some(all.len()),
            relabelled,
            matched_by_name,
            runs: order.iter().map(of_run).collect(),
            differences: adjusted(differences),
        })
    }

    fn unpaired(runs: &[ComparedRun], part: Part) -> Self {
        let mut order: Vec<&ComparedRun> = runs.iter().collect();
        let accuracy = |run: &ComparedRun| {
            let (right, photos) = run.right(part);
            right as f64 / photos.max(1) as f64
        };
        order.sort_by(|one, other| accuracy(other).total_cmp(&accuracy(one)));
        let best = order[0];
        let differences = order[1..].iter().map(|run| {
            let (this, other) = (run.right(part), best.right(part));
            Difference {
                run: run.name.clone(),
                best: best.name.clone(),
                accuracy_difference: accuracy(run) - accuracy(best),
                accuracy_difference_interval: difference_interval(this, other),
                p: fisher_exact(this, other),
                p_adjusted: 1.0,
                within_noise: true,
                paired: None,
            }
        });
        Self {
            part,
            photos: None,
            relabelled: 0,
            matched_by_name: 0,
            differences: adjusted(differences.collect()),
            runs: order
                .iter()
                .map(|run| {
                    let (right, photos) = run.right(part);
                    RunScores {
                        run: run.name.clone(),
                        best: std::ptr::eq(*run, best),
                        photos,
                        accuracy: accuracy(run),
                        accuracy_interval: accuracy_interval(right, photos),
                        further: None,
                    }
                })
                .collect(),
        }
    }
}

impl Difference {
    fn paired(
        classes: usize,
        (run, predictions): (&str, &[Prediction]),
        (best, others): (&str, &[Prediction]),
    ) -> Self {
        let pairs = || predictions.iter().zip(others);
        let only = |pair: &(&Prediction, &Prediction)| (pair.0.is_right(), pair.1.is_right());
        let only_run_right = pairs().filter(|pair| only(pair) == (true, false)).count();
        let only_best_right = pairs().filter(|pair| only(pair) == (false, true)).count();
        let differences = |indices: &[usize]| {
            let this = ResampledScores::of(classes, predictions, indices);
            let best = ResampledScores::of(classes, others, indices);
            [this.accuracy - best.accuracy, this.macro_f1 - best.macro_f1, this.loss - best.loss]
        };
        let all: Vec<usize> = (0..predictions.len()).collect();
        let [accuracy, macro_f1, loss] = differences(&all);
        let [within, macro_f1_within, loss_within] =
            bootstrap_intervals(all.len(), SEED, differences);
        Self {
            run: run.to_owned(),
            best: best.to_owned(),
            accuracy_difference: accuracy,
            accuracy_difference_interval: within,
            p: mcnemar_exact(only_run_right, only_best_right),
            p_adjusted: 1.0,
            within_noise: true,
            paired: Some(PairedDifference {
                only_run_right,
                only_best_right,
                photos_needed: photos_needed(only_run_right, only_best_right, all.len()),
                macro_f1_difference: Some(macro_f1),
                macro_f1_difference_interval: Some(macro_f1_within),
                loss_difference: loss,
                loss_difference_interval: loss_within,
            }),
        }
    }
}

impl Difference {
    /// Without the score that sets of labels do not have.
    fn without_macro_f1(mut self) -> Self {
        if let Some(paired) = &mut self.paired {
            (paired.macro_f1_difference, paired.macro_f1_difference_interval) = (None, None);
        }
        self
    }
}

/// Sets the adjusted p-values, and whether they are within noise.
fn adjusted(mut differences: Vec<Difference>) -> Vec<Difference> {
    let values = holm(&differences.iter().map(|difference| difference.p).collect::<Vec<_>>());
    for (difference, p_adjusted) in differences.iter_mut().zip(values) {
        difference.p_adjusted = p_adjusted;
        difference.within_noise = p_adjusted > SIGNIFICANT;
    }
    differences
}

/// The number of pairs that McNemar's test needs to find, with a power of 0.8, a difference like the
/// one between photos that only the one and only the other model gets right, of `photos` (Connor:
/// *Sample size for testing differences in proportions for the paired-sample design*, 1987).
fn photos_needed(only_one: usize, only_other: usize, photos: usize) -> Option<usize> {
    /// Quantiles of the normal distribution: 97.5 % and 80 %.
    const LEVEL: f64 = 1.959_963_984_540_054;
    const POWER: f64 = 0.841_621_233_572_914;
    let disagreeing = (only_one + only_other) as f64 / photos as f64;
    let difference = (only_one as f64 - only_other as f64) / photos as f64;
    if difference == 0.0 {
        return None;
    }
    let spread = (disagreeing - difference * difference).sqrt();
    let needed = (LEVEL * disagreeing.sqrt() + POWER * spread) / difference;
    Some((needed * needed).ceil() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_photos_needed_are_those_of_connors_formula() {
        // By hand: disagreeing .1, difference .02: ((1.95996 * .316228 + .841621 * sqrt(.0996)) /
        // .02)^2 = 1959.6.
        assert_eq!(photos_needed(6, 4, 100), Some(1960));
        assert_eq!(photos_needed(4, 6, 100), Some(1960));
        assert_eq!(photos_needed(5, 5, 100), None);
    }
}
