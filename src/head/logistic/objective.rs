//! The loss of a head with its L2 penalty, and the gradient.
//!
//! The features stay where they are, in f32: a block of four rows is standardised into f64 in the
//! first-level cache, and is used twice, for the logits and for the gradient. With `c` classes and
//! `d` features, an evaluation takes `4 c d` floating-point operations a row, and reads a row once.
//! Vectors of parameters hold the weight, `[classes][stride]`, and then the bias, `[classes]`;
//! `stride` is the number of features, rounded up to whole vector registers.

use pulp::Simd;
use rayon::prelude::*;

use super::Standardisation;
use crate::device::{Instructions, Task};
use crate::head::LossTargets;

/// Rows in a block.
const ROWS: usize = 4;
/// The stride is a multiple of this many numbers: a register of AVX-512.
const LANES: usize = 8;
/// Minimum number of rows that a thread takes at a time.
const ROWS_PER_TASK: usize = 64;
/// Maximum number of tasks, each of which has a gradient of its own.
const MAX_TASKS: usize = 16;

/// A head's training problem.
pub struct Objective<'a> {
    /// Number of features of a row.
    pub width: usize,
    /// Features, `[rows, width]`.
    pub rows: &'a [f32],
    /// The class of each photo.
    pub labels: &'a [usize],
    /// Rows of each photo.
    pub views: usize,
    /// The photos that are trained on.
    pub photos: &'a [usize],
    pub standardisation: &'a Standardisation,
    pub targets: LossTargets,
}

impl Objective<'_> {
    pub fn classes(&self) -> usize {
        self.targets.weights.len()
    }

    pub fn stride(&self) -> usize {
        self.width.next_multiple_of(LANES)
    }

    /// The number of parameters.
    pub fn parameters(&self) -> usize {
        self.classes() * (self.stride() + 1)
    }

    /// The mean loss of the photos, in nats, plus `penalty / photos` times half the squared norm of
    /// the weight; and its gradient.
    pub fn evaluate(&self, penalty: f64, parameters: &[f64], gradient: &mut [f64]) -> f64 {
        let rows = self.photos.len() * self.views;
        let tasks = (rows / ROWS_PER_TASK).clamp(1, MAX_TASKS);
        let per_task = rows.div_ceil(tasks);
        // The division does not depend on the number of threads, nor does the sum.
        let parts: Vec<(f64, Vec<f64>)> = (0..tasks)
            .into_par_iter()
            .map(|task| {
                let mut part = (0.0, vec![0.0; parameters.len()]);
                Instructions::Best.run(Part {
                    objective: self,
                    from: (task * per_task).min(rows),
                    to: ((task + 1) * per_task).min(rows),
                    parameters,
                    loss: &mut part.0,
                    gradient: &mut part.1,
                });
                part
            })
            .collect();
        let mut loss = 0.0;
        gradient.fill(0.0);
        for (part, part_gradient) in parts {
            loss += part;
            gradient.iter_mut().zip(part_gradient).for_each(|(sum, part)| *sum += part);
        }
        let scale = 1.0 / self.photos.len().max(1) as f64;
        gradient.iter_mut().for_each(|entry| *entry *= scale);
        let mut squares = 0.0;
        let weights = self.classes() * self.stride();
        for (entry, weight) in gradient[..weights].iter_mut().zip(parameters) {
            *entry += scale * penalty * weight;
            squares += weight * weight;
        }
        scale * (loss + penalty / 2.0 * squares)
    }
}

/// The rows `from..to`.
struct Part<'a> {
    objective: &'a Objective<'a>,
    from: usize,
    to: usize,
    parameters: &'a [f64],
    loss: &'a mut f64,
    gradient: &'a mut [f64],
}

impl Task for Part<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { objective, from, to, parameters, loss, gradient } = self;
        let (classes, stride) = (objective.classes(), objective.stride());
        let (weight, bias) = parameters.split_at(classes * stride);
        let (weight_gradient, bias_gradient) = gradient.split_at_mut(classes * stride);
        let mut block = vec![0.0; ROWS * stride];
        let mut residuals = vec![0.0; ROWS * classes];
        let mut at = from;
        while at < to {
            let count = ROWS.min(to - at);
            for slot in 0..count {
                standardise(objective, at + slot, &mut block[slot * stride..][..stride]);
            }
            let rows = rows::<S>(&block, stride);
            for class in 0..classes {
                let products = dot(simd, rows, &weight[class * stride..][..stride]);
                for (slot, product) in products.into_iter().enumerate() {
                    residuals[slot * classes + class] = product + bias[class];
                }
            }
            for slot in 0..ROWS {
                let row = &mut residuals[slot * classes..][..classes];
                if slot >= count {
                    // Rows of an earlier block are left in the last one.
                    row.fill(0.0);
                    continue;
                }
                let photo = objective.photos[(at + slot) / objective.views];
                let target = objective.targets.row(objective.labels[photo]);
                *loss += residual(row, target, 1.0 / objective.views as f64);
            }
            for class in 0..classes {
                let factors = std::array::from_fn(|slot| residuals[slot * classes + class]);
                bias_gradient[class] += factors.iter().sum::<f64>();
                let sums = &mut weight_gradient[class * stride..][..stride];
                add(simd, S::as_mut_simd_f64s(sums).0, factors, rows);
            }
            at += count;
        }
    }
}

/// Writes the standardised features of the row with this number among the trained ones.
#[inline(always)]
fn standardise(objective: &Objective, row: usize, out: &mut [f64]) {
    let Objective { width, rows, views, photos, standardisation, .. } = objective;
    let row = photos[row / views] * views + row % views;
    let row = &rows[row * width..][..*width];
    let shift = &standardisation.shift[..*width];
    let scale = standardisation.scale;
    for (at, out) in out[..*width].iter_mut().enumerate() {
        *out = (f64::from(row[at]) - shift[at]) * scale;
    }
}

/// The rows of a block as vector registers.
#[inline(always)]
fn rows<S: Simd>(block: &[f64], stride: usize) -> [&[S::f64s]; ROWS] {
    std::array::from_fn(|slot| S::as_simd_f64s(&block[slot * stride..][..stride]).0)
}

/// The products of each row and `weight`.
#[inline(always)]
fn dot<S: Simd>(simd: S, rows: [&[S::f64s]; ROWS], weight: &[f64]) -> [f64; ROWS] {
    let weight = S::as_simd_f64s(weight).0;
    let rows: [&[S::f64s]; ROWS] = rows.map(|row| &row[..weight.len()]);
    let mut sums = [simd.splat_f64s(0.0); ROWS];
    for (at, weight) in weight.iter().enumerate() {
        for slot in 0..ROWS {
            sums[slot] = simd.mul_add_f64s(rows[slot][at], *weight, sums[slot]);
        }
    }
    sums.map(|sum| simd.reduce_sum_f64s(sum))
}

/// Adds each row times its factor to `sums`.
#[inline(always)]
fn add<S: Simd>(simd: S, sums: &mut [S::f64s], factors: [f64; ROWS], rows: [&[S::f64s]; ROWS]) {
    let factors = factors.map(|factor| simd.splat_f64s(factor));
    let rows: [&[S::f64s]; ROWS] = rows.map(|row| &row[..sums.len()]);
    for (at, sum) in sums.iter_mut().enumerate() {
        for slot in 0..ROWS {
            *sum = simd.mul_add_f64s(factors[slot], rows[slot][at], *sum);
        }
    }
}

/// Replaces the logits of a row by the gradient of its loss, and returns the loss.
#[inline(always)]
fn residual(row: &mut [f64], target: &[f64], weight: f64) -> f64 {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut loss, mut total) = (0.0, 0.0, 0.0);
    for (logit, target) in row.iter_mut().zip(target) {
        *logit -= max;
        loss -= target * *logit;
        total += target;
        *logit = logit.exp();
        sum += *logit;
    }
    for (power, target) in row.iter_mut().zip(target) {
        *power = weight * (total * *power / sum - target);
    }
    weight * (loss + total * sum.ln())
}
