//! The learning curve: how the accuracy grows with the number of training photos, and what to
//! expect from twice as many.

use burn::tensor::Device;
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::logistic::{Limits, Problem, Standardisation};
use super::{Examples, L2Options};
use crate::evaluation::{bootstrap_intervals, most_probable};
use crate::seed::{Purpose, generator};

/// The shares of the training photos that heads are trained on.
const SHARES: [f64; 4] = [0.1, 0.2, 0.5, 1.0];
/// Maximum number of draws of a share.
const MOST_DRAWS: usize = 5;
/// The inverse strength of the penalty. From 0.01 to 0.3, the accuracies on cats and dogs and on
/// rubbish change by less than a point, with any number of photos.
const C: f64 = 0.1;
/// Number of feature values times classes up to which each share has [`MOST_DRAWS`] draws; with
/// more there are fewer, so that the curve takes some two seconds.
const MOST_VALUES: usize = 10_000_000;
/// With more than this there is no curve: a single draw would take too long.
const TOO_MANY_VALUES: usize = 300_000_000;
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
    /// `None` if there are too few photos for a curve, or so many that it would take minutes.
    ///
    /// Each draw has the same share of each class, and at least one photo of each. Photos of a group
    /// (`groups`, one for each training photo) are drawn together: ten photos of a burst say less
    /// than ten bursts. The same seed gives the same curve. The options' `c` is not used.
    ///
    /// The extrapolation is a power law of the error, which is what learning curves follow (Hestness
    /// et al.: *Deep Learning Scaling is Predictable, Empirically*, 2017,
    /// <https://arxiv.org/abs/1712.00409>), fitted to the points by least squares of the logarithms,
    /// weighted by the number of training photos. The intervals come from a bootstrap over the
    /// validation photos and the draws.
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
        if fewest < FEWEST_PHOTOS || val.labels.len() < FEWEST_PHOTOS || draws == 0 {
            return None;
        }
        // All photos can be drawn in one way.
        let of_share = |share: f64| if share == 1.0 { 1 } else { draws };
        let each = SHARES.into_iter().flat_map(|share| (0..of_share(share)).map(move |_| share));
        let drawn: Vec<Vec<usize>> = each
            .zip(0..)
            .map(|(share, number)| draw(&train.labels, groups, share, seed, number))
            .collect();
        let standardisation = Standardisation::of(&train.rows, train.width);
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
            let logits = problem.head(solution, device).logits(&val.rows, device);
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
        let gain = gain(sizes, &all, photos.len());
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
                statistics[SHARES.len()] = self::gain(sizes, accuracies, indices.len());
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
                gain_interval: resampled[SHARES.len()],
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

/// The number of draws of each share for this number of feature values times classes.
fn draws(values: usize) -> usize {
    if values > TOO_MANY_VALUES {
        return 0;
    }
    (MOST_DRAWS * MOST_VALUES / values.max(1)).clamp(1, MOST_DRAWS)
}

/// Draws a share of the photos of each class, at least one: whole groups, until there are enough. A
/// group counts as of the class of its first photo.
fn draw(
    labels: &[usize],
    groups: &[Option<usize>],
    share: f64,
    seed: u64,
    number: u32,
) -> Vec<usize> {
    if share == 1.0 {
        return (0..labels.len()).collect();
    }
    let mut generator = generator(seed, Purpose::Draw(number));
    let mut unit_of_group = std::collections::HashMap::new();
    let mut units: Vec<Vec<usize>> = Vec::new();
    for (photo, group) in groups.iter().enumerate() {
        let next = units.len();
        let unit = group.map_or(next, |group| *unit_of_group.entry(group).or_insert(next));
        match units.get_mut(unit) {
            Some(unit) => unit.push(photo),
            None => units.push(vec![photo]),
        }
    }
    units.shuffle(&mut generator);
    let classes = labels.iter().max().map_or(0, |label| label + 1);
    let mut wanted = vec![0.0; classes];
    labels.iter().for_each(|label| wanted[*label] += share);
    let mut drawn = vec![0_usize; classes];
    let mut photos = Vec::new();
    for unit in units {
        let class = labels[unit[0]];
        // At least one of each class.
        if (drawn[class] as f64) < wanted[class].round().max(1.0) {
            unit.iter().for_each(|photo| drawn[labels[*photo]] += 1);
            photos.extend(unit);
        }
    }
    photos.sort_unstable();
    photos
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

/// The gain in accuracy from twice as many training photos: that of the power law `b n^-c` of the
/// error that fits the points best.
fn gain(sizes: &[usize], accuracies: &[f64], val_photos: usize) -> f64 {
    // An error of 0 has no logarithm: half a photo is added to the wrong and to the right ones.
    let error = |accuracy: f64| {
        let photos = val_photos as f64;
        ((1.0 - accuracy) * photos + 0.5) / (photos + 1.0)
    };
    let points = || {
        let logarithms = |(size, accuracy): (&usize, &f64)| {
            (*size as f64, (*size as f64).ln(), error(*accuracy).ln())
        };
        sizes.iter().zip(accuracies).map(logarithms)
    };
    let total: f64 = points().map(|(weight, ..)| weight).sum();
    let x_mean = points().map(|(weight, x, _)| weight * x).sum::<f64>() / total;
    let y_mean = points().map(|(weight, _, y)| weight * y).sum::<f64>() / total;
    let covariance: f64 = points().map(|(weight, x, y)| weight * (x - x_mean) * (y - y_mean)).sum();
    let variance: f64 = points().map(|(weight, x, _)| weight * (x - x_mean).powi(2)).sum();
    if variance == 0.0 {
        return 0.0;
    }
    let slope = covariance / variance;
    let now = (y_mean + slope * ((sizes[sizes.len() - 1] as f64).ln() - x_mean)).exp();
    now * (1.0 - 2f64.powf(slope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gain_of_a_power_law_is_found() {
        // Errors of 2 n^-0.5 at 100, 200, 500 and 1000 photos, of so many validation photos that
        // half a photo does not matter.
        let sizes = [100, 200, 500, 1000];
        let error = |photos: f64| 2.0 * photos.powf(-0.5);
        let accuracies = sizes.map(|size| 1.0 - error(size as f64));
        let found = gain(&sizes, &accuracies, 1_000_000_000);
        assert!((found - (error(1000.0) - error(2000.0))).abs() < 1e-6, "{found}");
        assert_eq!(gain(&sizes, &[0.5; 4], 100), 0.0);
    }

    #[test]
    fn the_weighted_fit_is_that_of_numpy() {
        // numpy.polyfit(log(n), log((errors * 300 + .5) / 301), 1, w=sqrt(n)), and the gain from it.
        let found = gain(&[64, 128, 320, 640], &[0.70, 0.75, 0.80, 0.84], 300);
        assert!((found - 0.028_303_912_377_517).abs() < 1e-9, "{found}");
    }

    #[test]
    fn a_draw_has_the_share_of_each_class_and_whole_groups() {
        let labels: Vec<usize> = (0..100).map(|photo| usize::from(photo >= 80)).collect();
        let mut groups = vec![None; 100];
        let photos = draw(&labels, &groups, 0.1, 0, 0);
        assert_eq!(photos.iter().filter(|photo| labels[**photo] == 1).count(), 2);
        assert_eq!(photos.len(), 10);
        assert_ne!(photos, draw(&labels, &groups, 0.1, 0, 1));
        assert_eq!(photos, draw(&labels, &groups, 0.1, 0, 0));
        // Bursts of four photos.
        (0..100).for_each(|photo| groups[photo] = Some(photo / 4));
        let photos = draw(&labels, &groups, 0.2, 3, 7);
        for burst in photos.chunks(4) {
            assert!(burst.iter().all(|photo| photo / 4 == burst[0] / 4), "{photos:?}");
        }
        // A class of one photo is in every draw.
        assert!(draw(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], &[None; 11], 0.1, 0, 0).contains(&10));
        assert_eq!(draw(&labels, &groups, 1.0, 0, 0).len(), 100);
    }

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
        assert_eq!(serde_json::from_str::<LearningCurve>(&text).unwrap(), steep);
    }
}
