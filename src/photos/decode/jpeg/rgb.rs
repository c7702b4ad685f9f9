//! Rows of components to rows of RGB.

use super::frame::Colours;
use crate::photos::decode::colour::{cmyk, ycbcr};

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
                *out = cmyk([cyan[x], magenta[x], yellow[x]].map(|ink| 255 - ink), 255 - black[x]);
            }
        }
        (Colours::Ycck, [luma, blue, red, black]) => {
            for (x, out) in pixels.iter_mut().enumerate() {
                *out = cmyk(ycbcr(luma[x], blue[x], red[x]), 255 - black[x]);
            }
        }
        // `Frame::colours` follows the number of components.
        _ => unreachable!("{colours:?} of {} components", rows.len()),
    }
}
