//! The inverse discrete cosine transform: libjpeg's accurate integer method (`jidctint.c`), after
//! Loeffler, Ligtenberg and Moschytz, "Practical Fast 1-D DCT Algorithms with 11 Multiplications"
//! (ICASSP 1989). It gives libjpeg's pixels bit for bit.

use std::num::Wrapping;

use super::block::Block;

type Number = Wrapping<i32>;

/// Bits after the point in the constants.
const CONST_BITS: usize = 13;
/// Bits after the point that are kept between the two passes.
const PASS1_BITS: usize = 2;

const fn fixed(constant: f64) -> Number {
    Wrapping((constant * (1 << CONST_BITS) as f64 + 0.5) as i32)
}

/// Dequantises and transforms a block into eight rows of `samples`, `stride` bytes apart.
pub(super) fn inverse(block: &Block, quantisation: &[u16; 64], samples: &mut [u8], stride: usize) {
    if block[1..].iter().all(|coefficient| *coefficient == 0) {
        let dc = Wrapping(i32::from(block[0])) * Wrapping(i32::from(quantisation[0]));
        let value = sample((dc << PASS1_BITS) + Wrapping(1 << (PASS1_BITS + 2)), PASS1_BITS + 3);
        for row in samples.chunks_mut(stride).take(8) {
            row[..8].fill(value);
        }
        return;
    }
    let mut work = [Wrapping(0); 64];
    for column in 0..8 {
        let at = |row: usize| {
            let index = 8 * row + column;
            Wrapping(i32::from(block[index])) * Wrapping(i32::from(quantisation[index]))
        };
        let values = std::array::from_fn(at);
        let round = Wrapping(1 << (CONST_BITS - PASS1_BITS - 1));
        for (row, value) in pass(values).into_iter().enumerate() {
            work[8 * row + column] = (value + round) >> (CONST_BITS - PASS1_BITS);
        }
    }
    for (values, row) in work.as_chunks::<8>().0.iter().zip(samples.chunks_mut(stride)) {
        const SHIFT: usize = CONST_BITS + PASS1_BITS + 3;
        for (value, out) in pass(*values).into_iter().zip(row) {
            *out = sample(value + Wrapping(1 << (SHIFT - 1)), SHIFT);
        }
    }
}

fn sample(value: Number, shift: usize) -> u8 {
    ((value >> shift) + Wrapping(128)).0.clamp(0, 255) as u8
}

/// Eight values, scaled by `2^CONST_BITS * sqrt(8)`.
fn pass(values: [Number; 8]) -> [Number; 8] {
    // Even part: values 0, 2, 4 and 6.
    let z1 = (values[2] + values[6]) * fixed(0.541_196_100);
    let tmp2 = z1 - values[6] * fixed(1.847_759_065);
    let tmp3 = z1 + values[2] * fixed(0.765_366_865);
    let tmp0 = (values[0] + values[4]) << CONST_BITS;
    let tmp1 = (values[0] - values[4]) << CONST_BITS;
    let even = [tmp0 + tmp3, tmp1 + tmp2, tmp1 - tmp2, tmp0 - tmp3];
    // Odd part: values 7, 5, 3 and 1.
    let [tmp0, tmp1, tmp2, tmp3] = [values[7], values[5], values[3], values[1]];
    let (z1, z2, z3, z4) = (tmp0 + tmp3, tmp1 + tmp2, tmp0 + tmp2, tmp1 + tmp3);
    let z5 = (z3 + z4) * fixed(1.175_875_602);
    let z1 = -z1 * fixed(0.899_976_223);
    let z2 = -z2 * fixed(2.562_915_447);
    let z3 = z5 - z3 * fixed(1.961_570_560);
    let z4 = z5 - z4 * fixed(0.390_180_644);
    let odd = [
        tmp3 * fixed(1.501_321_110) + z1 + z4,
        tmp2 * fixed(3.072_711_026) + z2 + z3,
        tmp1 * fixed(2.053_119_869) + z2 + z4,
        tmp0 * fixed(0.298_631_336) + z1 + z3,
    ];
    std::array::from_fn(|index| match index {
        0..4 => even[index] + odd[index],
        _ => even[7 - index] - odd[7 - index],
    })
}
