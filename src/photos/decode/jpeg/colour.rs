//! Rows of components to rows of RGB, as libjpeg and PIL convert them.

use super::frame::Colours;

/// Bits after the point in libjpeg's constants (`jdcolor.c`).
const SCALE_BITS: u32 = 16;
const HALF: i32 = 1 << (SCALE_BITS - 1);

const fn fixed(constant: f64) -> i32 {
    (constant * (1 << SCALE_BITS) as f64 + 0.5) as i32
}

/// Converts one row; `rows` has a row for each component.
pub(super) fn to_rgb(colours: Colours, rows: &[Vec<u8>], out: &mut [u8]) {
    let pixels = out.as_chunks_mut::<3>().0;
    match (colours, rows) {
        (Colours::Grey, [grey]) => {
            for (out, grey) in pixels.iter_mut().zip(grey) {
                *out = [*grey; 3];
            }
        }
        (Colours::Rgb, [first, second, third]) => {
            for (x, out) in pixels.iter_mut().enumerate() {
                *out = [first[x], second[x], third[x]];
            }
        }
        (Colours::YCbCr, [luma, blue, red]) => {
            for (x, out) in pixels.iter_mut().enumerate() {
                *out = ycbcr(luma[x], blue[x], red[x]);
            }
        }
        (Colours::Cmyk, [cyan, magenta, yellow, black]) => {
            for (x, out) in pixels.iter_mut().enumerate() {
                *out = [cyan[x], magenta[x], yellow[x]].map(|ink| inked(ink, black[x]));
            }
        }
        (Colours::Ycck, [luma, blue, red, black]) => {
            for (x, out) in pixels.iter_mut().enumerate() {
                *out = ycbcr(luma[x], blue[x], red[x]).map(|ink| inked(255 - ink, black[x]));
            }
        }
        // `Frame::colours` follows the number of components.
        _ => unreachable!("{colours:?} of {} components", rows.len()),
    }
}

fn ycbcr(luma: u8, blue: u8, red: u8) -> [u8; 3] {
    let (luma, blue, red) = (i32::from(luma), i32::from(blue) - 128, i32::from(red) - 128);
    let r = luma + ((fixed(1.402) * red + HALF) >> SCALE_BITS);
    let g = luma + ((-fixed(0.344_14) * blue - fixed(0.714_14) * red + HALF) >> SCALE_BITS);
    let b = luma + ((fixed(1.772) * blue + HALF) >> SCALE_BITS);
    [r, g, b].map(|value| value.clamp(0, 255) as u8)
}

/// A colour of PIL's `CMYK` to `RGB`. The values in the file are inverted.
fn inked(inverted: u8, inverted_black: u8) -> u8 {
    let (ink, white) = (255 - u32::from(inverted), u32::from(inverted_black));
    let product = ink * white + 128;
    (white - ((product + (product >> 8)) >> 8)) as u8
}
