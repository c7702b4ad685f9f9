//! What each op must give: its value in f64, and how far from it f32 may be.
//!
//! Bounds are derived, not chosen. A sum of `n` products in f32, added in any order and fused or not, is
//! within `gamma(n) * sum(|a| * |b|)` of the exact one, `gamma(n) = n u / (1 - n u)` and `u = 2^-24`
//! (Higham, *Accuracy and Stability of Numerical Algorithms*, section 3.1), and `gamma(n) <= (n + 2) u`
//! up to `n = 5791`, more than any sum here has. The reference's own error, at most `n * 2^-53` of the
//! same, is below a millionth of that.
//!
//! Large outputs are compared at a sample of positions: every corner, 128 positions of each line between
//! corners, and 2048 others. That a value is a number is checked for all of them, so with outputs filled
//! with NaN beforehand a value that a kernel never wrote is found wherever it is.
//!
//! A term that is left out is of the size of the bound where there are four thousand, and far above it where
//! there are fewer; it is seen because thousands of positions each leave out one of their own.

use std::thread;

/// Unit roundoff of f32.
pub const U: f64 = 1.0 / (1 << 24) as f64;

/// Positions compared beside the corners and the lines between them.
const SAMPLE: usize = 2048;

/// Positions compared on a line between two corners.
const LINE: usize = 128;

/// Values that look random and are the same everywhere, in -1 to 1. They are multiples of `2^-23`, so no
/// product of two of them is small enough to be flushed to zero.
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

/// A value, and how far off it a kernel may be: `roundings * u * magnitude`.
#[derive(Clone, Copy, Debug)]
pub struct Exact {
    /// The exact one.
    pub value: f64,
    /// Of what was added up: `sum(|a| * |b|)`.
    pub magnitude: f64,
    /// How many roundings, each by a share `u` of the magnitude, it may have gone through.
    pub roundings: f64,
}

impl Exact {
    /// What is one of the inputs, or zero: nothing is rounded.
    pub fn unrounded(value: f64) -> Self {
        Self { value, magnitude: 0.0, roundings: 0.0 }
    }

    /// The sum of `terms` products.
    ///
    /// # Panics
    /// Where there are so many that the bound would not hold.
    pub fn sum(terms: usize, products: impl Iterator<Item = f64>) -> Self {
        assert!(terms <= 5791, "{terms} terms");
        let (value, magnitude) =
            products.fold((0.0, 0.0), |(sum, size), product| (sum + product, size + product.abs()));
        Self { value, magnitude, roundings: terms as f64 + 2.0 }
    }

    /// Divided by a number that is exact: within 2.5 ulp by Vulkan's guarantee, an ulp being up to `2 u`.
    #[must_use]
    pub fn divided(self) -> Self {
        Self { roundings: self.roundings + 5.0, ..self }
    }

    /// One more number added to it, and one more rounding.
    #[must_use]
    pub fn plus(self, number: f64) -> Self {
        Self {
            value: self.value + number,
            magnitude: self.magnitude + number.abs(),
            roundings: self.roundings + 1.0,
        }
    }

    /// Some more roundings, in units of [`U`].
    #[must_use]
    pub fn with_roundings(self, more: f64) -> Self {
        Self { roundings: self.roundings + more, ..self }
    }

    /// What `function` makes of it, which brings no two numbers further apart.
    #[must_use]
    pub fn through(self, function: impl Fn(f64) -> f64) -> Self {
        Self { value: function(self.value), ..self }
    }

    /// How far off f32 may be.
    pub fn bound(self) -> f64 {
        self.roundings * U * self.magnitude
    }
}

/// What an op must give, at some of its positions.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Values of the whole output.
    count: usize,
    /// Indices into it.
    at: Vec<(usize, Exact)>,
}

/// The position that is furthest off, measured by its bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// How far off it is; infinite where a value of the output is no number.
    pub error: f64,
    /// How far off it may be.
    pub bound: f64,
    /// Index into the output.
    pub at: usize,
}

impl Worst {
    /// The error as a share of its bound: right up to 1.
    pub fn share(self) -> f64 {
        if self.error == 0.0 { 0.0 } else { self.error / self.bound }
    }

    /// Whether it is no further off than it may be; what is no number is not.
    pub fn is_within(self) -> bool {
        self.share() <= 1.0
    }
}

impl Expected {
    /// What `value` says of a sample of the positions of an output of this shape.
    pub fn of<const D: usize>(
        shape: [usize; D],
        value: impl Fn([usize; D]) -> Exact + Sync,
    ) -> Self {
        let positions = sample(shape);
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = positions.len().div_ceil(threads).max(1);
        let evaluate = |positions: &[usize]| -> Vec<(usize, Exact)> {
            positions.iter().map(|at| (*at, value(unravel(*at, shape)))).collect()
        };
        let at = thread::scope(|scope| {
            let evaluate = &evaluate;
            let parts: Vec<_> =
                positions.chunks(share).map(|part| scope.spawn(move || evaluate(part))).collect();
            parts.into_iter().flat_map(|part| part.join().expect("no panic in it")).collect()
        });
        Self { count: shape.iter().product(), at }
    }

    /// The same of kernels that round each operand to `bits` of significand first, as tensor cores do.
    #[must_use]
    pub fn with_operands_rounded_to(mut self, bits: i32) -> Self {
        let v = 2f64.powi(-bits);
        for (_, exact) in &mut self.at {
            exact.roundings += (2.0 * v + v * v) / U;
        }
        self
    }

    /// How many values the whole output has.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Compares an output with it.
    ///
    /// # Panics
    /// Where it is not as long.
    pub fn worst(&self, actual: &[f32]) -> Worst {
        assert_eq!(actual.len(), self.count);
        if let Some(at) = actual.iter().position(|value| !value.is_finite()) {
            return Worst { error: f64::INFINITY, bound: 0.0, at };
        }
        self.at
            .iter()
            .map(|(at, exact)| Worst {
                error: (f64::from(actual[*at]) - exact.value).abs(),
                bound: exact.bound(),
                at: *at,
            })
            .max_by(|a, b| a.share().total_cmp(&b.share()))
            .expect("no output is empty")
    }

    /// Compares two outputs with each other: each may be off by its bound, so they by twice that.
    ///
    /// # Panics
    /// As [`worst`](Self::worst).
    pub fn apart(&self, one: &[f32], other: &[f32]) -> Worst {
        assert_eq!((one.len(), other.len()), (self.count, self.count));
        self.at
            .iter()
            .map(|(at, exact)| Worst {
                error: (f64::from(one[*at]) - f64::from(other[*at])).abs(),
                bound: 2.0 * exact.bound(),
                at: *at,
            })
            .max_by(|a, b| a.share().total_cmp(&b.share()))
            .expect("no output is empty")
    }
}

/// The positions that are compared, sorted: all of them where they are few.
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
                // Both ends in full, where a tile that is cut short is.
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

/// The index of a position in rows one after another.
fn ravel<const D: usize>(at: [usize; D], shape: [usize; D]) -> usize {
    at.iter().zip(shape).fold(0, |index, (at, length)| index * length + at)
}

/// The position of an index.
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
        // As many as the longest sum of the networks has, where the bound is widest.
        let terms = 512 * 3 * 3;
        let rows: Vec<_> =
            (0..64).map(|row| (values(terms, row), values(terms, 1000 + row))).collect();
        let exact = |[row]: [usize; 1]| {
            let (a, b) = &rows[row];
            Exact::sum(terms, a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)))
        };
        let expected = Expected::of([rows.len()], exact);
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
