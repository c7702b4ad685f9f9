//! Preprocesses a photo for a backbone: resize the short side, crop the centre, normalise.

use std::cell::RefCell;
use std::fmt;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use serde::{Deserialize, Serialize};

/// How photos are preprocessed for a backbone, as torchvision's `Resize(resize)`,
/// `CenterCrop(crop)`, `ToTensor()` and `Normalize(mean, std)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Length of the short side after resizing, in pixels.
    pub resize: u32,
    /// Interpolation filter of the resizing. Absent in older runs, which used the default.
    #[serde(default)]
    pub filter: Filter,
    /// Side of the square cut from the centre, in pixels.
    pub crop: u32,
    /// Mean of each channel (red, green, blue) on a scale of 0 to 1.
    pub mean: [f32; 3],
    /// Standard deviation of each channel (red, green, blue) on a scale of 0 to 1.
    pub std: [f32; 3],
}

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

impl Filter {
    fn kernel(self) -> FilterType {
        match self {
            Self::Bilinear => FilterType::Bilinear,
            Self::Bicubic => FilterType::CatmullRom,
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
        })
    }
}

/// The preprocessing is invalid.
#[derive(Debug, thiserror::Error)]
#[error(
    "its preprocessing is invalid (resize {}, crop {}, mean {:?}, std {:?}): the crop must be 1 to \
     {MAX_CROP} pixels, the resized side at least the crop and at most {MAX_RESIZE}, the means within \
     {MAX_LEVEL}, and the deviations 1e-6 to {MAX_LEVEL}",
    .0.resize, .0.crop, .0.mean, .0.std
)]
pub struct PreprocessingError(Preprocessing);

/// Largest crop in pixels. Published classifiers use up to 600, and a network's memory grows with
/// the square.
const MAX_CROP: u32 = 1024;
/// Largest resized side in pixels.
const MAX_RESIZE: u32 = 8192;
/// Largest mean and deviation, and the smallest deviation. Channels are on a scale of 0 to 1; beyond
/// this, normalised values overflow in the network.
const MAX_LEVEL: f32 = 1000.0;
const MIN_STD: f32 = 1e-6;

thread_local! {
    /// One resizer per thread, because it reuses the buffer of its intermediate rows.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

impl Preprocessing {
    /// torchvision's preset for its ImageNet classifiers (`ImageClassification(crop_size=224)`).
    pub const IMAGENET: Self = Self {
        resize: 256,
        filter: Filter::Bilinear,
        crop: 224,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };

    /// Checks that the preprocessing is valid, for instance after reading it from a file.
    ///
    /// # Errors
    /// If a size, a mean or a standard deviation is out of range or NaN.
    pub fn check(self) -> Result<Self, PreprocessingError> {
        let sizes =
            (1..=MAX_CROP).contains(&self.crop) && (self.crop..=MAX_RESIZE).contains(&self.resize);
        // NaN is in no range.
        let numbers = self.std.iter().all(|std| (MIN_STD..=MAX_LEVEL).contains(std))
            && self.mean.iter().all(|mean| (-MAX_LEVEL..=MAX_LEVEL).contains(mean));
        if sizes && numbers { Ok(self) } else { Err(PreprocessingError(self)) }
    }

    /// Number of values in one preprocessed photo: `3 * crop * crop`.
    pub fn values(&self) -> usize {
        3 * (self.crop as usize).pow(2)
    }

    /// Resizes and crops a photo to RGB bytes.
    ///
    /// Only the pixels inside the crop are computed, so a panorama of any length takes no more
    /// memory than a square photo. The result is the same as resizing the whole photo and then
    /// cropping it.
    ///
    /// # Shapes
    /// - output: `[crop, crop, 3]`, rows from top to bottom
    ///
    /// # Panics
    /// If the photo has no pixels, which the decoder rejects.
    pub fn crop(&self, photo: &RgbImage) -> Vec<u8> {
        let (width, height) = photo.dimensions();
        let (resized_width, resized_height) = self.resized(width, height);
        let (scale_x, scale_y) =
            (f64::from(width) / resized_width as f64, f64::from(height) / resized_height as f64);
        let (left, top) =
            (self.margin(resized_width) * scale_x, self.margin(resized_height) * scale_y);
        let side = f64::from(self.crop);
        // If the crop spans the whole side, rounding may put its far edge outside the photo.
        let (crop_width, crop_height) = (
            (side * scale_x).min(f64::from(width) - left),
            (side * scale_y).min(f64::from(height) - top),
        );
        let source = (photo.as_raw().as_slice(), (width, height));
        let kernel = self.filter.kernel();
        match self.filter {
            // The weights lie between 0 and 1, so no value leaves the range of a byte, and the
            // order of the two passes does not matter.
            Filter::Bilinear => {
                let area = (left, top, crop_width, crop_height);
                convolve(source, kernel, area, (self.crop, self.crop))
            }
            // A cubic filter overshoots, and clamping to 0..=255 after each pass makes the order
            // matter. PIL resizes horizontally first, then vertically. Only the rows that the
            // vertical pass reads are computed.
            Filter::Bicubic => {
                let reach = 2.0 * scale_y.max(1.0) + 1.0;
                let first = (top - reach).floor().max(0.0);
                let end = (top + crop_height + reach).ceil().min(f64::from(height));
                let area = (left, first, crop_width, end - first);
                let size = (self.crop, (end - first) as u32);
                let rows = convolve(source, kernel, area, size);
                let area = (0.0, top - first, side, crop_height);
                convolve((&rows, size), kernel, area, (self.crop, self.crop))
            }
        }
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

    /// Pixels left of (or above) the crop: torchvision's `int(round((side - crop) / 2.0))`, with
    /// Python's rounding of halves to even.
    fn margin(&self, side: u64) -> f64 {
        ((side as f64 - f64::from(self.crop)) / 2.0).round_ties_even()
    }

    /// Normalises RGB bytes, `[crop, crop, 3]`, to planes, `[3, crop, crop]`.
    pub fn normalise(&self, pixels: &[u8]) -> Vec<f32> {
        let mut planes = Vec::with_capacity(pixels.len());
        for (channel, table) in self.normalised().iter().enumerate() {
            let values = pixels.iter().skip(channel).step_by(3);
            planes.extend(values.map(|value| table[usize::from(*value)]));
        }
        planes
    }

    /// Lookup table of the normalised value of each byte for each channel. It takes 256 divisions
    /// per channel instead of one per pixel.
    pub fn normalised(&self) -> [[f32; 256]; 3] {
        std::array::from_fn(|channel| {
            std::array::from_fn(|value| {
                (value as f32 / 255.0 - self.mean[channel]) / self.std[channel]
            })
        })
    }
}

/// Resizes the `area` (left, top, width, height) of RGB `pixels` to `size` (width, height).
///
/// The pixel type is fixed at compile time: if it were chosen at run time, the resizer would be
/// compiled for fifteen pixel types.
fn convolve(
    (pixels, (source_width, source_height)): (&[u8], (u32, u32)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panorama_of_any_length_is_cropped_without_resizing_all_of_it() {
        for (width, height) in [(1, 20_000), (20_000, 1), (1, 1), (3, 2)] {
            let photo = RgbImage::from_pixel(width, height, image::Rgb([9, 99, 199]));
            for filter in [Filter::Bilinear, Filter::Bicubic] {
                let crop = Preprocessing { filter, ..Preprocessing::IMAGENET }.crop(&photo);
                assert_eq!(crop.len(), Preprocessing::IMAGENET.values());
                assert!(crop.chunks(3).all(|pixel| pixel == [9, 99, 199]), "{width}x{height}");
            }
        }
    }

    #[test]
    fn a_crop_of_the_whole_side_stays_inside_every_photo() {
        for side in (1..6000).step_by(7).chain([225]) {
            for (width, height) in [(side, 224), (225, side)] {
                let photo = RgbImage::new(width, height);
                for filter in [Filter::Bilinear, Filter::Bicubic] {
                    let preprocessing =
                        Preprocessing { resize: 224, filter, ..Preprocessing::IMAGENET };
                    assert_eq!(preprocessing.crop(&photo).len(), preprocessing.values());
                }
            }
        }
    }

    #[test]
    fn normalising_puts_each_channel_in_its_own_plane() {
        let preprocessing = Preprocessing {
            resize: 2,
            crop: 2,
            mean: [0.0, 0.5, 1.0],
            std: [1.0, 0.5, 0.25],
            ..Preprocessing::IMAGENET
        };
        let planes = preprocessing.normalise(&[0, 0, 0, 255, 255, 255, 0, 255, 0, 255, 0, 255]);
        assert_eq!(planes, [0.0, 1.0, 0.0, 1.0, -1.0, 1.0, 1.0, -1.0, -4.0, 0.0, -4.0, 0.0]);
    }

    #[test]
    fn invalid_preprocessing_is_rejected() {
        let good = Preprocessing::IMAGENET;
        assert!(good.check().is_ok());
        for bad in [
            Preprocessing { crop: 0, ..good },
            Preprocessing { crop: 300, ..good },
            Preprocessing { resize: 1 << 20, ..good },
            Preprocessing { resize: 4096, crop: 4096, ..good },
            Preprocessing { std: [0.2, 0.0, 0.2], ..good },
            Preprocessing { std: [0.2, 1e-30, 0.2], ..good },
            Preprocessing { std: [f32::INFINITY, 0.2, 0.2], ..good },
            Preprocessing { mean: [0.0, -1e30, 0.0], ..good },
            Preprocessing { mean: [f32::NAN, 0.0, 0.0], ..good },
        ] {
            let message = bad.check().unwrap_err().to_string();
            assert!(message.len() < 300, "{message}");
        }
    }
}
