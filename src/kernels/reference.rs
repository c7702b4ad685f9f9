//! Expected values in f64, each with a bound on the error of f32 arithmetic.
//!
//! Bounds are derived, not chosen. A sum of `n` products in f32, added in any order, with or
//! without fused multiply-add, is within `gamma(n) * sum(|a| * |b|)` of the exact sum, with
//! `gamma(n) = n u / (1 - n u)` and `u = 2^-24` (Higham, *Accuracy and Stability of Numerical
//! Algorithms*, section 3.1). `gamma(n) <= (n + 2) u` holds up to `n = 5791`, more terms than any
//! sum here has. The error of the f64 reference itself, at most `n * 2^-53` of the same magnitude,
//! is less than a millionth of that.
//!
//! Large outputs are compared at a sample of positions: every corner, 128 positions of each line
//! between corners, and 2048 others. Every value of an output is checked for NaN and infinity.
//! Outputs are filled with NaN beforehand, so that a value that a kernel never wrote is always
//! found.
//!
//! A missing term is about as large as the bound in a sum of four thousand terms, and far larger
//! than the bound in shorter sums. A kernel that drops a term is detected even in the longest sums,
//! because it drops a different term at each of thousands of positions.

use std::thread;

/// Unit roundoff of f32.
pub const U: f64 = 1.0 / (1 << 24) as f64;

/// Number of positions compared besides the corners and the lines between them.
const SAMPLE: usize = 2048;

/// Number of positions compared on a line between two corners.
const LINE: usize = 128;

/// Pseudo-random values from -1 to 1, the same on every machine. They are multiples of `2^-23`, so
/// that no product of two of them is a subnormal number that a GPU might flush to zero.
pub fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut next = xorshift(seed);
    (0..count).map(|_| (next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0).collect()
}

/// Marsaglia's xorshift64.
fn xorshift(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

/// An exact value. A kernel's result may differ from it by `roundings * u * magnitude`.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// The exact value.
    pub value: f64,
    /// Magnitude of the terms: `sum(|a| * |b|)`.
    pub magnitude: f64,
    /// Number of roundings, each with an error of at most `u * magnitude`.
    pub roundings: f64,
}

impl Reference {
    /// An input or zero, which no operation rounds.
    pub fn unrounded(value: f64) -> Self {
        Self { value, magnitude: 0.0, roundings: 0.0 }
    }

    /// The sum of `terms` products.
    ///
    /// # Panics
    /// If `terms` is more than 5791, for which the bound does not hold.
    pub fn sum(terms: usize, products: impl Iterator<Item = f64>) -> Self {
        assert!(terms <= 5791, "{terms} terms");
        let (value, magnitude) =
            products.fold((0.0, 0.0), |(sum, size), product| (sum + product, size + product.abs()));
        Self { value, magnitude, roundings: terms as f64 + 2.0 }
    }

    /// Adds the rounding of a division by an exact number, 2.5 ulp by Vulkan's guarantee; an ulp is
    /// up to `2 u`. The value itself stays as it is.
    #[must_use]
    pub fn divided(self) -> Self {
        Self { roundings: self.roundings + 5.0, ..self }
    }

    /// Adds `number`, which takes one more rounding.
    #[must_use]
    pub fn plus(self, number: f64) -> Self {
        Self {
            value: self.value + number,
            magnitude: self.magnitude + number.abs(),
            roundings: self.roundings + 1.0,
        }
    }

    /// Adds roundings, in units of [`U`].
    #[must_use]
    pub fn with_roundings(self, more: f64) -> Self {
        Self { roundings: self.roundings + more, ..self }
    }

    /// Applies `function`, which must not increase the distance between two numbers.
    #[must_use]
    pub fn through(self, function: impl Fn(f64) -> f64) -> Self {
        Self { value: function(self.value), ..self }
    }

    /// The largest error allowed in f32.
    pub fn bound(self) -> f64 {
        self.roundings * U * self.magnitude
    }
}

/// The expected output of an operation, at a sample of positions.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Number of values in the whole output.
    count: usize,
    /// The references, each with its index in the output.
    at: Vec<(usize, Reference)>,
}

/// The position with the largest error relative to its bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// The error; infinite if the output has a NaN or infinite value.
    pub error: f64,
    /// The largest error allowed.
    pub bound: f64,
    /// Index in the output.
    pub at: usize,
}

impl Worst {
    /// The error as a share of its bound; up to 1 is correct.
    pub fn share(self) -> f64 {
        if self.error == 0.0 { 0.0 } else { self.error / self.bound }
    }

    /// Whether the error is within its bound. False for NaN.
    pub fn is_within(self) -> bool {
        self.share() <= 1.0
    }
}

impl Expected {
    /// Evaluates `value` at a sample of the positions of an output of this shape, in parallel.
    pub fn of<const D: usize>(
        shape: [usize; D],
        value: impl Fn([usize; D]) -> Reference + Sync,
    ) -> Self {
        let positions = sample(shape);
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = positions.len().div_ceil(threads).max(1);
        let evaluate = |positions: &[usize]| -> Vec<(usize, Reference)> {
            positions.iter().map(|at| (*at, value(unravel(*at, shape)))).collect()
        };
        let at = thread::scope(|scope| {
            let evaluate = &evaluate;
            let parts: Vec<_> =
                positions.chunks(share).map(|part| scope.spawn(move || evaluate(part))).collect();
            parts
                .into_iter()
                .flat_map(|part| part.join().expect("evaluation does not panic"))
                .collect()
        });
        Self { count: shape.iter().product(), at }
    }

    /// Widens the bounds for kernels that first round each operand to `bits` bits of significand,
    /// as tensor cores do.
    #[must_use]
    pub fn with_operands_rounded_to(mut self, bits: i32) -> Self {
        let v = 2f64.powi(-bits);
        for (_, reference) in &mut self.at {
            reference.roundings += (2.0 * v + v * v) / U;
        }
        self
    }

    /// Number of values in the whole output.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Compares an output with the expected values.
    ///
    /// # Panics
    /// If `actual` has a different length.
    pub fn worst(&self, actual: &[f32]) -> Worst {
        assert_eq!(actual.len(), self.count);
        if let Some(at) = actual.iter().position(|value| !value.is_finite()) {
            return Worst { error: f64::INFINITY, bound: 0.0, at };
        }
        self.at
            .iter()
            .map(|(at, reference)| Worst {
                error: (f64::from(actual[*at]) - reference.value).abs(),
                bound: reference.bound(),
                at: *at,
            })
            .max_by(|a, b| a.share().total_cmp(&b.share()))
            .expect("no output is empty")
    }

    /// Compares two outputs with each other. Each may be off by its bound, so they may differ by
    /// twice the bound.
    ///
    /// # Panics
    /// If either has a different length.
    pub fn apart(&self, one: &[f32], other: &[f32]) -> Worst {
        assert_eq!((one.len(), other.len()), (self.count, self.count));
        self.at
            .iter()
            .map(|(at, reference)| Worst {
                error: (f64::from(one[*at]) - f64::from(other[*at])).abs(),
                bound: 2.0 * reference.bound(),
                at: *at,
            })
            .max_by(|a, b| a.share().total_cmp(&b.share()))
            .expect("no output is empty")
    }
}

/// The positions to compare, sorted; all positions of a small output.
fn sample<const D: usize>(shape: [usize; D]) -> Vec<usize> {
    let count: usize = shape.iter().product();
    if count <= 2 * SAMPLE {
        return (0..count).collect();
    }
    let mut next = xorshift(count as u64);
    let mut positions: Vec<usize> = (0..SAMPLE).map(|_| (next() % count as u64) as usize).collect();
    for corner in 0..1usize << D {
        let mut at = [0; D];
        for (axis, at) in at.iter_mut().enumerate() {
            *at = if corner >> axis & 1 == 1 { shape[axis] - 1 } else { 0 };
        }
        positions.push(ravel(at, shape));
        for axis in (0..D).filter(|axis| corner >> axis & 1 == 0) {
            for step in 0..LINE.min(shape[axis]) {
                let last = shape[axis] - 1;
                // All positions near both ends, where partial tiles are.
                let along = match LINE < shape[axis] {
                    false => step,
                    true if step < LINE / 4 => step,
                    true if step >= 3 * LINE / 4 => last - (LINE - 1 - step),
                    true => (next() % shape[axis] as u64) as usize,
                };
                let mut at = at;
                at[axis] = along;
                positions.push(ravel(at, shape));
            }
        }
    }
    positions.sort_unstable();
    positions.dedup();
    positions
}

/// The row-major index of a position.
fn ravel<const D: usize>(at: [usize; D], shape: [usize; D]) -> usize {
    at.iter().zip(shape).fold(0, |index, (at, length)| index * length + at)
}

/// The position of a row-major index.
fn unravel<const D: usize>(mut index: usize, shape: [usize; D]) -> [usize; D] {
    let mut at = [0; D];
    for axis in (0..D).rev() {
        at[axis] = index % shape[axis];
        index /= shape[axis];
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_that_miss_a_term_are_over_the_bound() {
        // The longest sum of the networks, which has the widest bound.
        let terms = 512 * 3 * 3;
        let rows: Vec<_> =
            (0..64).map(|row| (values(terms, row), values(terms, 1000 + row))).collect();
        let dot_product = |[row]: [usize; 1]| {
            let (a, b) = &rows[row];
            Reference::sum(terms, a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)))
        };
        let expected = Expected::of([rows.len()], dot_product);
        let sums = |count: usize| -> Vec<f32> {
            rows.iter()
                .map(|(a, b)| a.iter().zip(b).take(count).map(|(a, b)| a * b).sum())
                .collect()
        };
        assert!(expected.worst(&sums(terms)).share() < 1.0);
        assert!(expected.worst(&sums(terms - 1)).share() > 1.0);
        let mut unwritten = sums(terms);
        unwritten[63] = f32::NAN;
        assert_eq!(expected.worst(&unwritten).share(), f64::INFINITY);
    }

    #[test]
    fn the_sample_holds_the_first_and_the_last_of_every_line_between_corners() {
        let shape = [8, 40, 57, 300];
        let positions = sample(shape);
        for at in [[0, 0, 0, 0], [7, 39, 56, 299], [0, 39, 55, 0], [7, 0, 56, 298], [0, 1, 0, 299]]
        {
            assert!(positions.binary_search(&ravel(at, shape)).is_ok(), "{at:?}");
        }
    }
}
