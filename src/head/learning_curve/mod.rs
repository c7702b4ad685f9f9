//! The learning curve: how the accuracy grows with the number of training photos, and what to
//! expect from twice as many.

mod draws;
mod power_law;

use burn::tensor::Device;
use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::draws::{draw, draws};
use self::power_law::{Gain, gain};
use super::logistic::{Limits, Problem, Standardisation};
use super::{Examples, L2Options};
use crate::evaluation::{bootstrap_intervals, most_probable};
use crate::seed::{Purpose, generator};

/// The shares of the training photos that heads are trained on.
const SHARES: [f64; 4] = [0.1, 0.2, 0.5, 1.0];
/// The inverse strength of the penalty. From 0.01 to 0.3, the accuracies on cats and dogs and on
/// rubbish change by less than a point, with any number of photos.
const C: f64 = 0.1;
/// The 97.5 % quantile of Student's distribution with two degrees of freedom: four points less two
/// parameters.
const QUANTILE: f64 = 4.302_652_729_911_275;
/// The curve needs this number of training photos in the smallest share, and of validation photos.
const FEWEST_PHOTOS: usize = 8;

/// The accuracy on the validation photos by the number of training photos.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearningCurve {
    /// The points, from few photos to all.
    pub points: Vec<CurvePoint>,
    /// What the curve predicts for twice as many training photos.
    pub doubled: Doubled,
}

/// Heads trained on a share of the training photos.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Number of training photos.
    pub photos: usize,
    /// Number of draws.
    pub draws: usize,
    /// Mean accuracy on the validation photos, 0 to 1.
    pub accuracy: f64,
    /// Its 95 % confidence interval, over other validation photos and other draws.
    pub accuracy_interval: (f64, f64),
}

/// An extrapolation to twice as many training photos.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Doubled {
    /// Number of training photos.
    pub photos: usize,
    /// The expected accuracy, 0 to 1.
    pub accuracy: f64,
    /// The expected gain over the head that is trained on all photos.
    pub gain: f64,
    /// Its 95 % confidence interval.
    pub gain_interval: (f64, f64),
}

/// For each share and each draw of it, whether the head is right about each validation photo.
type Outcomes = [Vec<Vec<bool>>];

impl LearningCurve {
    /// Trains L2-regularised heads on draws of the `train` photos, and measures them on `val`. Returns
    /// `None` if there are too few photos for a curve, or so many that it would take minutes or
    /// their rows are in a file.
    ///
    /// Each draw has the same share of each class, and at least one photo of each. Photos of a group
    /// (`groups`, one for each training photo) are drawn together: ten photos of a burst say less
    /// than ten bursts. The same seed gives the same curve. The options' `c` is not used.
    ///
    /// The extrapolation is a power law of the error, which is what learning curves follow (Hestness
    /// et al.: *Deep Learning Scaling is Predictable, Empirically*, 2017,
    /// <https://arxiv.org/abs/1712.00409>), fitted to the points by least squares of the logarithms,
    /// weighted by the number of training photos. The intervals come from a bootstrap over the
    /// validation photos and the draws; that of the gain is widened by how far the points are from
    /// the power law.
    ///
    /// # Panics
    /// If the lengths do not match, or a label is not less than `classes`.
    pub fn measure(
        train: &Examples,
        groups: &[Option<usize>],
        val: &Examples,
        classes: usize,
        options: &L2Options,
        seed: u64,
        device: &Device,
    ) -> Option<Self> {
        assert_eq!(train.labels.len(), groups.len(), "a group for each training photo");
        let fewest = (train.labels.len() as f64 * SHARES[0]).round() as usize;
        let draws = draws(train.rows.len() * classes);
        let is_in_memory = train.rows.in_memory().is_some() && val.rows.in_memory().is_some();
        if !is_in_memory || fewest < FEWEST_PHOTOS || val.labels.len() < FEWEST_PHOTOS || draws == 0
        {
            return None;
        }
        // All photos can be drawn in one way.
        let of_share = |share: f64| if share == 1.0 { 1 } else { draws };
        let each = SHARES.into_iter().flat_map(|share| (0..of_share(share)).map(move |_| share));
        let drawn: Vec<Vec<usize>> = each
            .zip(0..)
            .map(|(share, number)| draw(&train.labels, groups, share, seed, number))
            .collect();
        let standardisation = Standardisation::of(train.rows.values(), train.width);
        let options = L2Options { c: C, ..*options };
        let solved: Vec<(Problem, Vec<f64>)> = drawn
            .par_iter()
            .map(|photos| {
                let problem = Problem::of(train, classes, &options, &standardisation, photos);
                let mut solution = problem.start();
                problem.solve(C, Limits::QUICK, &mut solution);
                (problem, solution)
            })
            .collect();
        let val = val.first_views();
        let right = |(problem, solution): &(Problem, Vec<f64>)| -> Vec<bool> {
            let logits = problem.head(solution, device).logits(val.rows.values(), device);
            let rows = logits.chunks(classes).zip(&val.labels);
            rows.map(|(row, label)| most_probable(row) == *label).collect()
        };
        let mut right = solved.iter().map(right);
        let outcomes: Vec<Vec<Vec<bool>>> =
            SHARES.iter().map(|share| right.by_ref().take(of_share(*share)).collect()).collect();
        let mut sizes = drawn.iter().map(Vec::len);
        let sizes: Vec<usize> = SHARES
            .iter()
            .map(|share| {
                let draws = of_share(*share);
                let photos: usize = sizes.by_ref().take(draws).sum();
                (photos as f64 / draws as f64).round() as usize
            })
            .collect();
        Some(Self::of(&sizes, &outcomes, seed))
    }

    /// The curve of `outcomes`, of heads trained on `sizes` photos.
    fn of(sizes: &[usize], outcomes: &Outcomes, seed: u64) -> Self {
        let photos: Vec<usize> = (0..outcomes[0][0].len()).collect();
        let all: Vec<f64> =
            outcomes.iter().map(|draws| mean(draws, 0..draws.len(), &photos)).collect();
        let Gain { value: gain, deviation } = gain(sizes, &all, photos.len());
        let last = all[all.len() - 1];
        let mut generator = generator(seed, Purpose::Bootstrap);
        // As many statistics as there are shares, and the gain.
        let resampled: [(f64, f64); SHARES.len() + 1] =
            bootstrap_intervals(photos.len(), seed, |indices| {
                let mut statistics = [f64::NAN; SHARES.len() + 1];
                for (statistic, draws) in statistics.iter_mut().zip(outcomes) {
                    let drawn: Vec<usize> =
                        draws.iter().map(|_| generator.random_range(0..draws.len())).collect();
                    *statistic = mean(draws, drawn, indices);
                }
                let accuracies = &statistics[..sizes.len()];
                statistics[SHARES.len()] =
                    self::power_law::gain(sizes, accuracies, indices.len()).value;
                statistics
            });
        let points = sizes.iter().zip(&all).zip(outcomes).zip(resampled);
        Self {
            points: points
                .map(|(((photos, accuracy), draws), interval)| CurvePoint {
                    photos: *photos,
                    draws: draws.len(),
                    accuracy: *accuracy,
                    accuracy_interval: interval,
                })
                .collect(),
            doubled: Doubled {
                photos: 2 * sizes[sizes.len() - 1],
                accuracy: (last + gain).clamp(0.0, 1.0),
                gain,
                gain_interval: widened(gain, resampled[SHARES.len()], QUANTILE * deviation),
            },
        }
    }

    /// What to expect from twice as many training photos, as a sentence.
    pub fn sentence(&self) -> String {
        let Doubled { photos, accuracy, gain, gain_interval: (low, high) } = self.doubled;
        let points = |share: f64| format!("{:.1}", 100.0 * share);
        let within = format!("95 % interval {} to {}", points(low), points(high));
        let Some(last) = self.points.last() else { return String::new() };
        if low > 0.0 {
            return format!(
                "twice as many training photos ({photos}) should raise the accuracy by about {} points \
                 ({within}), from {:.4} to {accuracy:.4}",
                points(gain),
                last.accuracy
            );
        }
        format!(
            "more training photos may not help: twice as many ({photos}) change the accuracy by about {} \
             points ({within})",
            points(gain)
        )
    }
}

/// An interval around `value` whose ends are moved by an independent uncertainty.
fn widened(value: f64, (low, high): (f64, f64), by: f64) -> (f64, f64) {
    (value - (value - low).hypot(by), value + (high - value).hypot(by))
}

/// The mean share of right photos of some draws.
fn mean(outcomes: &[Vec<bool>], draws: impl IntoIterator<Item = usize>, photos: &[usize]) -> f64 {
    let (mut right, mut count) = (0, 0);
    for draw in draws {
        right += photos.iter().filter(|photo| outcomes[draw][**photo]).count();
        count += photos.len();
    }
    right as f64 / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_curve_promises_nothing_and_a_steep_one_does() {
        let outcomes = |accuracies: [f64; 4]| -> Vec<Vec<Vec<bool>>> {
            let of_draw = |accuracy: f64, draw: usize| {
                // Which photos are right differs from draw to draw.
                (0..400)
                    .map(|photo| ((photo * 7919 + draw * 31) % 400) as f64 / 400.0 < accuracy)
                    .collect()
            };
            accuracies.map(|accuracy| (0..3).map(|draw| of_draw(accuracy, draw)).collect()).into()
        };
        let sizes = [100, 200, 500, 1000];
        let flat = LearningCurve::of(&sizes, &outcomes([0.8, 0.81, 0.8, 0.8]), 0);
        let (low, high) = flat.doubled.gain_interval;
        assert!(low < 0.0 && high > 0.0, "{flat:?}");
        assert!(flat.sentence().starts_with("more training photos may not help"));
        let steep = LearningCurve::of(&sizes, &outcomes([0.5, 0.63, 0.76, 0.83]), 0);
        let Doubled { photos, gain, gain_interval: (low, high), accuracy } = steep.doubled;
        assert!(low > 0.02 && low < gain && gain < high && high < 0.1, "{steep:?}");
        assert_eq!(photos, 2000);
        assert!((accuracy - 0.83 - gain).abs() < 1e-12);
        assert!(steep.sentence().starts_with("twice as many training photos (2000) should raise"));
        assert_eq!(steep, LearningCurve::of(&sizes, &outcomes([0.5, 0.63, 0.76, 0.83]), 0));
        let text = serde_json::to_string(&steep).unwrap();
        let read: LearningCurve = serde_json::from_str(&text).unwrap();
        assert_eq!((read.sentence(), read.points.len()), (steep.sentence(), 4));
    }
}
