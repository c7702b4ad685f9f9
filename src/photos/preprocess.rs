//! A photo made ready for a backbone: resize the short side, crop the centre, normalise.

use std::cell::RefCell;
use std::fmt;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use serde::{Deserialize, Serialize};

/// How a backbone wants its photos, in torchvision's words: `Resize(resize)`, `CenterCrop(crop)`,
/// `ToTensor()`, `Normalize(mean, std)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Length of the short side after resizing, in pixels.
    pub resize: u32,
    /// What resizing weighs pixels by. Runs of before it could be chosen have none written down.
    #[serde(default)]
    pub filter: Filter,
    /// Side of the square cut from the centre, in pixels.
    pub crop: u32,
    /// Mean of each channel (red, green, blue) on a scale of 0 to 1.
    pub mean: [f32; 3],
    /// Standard deviation of each channel, likewise.
    pub std: [f32; 3],
}

/// What a resized pixel is the weighted mean by; widened by the scale when shrinking (antialiased),
/// as PIL does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// A triangle: PIL's `BILINEAR`.
    #[default]
    Bilinear,
    /// Keys' cubic with a = -1/2 (Catmull-Rom): PIL's `BICUBIC`.
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

/// A recipe that cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error(
    "its preprocessing cannot be followed (resize {}, crop {}, mean {:?}, std {:?}): the crop must \
     be 1 to 4096 pixels and no more than the resized side, and the standard deviations positive",
    .0.resize, .0.crop, .0.mean, .0.std
)]
pub struct RecipeError(Recipe);

thread_local! {
    /// A resizer keeps its intermediate rows; one a thread saves allocating them for each photo.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

impl Recipe {
    /// torchvision's preset for its ImageNet classifiers (`ImageClassification(crop_size=224)`).
    pub const IMAGENET: Self = Self {
        resize: 256,
        filter: Filter::Bilinear,
        crop: 224,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };

    /// Whether the recipe can be followed: for one that was read from a file.
    ///
    /// # Errors
    /// Where a size is out of range or a deviation not positive.
    pub fn check(self) -> Result<Self, RecipeError> {
        let sizes =
            (1..=4096).contains(&self.crop) && self.crop <= self.resize && self.resize <= 8192;
        let numbers = self.std.iter().all(|std| *std > 0.0 && std.is_finite())
            && self.mean.iter().all(|mean| mean.is_finite());
        if sizes && numbers { Ok(self) } else { Err(RecipeError(self)) }
    }

    /// Values in one preprocessed photo: `3 * crop * crop`.
    pub fn values(&self) -> usize {
        3 * (self.crop as usize).pow(2)
    }

    /// Resizes and crops: `crop * crop` pixels, rows from the top, three bytes a pixel.
    ///
    /// Only what lies inside the crop is computed, so a panorama of any length takes no more
    /// memory than a square. The result is that of resizing the whole photo and cropping then.
    ///
    /// # Panics
    /// Where the photo has no pixels: a decoder gives none such.
    pub fn crop(&self, photo: &RgbImage) -> Vec<u8> {
        let (width, height) = photo.dimensions();
        let (resized_width, resized_height) = self.resized(width, height);
        let (scale_x, scale_y) =
            (f64::from(width) / resized_width as f64, f64::from(height) / resized_height as f64);
        let (left, top) =
            (self.margin(resized_width) * scale_x, self.margin(resized_height) * scale_y);
        let side = f64::from(self.crop);
        // Where the crop is the whole side, rounding may put its far edge beyond the photo's.
        let (crop_width, crop_height) = (
            (side * scale_x).min(f64::from(width) - left),
            (side * scale_y).min(f64::from(height) - top),
        );
        let source = (photo.as_raw().as_slice(), (width, height));
        let kernel = self.filter.kernel();
        match self.filter {
            // Weights between 0 and 1 never leave the range of a byte: the order does not matter.
            Filter::Bilinear => {
                let area = (left, top, crop_width, crop_height);
                convolve(source, kernel, area, (self.crop, self.crop))
            }
            // A cubic overshoots, and what is cut off at 0 and 255 depends on which way comes first: in
            // PIL the rows, then the columns. Only the rows that the second way reads are computed.
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

    /// Size after resizing the short side, the long side truncated (torchvision's
    /// `_compute_resized_output_size`).
    fn resized(&self, width: u32, height: u32) -> (u64, u64) {
        let long =
            |long: u32, short: u32| u64::from(self.resize) * u64::from(long) / u64::from(short);
        match width <= height {
            true => (u64::from(self.resize), long(height, width)),
            false => (long(width, height), u64::from(self.resize)),
        }
    }

    /// Pixels left of (or above) the crop: torchvision's `int(round((side - crop) / 2.0))`, and
    /// Python rounds halves to even.
    fn margin(&self, side: u64) -> f64 {
        ((side as f64 - f64::from(self.crop)) / 2.0).round_ties_even()
    }

    /// Normalises `crop * crop` pixels of three bytes into planes, `[3, crop, crop]`.
    pub fn normalise(&self, pixels: &[u8]) -> Vec<f32> {
        let mut planes = Vec::with_capacity(pixels.len());
        for (channel, table) in self.normalised().iter().enumerate() {
            let values = pixels.iter().skip(channel).step_by(3);
            planes.extend(values.map(|value| table[usize::from(*value)]));
        }
        planes
    }

    /// What each byte of each channel stands for: 256 divisions a channel instead of one a pixel.
    pub fn normalised(&self) -> [[f32; 256]; 3] {
        std::array::from_fn(|channel| {
            std::array::from_fn(|value| {
                (value as f32 / 255.0 - self.mean[channel]) / self.std[channel]
            })
        })
    }
}

/// The `area` (left, top, width, height) of `pixels`, resized to `size` (width, height); three bytes
/// a pixel.
///
/// The pixel's type is known when this is compiled: chosen at run time, it would have the resizer
/// compiled for fifteen of them.
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
                let crop = Recipe { filter, ..Recipe::IMAGENET }.crop(&photo);
                assert_eq!(crop.len(), Recipe::IMAGENET.values());
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
                    let recipe = Recipe { resize: 224, filter, ..Recipe::IMAGENET };
                    assert_eq!(recipe.crop(&photo).len(), recipe.values());
                }
            }
        }
    }

    #[test]
    fn normalising_puts_each_channel_in_its_own_plane() {
        let recipe = Recipe {
            resize: 2,
            crop: 2,
            mean: [0.0, 0.5, 1.0],
            std: [1.0, 0.5, 0.25],
            ..Recipe::IMAGENET
        };
        let planes = recipe.normalise(&[0, 0, 0, 255, 255, 255, 0, 255, 0, 255, 0, 255]);
        assert_eq!(planes, [0.0, 1.0, 0.0, 1.0, -1.0, 1.0, 1.0, -1.0, -4.0, 0.0, -4.0, 0.0]);
    }

    #[test]
    fn a_recipe_that_cannot_be_followed_is_refused() {
        let good = Recipe::IMAGENET;
        assert!(good.check().is_ok());
        for bad in [
            Recipe { crop: 0, ..good },
            Recipe { crop: 300, ..good },
            Recipe { resize: 1 << 20, ..good },
            Recipe { std: [0.2, 0.0, 0.2], ..good },
            Recipe { mean: [f32::NAN, 0.0, 0.0], ..good },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
