//! L-BFGS: minimises a smooth function from its values and gradients.
//!
//! Nocedal, Wright: *Numerical Optimization*, second edition, 2006: algorithm 7.4 for the
//! direction; the step satisfies the weak Wolfe conditions (3.6), found by bisection.

use std::collections::VecDeque;

/// Number of steps whose curvature is remembered.
const HISTORY: usize = 10;
/// The constants c1 and c2 of the Wolfe conditions, as the book recommends them.
const SUFFICIENT_DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;
/// Maximum number of step lengths that are tried in a direction.
const MAX_TRIALS: usize = 40;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest entry of the gradient at which the point counts as the minimum.
    pub gradient: f64,
    /// Maximum number of directions.
    pub iterations: usize,
}

/// A step: the differences of the points and of the gradients, and 1 over their product.
struct Step {
    point: Vec<f64>,
    gradient: Vec<f64>,
    inverse: f64,
}

/// Minimises `objective` from `point`, which becomes the minimum. `objective` writes the gradient
/// at a point and returns the value there. Returns the number of directions that were followed.
pub fn minimise(
    point: &mut Vec<f64>,
    limits: Limits,
    mut objective: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> usize {
    let mut gradient = vec![0.0; point.len()];
    let mut value = objective(point, &mut gradient);
    let (mut next, mut next_gradient) = (point.clone(), gradient.clone());
    let mut steps: VecDeque<Step> = VecDeque::with_capacity(HISTORY);
    for iteration in 0..limits.iterations {
        let largest = gradient.iter().fold(0.0f64, |largest, entry| largest.max(entry.abs()));
        // The maximum leaves NaN out, so that it ends the search.
        if largest <= limits.gradient {
            return iteration;
        }
        let direction = direction(&gradient, &steps);
        let slope = dot(&gradient, &direction);
        let (mut low, mut high) = (0.0, f64::INFINITY);
        // Without any curvature known, the first step has the length 1 at most.
        let mut length = match steps.is_empty() {
            true => 1.0 / dot(&gradient, &gradient).sqrt().max(1.0),
            false => 1.0,
        };
        let mut found = false;
        for _ in 0..MAX_TRIALS {
            for ((next, point), step) in next.iter_mut().zip(&*point).zip(&direction) {
                *next = point + length * step;
            }
            let there = objective(&next, &mut next_gradient);
            // A value that is NaN is no decrease.
            if there.is_nan() || there > value + SUFFICIENT_DECREASE * length * slope {
                high = length;
            } else if dot(&next_gradient, &direction) < CURVATURE * slope {
                low = length;
            } else {
                value = there;
                found = true;
                break;
            }
            length = if high.is_finite() { (low + high) / 2.0 } else { 2.0 * low };
        }
        if !found {
            // Rounding hides any further decrease.
            return iteration;
        }
        remember(&mut steps, (&*point, &next), (&gradient, &next_gradient));
        std::mem::swap(point, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
    }
    limits.iterations
}

/// Minus the gradient times the estimated inverse of the Hessian (algorithm 7.4).
fn direction(gradient: &[f64], steps: &VecDeque<Step>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|entry| -entry).collect();
    let mut factors = Vec::with_capacity(steps.len());
    for step in steps.iter().rev() {
        let factor = step.inverse * dot(&step.point, &direction);
        add(&mut direction, -factor, &step.gradient);
        factors.push(factor);
    }
    if let Some(last) = steps.back() {
        let scale = 1.0 / (last.inverse * dot(&last.gradient, &last.gradient));
        direction.iter_mut().for_each(|entry| *entry *= scale);
    }
    for (step, factor) in steps.iter().zip(factors.into_iter().rev()) {
        let correction = factor - step.inverse * dot(&step.gradient, &direction);
        add(&mut direction, correction, &step.point);
    }
    direction
}

fn remember(steps: &mut VecDeque<Step>, points: (&[f64], &[f64]), gradients: (&[f64], &[f64])) {
    let difference = |(before, after): (&[f64], &[f64])| -> Vec<f64> {
        after.iter().zip(before).map(|(after, before)| after - before).collect()
    };
    let (point, gradient) = (difference(points), difference(gradients));
    let product = dot(&point, &gradient);
    // The Wolfe conditions make it positive, but for rounding.
    if product > 0.0 {
        if steps.len() == HISTORY {
            steps.pop_front();
        }
        steps.push_back(Step { point, gradient, inverse: 1.0 / product });
    }
}

/// The sum of the products, in eight sums that a processor adds up side by side.
fn dot(one: &[f64], other: &[f64]) -> f64 {
    let (ones, one_rest) = one.as_chunks::<8>();
    let (others, other_rest) = other.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (one, other) in ones.iter().zip(others) {
        for at in 0..8 {
            sums[at] += one[at] * other[at];
        }
    }
    let rest: f64 = one_rest.iter().zip(other_rest).map(|(one, other)| one * other).sum();
    sums.iter().sum::<f64>() + rest
}

fn add(sum: &mut [f64], factor: f64, summand: &[f64]) {
    for (sum, summand) in sum.iter_mut().zip(summand) {
        *sum += factor * summand;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_of_rosenbrocks_function_is_found() {
        // Nocedal and Wright, exercise 2.1: the minimum is (1, 1).
        let mut point = vec![-1.2, 1.0];
        let limits = Limits { gradient: 1e-9, iterations: 200 };
        let iterations = minimise(&mut point, limits, |at, gradient| {
            let (x, y) = (at[0], at[1]);
            gradient[0] = -400.0 * x * (y - x * x) - 2.0 * (1.0 - x);
            gradient[1] = 200.0 * (y - x * x);
            100.0 * (y - x * x).powi(2) + (1.0 - x).powi(2)
        });
        assert!(iterations < 60, "{iterations}");
        assert!(point.iter().all(|entry| (entry - 1.0).abs() < 1e-8), "{point:?}");
    }

    #[test]
    fn a_function_that_is_not_a_number_ends_the_search() {
        let mut point = vec![0.5];
        let limits = Limits { gradient: 1e-9, iterations: 200 };
        let iterations = minimise(&mut point, limits, |_, gradient| {
            gradient[0] = f64::NAN;
            f64::NAN
        });
        assert_eq!((iterations, point), (0, vec![0.5]));
    }
}
