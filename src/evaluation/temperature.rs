//! Temperature scaling: one number by which logits are divided, so that probabilities match the
//! accuracy.
//!
//! Guo, Pleiss, Sun, Weinberger: *On Calibration of Modern Neural Networks*, 2017,
//! <https://arxiv.org/abs/1706.04599>, section 4.2. The temperature maximises the likelihood of the
//! validation photos. The predicted class stays the same.
//!
//! The fit is over the inverse temperature, in which the negative log-likelihood is convex.

use serde::{Deserialize, Serialize};

/// The inverse temperatures that are considered.
const RANGE: (f64, f64) = (1e-3, 1e3);
/// Half the 95 % quantile of the chi-squared distribution with one degree of freedom.
const LIKELIHOOD_DROP: f64 = 3.841_458_820_694_124 / 2.0;

/// A fitted temperature with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// The temperature. Above 1, the raw probabilities were too confident.
    pub value: f64,
    /// 95 % confidence interval by the likelihood ratio, within 0.001 and 1000.
    pub interval: (f64, f64),
}

impl Temperature {
    /// Whether the photos show that the temperature is not 1. Otherwise scaling may do harm.
    pub fn is_needed(&self) -> bool {
        !(self.interval.0..=self.interval.1).contains(&1.0)
    }
}

/// Fits the temperature of softmax probabilities on `logits`, `[labels, classes]`, and the true
/// classes. Returns `None` if no temperature within 0.001 and 1000 is best: if every photo is
/// right, more confidence is always better, and if hardly one is, less is.
///
/// # Panics
/// If the lengths do not match or a label is not less than `classes`.
pub fn fit_temperature(classes: usize, logits: &[f32], labels: &[usize]) -> Option<Temperature> {
    assert_eq!(logits.len(), classes * labels.len(), "a logit for each class and photo");
    let photos = || logits.chunks(classes).zip(labels);
    let terms =
        |inverse: f64| photos().map(|(row, label)| softmax_term(row, *label, inverse)).sum();
    fit(&terms, |_| 1.0)
}

/// Fits the temperature of sigmoid probabilities on `logits`, `[photos, classes]`, where
/// `is_present` says whether a photo shows a class. As in [`fit_temperature`], `None` means that no
/// temperature is best.
///
/// The classes of a photo are not independent, so the interval is widened by the ratio of the
/// variance that the photos show to the one that the likelihood assumes (Chandler, Bate:
/// *Inference for clustered data using the independence loglikelihood*, 2007).
///
/// # Panics
/// If the lengths differ or are not multiples of `classes`.
pub fn fit_sigmoid_temperature(
    classes: usize,
    logits: &[f32],
    is_present: &[bool],
) -> Option<Temperature> {
    assert_eq!(logits.len(), is_present.len(), "a logit for each class and photo");
    assert_eq!(logits.len() % classes, 0, "whole rows");
    let photos = || logits.chunks(classes).zip(is_present.chunks(classes));
    let terms = |inverse: f64| photos().map(|(row, set)| sigmoid_term(row, set, inverse)).sum();
    fit(&terms, |at| (at.squared_slopes / at.curvature).max(1.0))
}

/// Divides logits by a temperature.
pub fn scaled(logits: &[f32], temperature: f64) -> Vec<f32> {
    logits.iter().map(|logit| (f64::from(*logit) / temperature) as f32).collect()
}

/// The negative log-likelihood of photos at an inverse temperature, with its derivatives.
#[derive(Clone, Copy, Default)]
struct Terms {
    loss: f64,
    slope: f64,
    curvature: f64,
    /// The sum of the squares of the photos' slopes.
    squared_slopes: f64,
}

impl std::iter::Sum for Terms {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Self::default(), |sum, term| Self {
            loss: sum.loss + term.loss,
            slope: sum.slope + term.slope,
            curvature: sum.curvature + term.curvature,
            squared_slopes: sum.squared_slopes + term.slope * term.slope,
        })
    }
}

/// `ln(sum(exp(b z))) - b z_label`, whose slope is the mean of `z` under the softmax minus
/// `z_label`, and whose curvature is the variance of `z`.
fn softmax_term(row: &[f32], label: usize, inverse: f64) -> Terms {
    let max = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    // Relative to the highest logit, to avoid overflow and cancellation.
    let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
    for logit in row {
        let z = f64::from(*logit) - max;
        let weight = (inverse * z).exp();
        sum += weight;
        first += weight * z;
        second += weight * z * z;
    }
    let (mean, of_label) = (first / sum, f64::from(row[label]) - max);
    Terms {
        loss: sum.ln() - inverse * of_label,
        slope: mean - of_label,
        curvature: (second / sum - mean * mean).max(0.0),
        squared_slopes: 0.0,
    }
}

/// The sum over the classes of `ln(1 + exp(b z)) - b z`, the last term if the class is present.
fn sigmoid_term(row: &[f32], is_present: &[bool], inverse: f64) -> Terms {
    let mut terms = Terms::default();
    for (logit, is_present) in row.iter().zip(is_present) {
        let z = f64::from(*logit);
        // The margin by which the class is on the right side.
        let margin = if *is_present { z } else { -z };
        let wrong = 1.0 / (1.0 + (inverse * margin).exp());
        // ln(1 + exp(-b m)), without overflow.
        terms.loss += (-inverse * margin.abs()).exp().ln_1p() + (-inverse * margin).max(0.0);
        terms.slope -= margin * wrong;
        terms.curvature += z * z * wrong * (1.0 - wrong);
    }
    terms
}

/// Minimises the loss, and finds where it is higher by what the likelihood ratio allows, times
/// `widening` of the terms at the minimum.
fn fit(terms: &dyn Fn(f64) -> Terms, widening: impl Fn(Terms) -> f64) -> Option<Temperature> {
    let (low, high) = RANGE;
    // The slope increases: without a change of sign, the minimum is at an end or beyond.
    if terms(low).slope >= 0.0 || terms(high).slope <= 0.0 {
        return None;
    }
    let best = root(RANGE, 1.0, |inverse| {
        let Terms { slope, curvature, .. } = terms(inverse);
        (slope, curvature)
    });
    let at_best = terms(best);
    let drop = LIKELIHOOD_DROP * widening(at_best);
    let above = |inverse: f64| {
        let Terms { loss, slope, .. } = terms(inverse);
        (loss - at_best.loss - drop, slope)
    };
    // Where the loss is higher by half the square of the distance in standard errors.
    let distance = (2.0 * drop / at_best.curvature).sqrt();
    let end = |limit: f64, start: f64| match above(limit).0 > 0.0 {
        true => root((best.min(limit), best.max(limit)), start, above),
        false => limit,
    };
    let (low, high) = (end(low, best - distance), end(high, best + distance));
    Some(Temperature { value: 1.0 / best, interval: (1.0 / high, 1.0 / low) })
}

/// The root of a monotonous function within `range`, at whose ends it has different signs: Newton's
/// method, or the geometric mean where its step leaves the range. The function returns its value
/// and slope.
fn root(range: (f64, f64), start: f64, function: impl Fn(f64) -> (f64, f64)) -> f64 {
    let (mut low, mut high) = range;
    let rises = function(high).0 > 0.0;
    let mut at = if low < start && start < high { start } else { (low * high).sqrt() };
    // Newton's method takes some ten steps, halving alone some forty.
    for _ in 0..100 {
        let (value, slope) = function(at);
        match (value > 0.0) == rises {
            true => high = at,
            false => low = at,
        }
        let step = at - value / slope;
        let next = if low < step && step < high { step } else { (low * high).sqrt() };
        if (next - at).abs() <= 1e-12 * at {
            return next;
        }
        at = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits of `photos` photos, and others by which labels are drawn.
    fn logits(photos: usize, classes: usize) -> (Vec<f32>, Vec<f32>) {
        let wave = |scale: f64, phase: usize| {
            let value = move |at: usize| (scale * (1.0 + (phase * at) as f64).sin()) as f32;
            (0..photos * classes).map(value).collect()
        };
        (wave(3.0, 7), wave(4.0, 13))
    }

    #[test]
    fn the_temperature_and_its_interval_are_those_of_scipy() {
        let (logits, noise) = logits(60, 3);
        let label = |(row, noise): (&[f32], &[f32])| {
            let drawn: Vec<f32> = row.iter().zip(noise).map(|(one, other)| one + other).collect();
            crate::evaluation::most_probable(&drawn)
        };
        let labels: Vec<usize> = logits.chunks(3).zip(noise.chunks(3)).map(label).collect();
        let found = fit_temperature(3, &logits, &labels).unwrap();
        // scipy 1.17: brentq of the slope of the cross-entropy, and of the likelihood ratio.
        let expected = [0.835_720_092_691, 0.593_179_092_145, 1.239_751_965_357];
        let values = [found.value, found.interval.0, found.interval.1];
        for (value, expected) in values.into_iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6 * expected, "{found:?}");
        }
    }

    #[test]
    fn the_temperature_of_several_labels_is_that_of_scipy() {
        let (logits, noise) = logits(60, 3);
        let present: Vec<bool> =
            logits.iter().zip(&noise).map(|(one, other)| one + other > 0.0).collect();
        let found = fit_sigmoid_temperature(3, &logits, &present).unwrap();
        // scipy 1.17, as above, with an interval that is widened by 1.6946632.
        let expected = [2.489_474_042_133, 1.626_197_139_810, 4.875_692_350_570];
        let values = [found.value, found.interval.0, found.interval.1];
        for (value, expected) in values.into_iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6 * expected, "{found:?}");
        }
    }

    #[test]
    fn scaled_logits_need_no_second_temperature() {
        let (logits, noise) = logits(90, 3);
        let labels: Vec<usize> = (logits.chunks(3).zip(noise.chunks(3)))
            .map(|(row, noise)| usize::from(row[1] + noise[1] > row[0] + noise[0]))
            .collect();
        let first = fit_temperature(3, &logits, &labels).unwrap();
        let again = fit_temperature(3, &scaled(&logits, first.value), &labels).unwrap();
        assert!((again.value - 1.0).abs() < 1e-5 && !again.is_needed(), "{again:?}");
        let doubled = fit_temperature(3, &scaled(&logits, 0.5), &labels).unwrap();
        assert!((doubled.value - 2.0 * first.value).abs() < 1e-5, "{first:?} {doubled:?}");
    }

    #[test]
    fn photos_that_are_all_right_or_all_wrong_give_no_temperature() {
        let logits = [2.0, 0.0, 0.0, 3.0];
        assert_eq!(fit_temperature(2, &logits, &[0, 1]), None);
        assert_eq!(fit_temperature(2, &logits, &[1, 0]), None);
        assert_eq!(fit_temperature(2, &[1e30, -1e30], &[0]), None);
        assert_eq!(fit_temperature(2, &[0.0; 4], &[0, 1]), None);
        assert_eq!(fit_temperature(2, &[], &[]), None);
        assert_eq!(fit_sigmoid_temperature(2, &[1.0, -2.0], &[true, false]), None);
        // Two photos say hardly anything.
        let found = fit_temperature(2, &[2.0, 0.0, 0.1, 0.0], &[0, 1]).unwrap();
        assert!(!found.is_needed(), "{found:?}");
    }
}
