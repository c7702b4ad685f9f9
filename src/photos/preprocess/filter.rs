//! Resizing with PIL's filters.

use std::cell::RefCell;
use std::fmt;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use serde::{Deserialize, Serialize};

/// Interpolation filter for resizing. When shrinking, the filter is widened by the scale
/// (antialiasing), as PIL does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Triangle filter: PIL's `BILINEAR`.
    #[default]
    Bilinear,
    /// Keys' cubic filter with a = -1/2 (Catmull-Rom): PIL's `BICUBIC`.
    Bicubic,
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
        })
    }
}

/// A part of a photo, in pixels of the photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    /// Pixels of the photo for each pixel of the resized one, vertically.
    pub scale_y: f64,
}

/// RGB pixels with their width and height.
type Pixels<'a> = (&'a [u8], (u32, u32));

/// The largest number of pixels between the two passes for which their order is the usual one. A
/// panorama that is stretched to a square can take far more than itself in one of the two orders.
const MAX_BETWEEN: f64 = (1_u32 << 24) as f64;

thread_local! {
    /// One resizer per thread, because it reuses the buffer of its intermediate rows.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

impl Filter {
    fn kernel(self) -> FilterType {
        match self {
            Self::Bilinear => FilterType::Bilinear,
            Self::Bicubic => FilterType::CatmullRom,
        }
    }

    /// Resizes the `area` of a photo to `size` (width, height), in RGB. The result is that of
    /// resizing the whole photo and cutting the area out.
    pub(super) fn resize(self, photo: &RgbImage, area: Area, size: (u32, u32)) -> Vec<u8> {
        let source = (photo.as_raw().as_slice(), photo.dimensions());
        let across = f64::from(size.0) * area.height;
        let down = area.width * f64::from(size.1);
        match self {
            // The weights lie between 0 and 1, so no value leaves the range of a byte, and the
            // order of the two passes does not matter. The resizer's own is columns, then rows.
            Self::Bilinear if down <= MAX_BETWEEN.max(across) => {
                let Area { left, top, width, height, .. } = area;
                convolve(source, self.kernel(), (left, top, width, height), size)
            }
            // A cubic filter overshoots, and clamping to 0..=255 after each pass makes the order
            // matter. PIL resizes horizontally first, then vertically.
            Self::Bicubic if across > MAX_BETWEEN.max(down) => self.vertically(source, area, size),
            Self::Bilinear | Self::Bicubic => self.horizontally(source, area, size),
        }
    }

    /// Resizes horizontally, then vertically. Only the rows that the vertical pass reads are
    /// computed.
    fn horizontally(self, source: Pixels, area: Area, size: (u32, u32)) -> Vec<u8> {
        let Area { left, top, width, height, scale_y } = area;
        let reach = 2.0 * scale_y.max(1.0) + 1.0;
        let first = (top - reach).floor().max(0.0);
        let end = (top + height + reach).ceil().min(f64::from(source.1.1));
        let between = (size.0, (end - first) as u32);
        let rows = convolve(source, self.kernel(), (left, first, width, end - first), between);
        let area = (0.0, top - first, f64::from(size.0), height);
        convolve((&rows, between), self.kernel(), area, size)
    }

    /// Resizes vertically, then horizontally.
    fn vertically(self, source: Pixels, area: Area, size: (u32, u32)) -> Vec<u8> {
        let whole = source.1.0;
        let between = (whole, size.1);
        let columns = (0.0, area.top, f64::from(whole), area.height);
        let columns = convolve(source, self.kernel(), columns, between);
        let area = (area.left, 0.0, area.width, f64::from(size.1));
        convolve((&columns, between), self.kernel(), area, size)
    }
}

/// Resizes the area (left, top, width, height) of RGB `pixels` to `size` (width, height).
///
/// The pixel type is fixed at compile time: if it were chosen at run time, the resizer would be
/// compiled for fifteen pixel types.
fn convolve(
    (pixels, (source_width, source_height)): Pixels,
    kernel: FilterType,
    (left, top, width, height): (f64, f64, f64, f64),
    size: (u32, u32),
) -> Vec<u8> {
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(kernel))
        .crop(left, top, width, height);
    let source = TypedImageRef::<U8x3>::from_buffer(source_width, source_height, pixels)
        .expect("three bytes a pixel");
    let mut bytes = vec![0; 3 * size.0 as usize * size.1 as usize];
    let mut resized =
        TypedImage::<U8x3>::from_buffer(size.0, size.1, &mut bytes).expect("three bytes a pixel");
    RESIZER
        .with_borrow_mut(|resizer| resizer.resize_typed(&source, &mut resized, &options))
        .expect("the area lies inside the photo");
    bytes
}
