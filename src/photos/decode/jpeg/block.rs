//! Decodes the coefficients of one block (ITU T.81, annexes F and G).

use super::huffman::{Bits, Table};

/// The 64 coefficients of a block, in rows.
pub(super) type Block = [i16; 64];

/// Index in rows of the n-th coefficient of the zigzag. Damaged data may lead past the last one.
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Index in rows of the n-th coefficient; of any past the last one, that of the last one.
pub(super) fn natural(index: usize) -> usize {
    usize::from(ZIGZAG[index.min(63)])
}

/// The coefficients and the bits of them that a scan has.
#[derive(Clone, Copy)]
pub(super) struct Spectrum {
    /// First and last coefficient in zigzag order.
    pub first: usize,
    pub last: usize,
    /// Whether the scan adds one bit to coefficients that earlier scans began.
    pub refines: bool,
    /// Position of the lowest bit in the scan.
    pub low: u32,
}

impl Spectrum {
    /// Whether the scan is one that the standard allows in a progressive frame.
    pub fn is_valid(&self, components: usize) -> bool {
        let band = match self.first {
            0 => self.last == 0,
            first => first <= self.last && self.last < 64 && components == 1,
        };
        band && self.low < 14
    }
}

/// A block of a sequential scan.
pub(super) fn sequential(
    bits: &mut Bits,
    dc: &Table,
    ac: &Table,
    prediction: &mut i32,
    block: &mut Block,
) {
    let size = u32::from(bits.symbol(dc)).min(16);
    *prediction = prediction.wrapping_add(bits.signed(size));
    block[0] = *prediction as i16;
    let mut index = 1;
    while index < 64 {
        let symbol = bits.symbol(ac);
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        match size {
            0 if run == 15 => index += 16,
            0 => break,
            _ => {
                index += run;
                block[natural(index)] = bits.signed(size) as i16;
                index += 1;
            }
        }
    }
}

/// The first bits of the DC coefficient.
pub(super) fn dc_first(
    bits: &mut Bits,
    dc: &Table,
    low: u32,
    prediction: &mut i32,
    block: &mut Block,
) {
    let size = u32::from(bits.symbol(dc)).min(16);
    *prediction = prediction.wrapping_add(bits.signed(size));
    block[0] = prediction.wrapping_shl(low) as i16;
}

/// One more bit of the DC coefficient.
pub(super) fn dc_refined(bits: &mut Bits, low: u32, block: &mut Block) {
    if bits.bit() {
        block[0] |= 1 << low;
    }
}

/// The first bits of a band of AC coefficients. `end_run` counts the blocks whose band is over.
pub(super) fn ac_first(
    bits: &mut Bits,
    ac: &Table,
    spectrum: Spectrum,
    end_run: &mut u32,
    block: &mut Block,
) {
    if *end_run > 0 {
        *end_run -= 1;
        return;
    }
    let mut index = spectrum.first;
    while index <= spectrum.last {
        let symbol = bits.symbol(ac);
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        match size {
            0 if run == 15 => index += 16,
            0 => {
                *end_run = (1 << run) + bits.read(run) as u32 - 1;
                break;
            }
            _ => {
                index += run as usize;
                block[natural(index)] = bits.signed(size).wrapping_shl(spectrum.low) as i16;
                index += 1;
            }
        }
    }
}

/// One more bit of a band of AC coefficients.
pub(super) fn ac_refined(
    bits: &mut Bits,
    ac: &Table,
    spectrum: Spectrum,
    end_run: &mut u32,
    block: &mut Block,
) {
    let bit = 1i16 << spectrum.low;
    let mut index = spectrum.first;
    if *end_run == 0 {
        while index <= spectrum.last {
            let symbol = bits.symbol(ac);
            let (mut run, size) = (u32::from(symbol >> 4), symbol & 15);
            let mut new = 0;
            if size != 0 {
                new = if bits.bit() { bit } else { -bit };
            } else if run != 15 {
                *end_run = (1 << run) + bits.read(run) as u32;
                break;
            }
            // Refine what has a value already, and pass over `run` coefficients that have none.
            while index <= spectrum.last {
                let coefficient = &mut block[natural(index)];
                if *coefficient != 0 {
                    refine(bits, bit, coefficient);
                } else if run == 0 {
                    break;
                } else {
                    run -= 1;
                }
                index += 1;
            }
            if new != 0 && index <= spectrum.last {
                block[natural(index)] = new;
            }
            index += 1;
        }
    }
    if *end_run > 0 {
        for index in index..=spectrum.last {
            let coefficient = &mut block[natural(index)];
            if *coefficient != 0 {
                refine(bits, bit, coefficient);
            }
        }
        *end_run -= 1;
    }
}

fn refine(bits: &mut Bits, bit: i16, coefficient: &mut i16) {
    if bits.bit() && *coefficient & bit == 0 {
        *coefficient = coefficient.saturating_add(if *coefficient > 0 { bit } else { -bit });
    }
}
