//! Where the pixels of a view come from: a photo on a canvas, and the square cut out of it.

use super::filter::Area;
use super::view::Part;
use super::{Fit, Preprocessing};

/// The side of the canvas that corners are cut out of, as a multiple of the square's, for photos
/// that are padded or stretched: torchvision's 256 for 224.
const CANVAS: (u32, u32) = (8, 7);

/// The part of a photo that a view shows, and where it lies in the view's square.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placement {
    /// The part of the photo.
    pub area: Area,
    /// Its width and height in the square, in pixels.
    pub size: (u32, u32),
    /// Pixels left of it and above it in the square.
    pub offset: (u32, u32),
}

/// One side of the photo on the canvas, in pixels of the canvas.
struct Side {
    /// Where the photo begins.
    start: f64,
    /// Its resized length.
    length: u64,
    /// Where the square begins.
    square: f64,
}

impl Preprocessing {
    /// The placement of a photo of this width and height.
    pub(super) fn placement(&self, (width, height): (u32, u32), part: Part) -> Placement {
        let side = match part {
            Part::Plain => self.crop,
            Part::Corner { .. } => (self.crop * CANVAS.0 + CANVAS.1 / 2) / CANVAS.1,
        };
        let (resized_width, resized_height) = match self.fit {
            Fit::Crop => self.resized(width, height),
            Fit::Pad => contained(width, height, side),
            Fit::Stretch => (side.into(), side.into()),
        };
        let on_canvas = |length: u64, is_far: bool| {
            let (start, canvas) = match self.fit {
                Fit::Pad => {
                    (((u64::from(side) - length) as f64 / 2.0).round_ties_even(), side.into())
                }
                Fit::Crop | Fit::Stretch => (0.0, length),
            };
            let square = match (part, is_far) {
                (Part::Plain, _) => self.margin(canvas),
                (_, true) => (canvas - u64::from(self.crop)) as f64,
                (_, false) => 0.0,
            };
            Side { start, length, square }
        };
        let (is_right, is_bottom) = match part {
            Part::Plain => (false, false),
            Part::Corner { is_right, is_bottom } => (is_right, is_bottom),
        };
        let (left, columns, x) = self.cut(width, on_canvas(resized_width, is_right));
        let (top, rows, y) = self.cut(height, on_canvas(resized_height, is_bottom));
        let scale_x = f64::from(width) / resized_width as f64;
        let scale_y = f64::from(height) / resized_height as f64;
        // If the square spans the whole side, rounding may put its far edge outside the photo.
        let area = Area {
            left,
            top,
            width: (f64::from(columns) * scale_x).min(f64::from(width) - left),
            height: (f64::from(rows) * scale_y).min(f64::from(height) - top),
            scale_y,
        };
        Placement { area, size: (columns, rows), offset: (x, y) }
    }

    /// Cuts the square out along one side. Returns where the part begins in the photo, its length
    /// in the square, and where it begins there.
    fn cut(&self, photo: u32, Side { start, length, square }: Side) -> (f64, u32, u32) {
        let first = start.max(square);
        let end = (start + length as f64).min(square + f64::from(self.crop));
        let scale = f64::from(photo) / length as f64;
        ((first - start) * scale, (end - first) as u32, (first - square) as u32)
    }

    /// Width and height after resizing the short side to `resize`; the long side is truncated to
    /// whole pixels (torchvision's `_compute_resized_output_size`).
    fn resized(&self, width: u32, height: u32) -> (u64, u64) {
        let long =
            |long: u32, short: u32| u64::from(self.resize) * u64::from(long) / u64::from(short);
        match width <= height {
            true => (u64::from(self.resize), long(height, width)),
            false => (long(width, height), u64::from(self.resize)),
        }
    }

    /// Pixels left of (or above) the centre: torchvision's `int(round((side - crop) / 2.0))`, with
    /// Python's rounding of halves to even.
    fn margin(&self, side: u64) -> f64 {
        ((side as f64 - f64::from(self.crop)) / 2.0).round_ties_even()
    }
}

/// Width and height after resizing the long side to `side`; the short side is rounded, but never to
/// nothing (PIL's `ImageOps.contain`).
fn contained(width: u32, height: u32, side: u32) -> (u64, u64) {
    let short = |short: u32, long: u32| {
        let length = f64::from(short) / f64::from(long) * f64::from(side);
        (length.round_ties_even() as u64).max(1)
    };
    match width >= height {
        true => (side.into(), short(height, width)),
        false => (short(width, height), side.into()),
    }
}
