//! Preprocesses a photo for a backbone: fits it into a square, and normalises it.

mod filter;
mod fit;
mod placement;
mod view;

use image::RgbImage;
use serde::{Deserialize, Serialize};

pub use filter::Filter;
pub use fit::{Fit, UnknownFit};
use placement::Placement;
use view::Part;
pub use view::View;

/// How photos are preprocessed for a backbone: [fitted](Fit) into a square, then torchvision's
/// `ToTensor()` and `Normalize(mean, std)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Length of the short side after resizing, in pixels. For [`Fit::Pad`] and [`Fit::Stretch`]
    /// it equals `crop`.
    pub resize: u32,
    /// Interpolation filter of the resizing. Absent in older runs, which used the default.
    #[serde(default)]
    pub filter: Filter,
    /// Side of the square, in pixels.
    pub crop: u32,
    /// Mean of each channel (red, green, blue) on a scale of 0 to 1.
    pub mean: [f32; 3],
    /// Standard deviation of each channel (red, green, blue) on a scale of 0 to 1.
    pub std: [f32; 3],
    /// How a photo is fitted into the square. Absent in files where it is [`Fit::Crop`].
    #[serde(default, skip_serializing_if = "Fit::is_crop")]
    pub fit: Fit,
}

/// The preprocessing is invalid.
#[derive(Debug, thiserror::Error)]
#[error(
    "its preprocessing is invalid ({}, resize {}, crop {}, mean {:?}, std {:?}): the crop must be 1 \
     to {MAX_CROP} pixels, the resized side {} {MAX_RESIZE}, the means within {MAX_LEVEL}, and the \
     deviations 1e-6 to {MAX_LEVEL}",
    .0.fit, .0.resize, .0.crop, .0.mean, .0.std,
    if .0.fit.is_crop() { "at least the crop and at most" } else { "equal to it and at most" }
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

impl Preprocessing {
    /// torchvision's preset for its ImageNet classifiers (`ImageClassification(crop_size=224)`).
    pub const IMAGENET: Self = Self {
        resize: 256,
        filter: Filter::Bilinear,
        crop: 224,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        fit: Fit::Crop,
    };

    /// Checks that the preprocessing is valid, for instance after reading it from a file.
    ///
    /// # Errors
    /// If a size, a mean or a standard deviation is out of range or NaN.
    pub fn check(self) -> Result<Self, PreprocessingError> {
        let sizes =
            (1..=MAX_CROP).contains(&self.crop) && (self.crop..=MAX_RESIZE).contains(&self.resize);
        let sizes = sizes && (self.fit == Fit::Crop || self.resize == self.crop);
        // NaN is in no range.
        let numbers = self.std.iter().all(|std| (MIN_STD..=MAX_LEVEL).contains(std))
            && self.mean.iter().all(|mean| (-MAX_LEVEL..=MAX_LEVEL).contains(mean));
        if sizes && numbers { Ok(self) } else { Err(PreprocessingError(self)) }
    }

    /// Number of values in one preprocessed photo: `3 * crop * crop`.
    pub fn values(&self) -> usize {
        3 * (self.crop as usize).pow(2)
    }

    /// The same with photos fitted into a square of `side` pixels, by default its own, in the way
    /// of `fit`. [`Fit::Crop`] keeps the ratio of the resized side to the square.
    #[must_use]
    pub fn fitted(self, fit: Fit, side: Option<u32>) -> Self {
        let crop = side.unwrap_or(self.crop);
        let resize = match fit {
            Fit::Crop => {
                let [resize, crop, own] = [self.resize, crop, self.crop].map(u64::from);
                // The ratio is at least 1, so the result is at least the crop.
                u32::try_from((crop * resize + own / 2) / own.max(1)).unwrap_or(u32::MAX)
            }
            Fit::Pad | Fit::Stretch => crop,
        };
        Self { resize, crop, fit, ..self }
    }

    /// The colour around padded photos: the mean colour, which the network sees as zeros.
    pub fn background(&self) -> [u8; 3] {
        // A number as a byte is limited to 0..=255.
        self.mean.map(|level| (255.0 * level).round() as u8)
    }

    /// Whether a photo of this width and height is enlarged for the network.
    pub fn enlarges(&self, (width, height): (u32, u32)) -> bool {
        match self.fit {
            Fit::Crop => width.min(height) < self.resize,
            Fit::Pad => width.max(height) < self.crop,
            Fit::Stretch => width.min(height) < self.crop,
        }
    }

    /// Fits a photo into the square, as RGB bytes: its plain view.
    ///
    /// Only the pixels inside the square are computed, so a panorama of any length takes little
    /// memory. The result is the same as resizing the whole photo and then cutting the square out.
    ///
    /// # Shapes
    /// - output: `[crop, crop, 3]`, rows from top to bottom
    ///
    /// # Panics
    /// If the photo has no pixels, which the decoder rejects.
    pub fn crop(&self, photo: &RgbImage) -> Vec<u8> {
        self.square(photo, View::PLAIN.part)
    }

    /// Some views of a photo, in this order, each as [`crop`](Self::crop) returns the plain one.
    ///
    /// # Panics
    /// If the photo has no pixels, which the decoder rejects.
    pub fn views(&self, photo: &RgbImage, views: &[View]) -> Vec<Vec<u8>> {
        let mut squares: Vec<Vec<u8>> = Vec::with_capacity(views.len());
        for view in views {
            // Mirroring is cheaper than resizing again.
            let opposite = views[..squares.len()].iter().position(|one| *one == view.mirrored());
            let side = self.crop as usize;
            squares.push(match opposite {
                Some(at) => view::mirror(&squares[at], side),
                None if view.is_mirrored => view::mirror(&self.square(photo, view.part), side),
                None => self.square(photo, view.part),
            });
        }
        squares
    }

    /// The square that shows a part of a photo.
    fn square(&self, photo: &RgbImage, part: Part) -> Vec<u8> {
        let Placement { area, size, offset } = self.placement(photo.dimensions(), part);
        let pixels = self.filter.resize(photo, area, size);
        if size == (self.crop, self.crop) {
            return pixels;
        }
        let mut square = self.background().repeat(self.values() / 3);
        let row = 3 * size.0 as usize;
        let lines = square.chunks_mut(3 * self.crop as usize).skip(offset.1 as usize);
        for (line, pixels) in lines.zip(pixels.chunks(row)) {
            line[3 * offset.0 as usize..][..row].copy_from_slice(pixels);
        }
        square
    }

    /// How a photo becomes the square, as part of a sentence: `short side 256 (bilinear), centre
    /// 224 x 224`.
    pub fn geometry(&self) -> String {
        let Self { resize, filter, crop, fit, .. } = self;
        match fit {
            Fit::Crop => format!("short side {resize} ({filter}), centre {crop} x {crop}"),
            Fit::Pad => format!(
                "long side {crop} ({filter}), centred on {crop} x {crop} of the colour {:?}",
                self.background()
            ),
            Fit::Stretch => format!("stretched to {crop} x {crop} ({filter})"),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn every_filter_and_fit() -> impl Iterator<Item = (Filter, Fit)> {
        let filters = [Filter::Bilinear, Filter::Bicubic];
        filters.into_iter().flat_map(|filter| Fit::ALL.map(|fit| (filter, fit)))
    }

    #[test]
    fn a_panorama_of_any_length_is_cropped_without_resizing_all_of_it() {
        for (width, height) in [(1, 20_000), (20_000, 1), (1, 1), (3, 2)] {
            let photo = RgbImage::from_pixel(width, height, image::Rgb([9, 99, 199]));
            for (filter, fit) in every_filter_and_fit() {
                let preprocessing =
                    Preprocessing { filter, ..Preprocessing::IMAGENET }.fitted(fit, None);
                for square in preprocessing.views(&photo, &View::ALL) {
                    assert_eq!(square.len(), preprocessing.values());
                    let is_photo = |pixel: &[u8]| pixel == [9, 99, 199];
                    let is_background = |pixel: &[u8]| pixel == preprocessing.background();
                    let all = square
                        .chunks(3)
                        .all(|pixel| is_photo(pixel) || fit == Fit::Pad && is_background(pixel));
                    assert!(all && square.chunks(3).any(is_photo), "{width}x{height} {fit}");
                }
            }
        }
    }

    #[test]
    fn stretching_a_thin_photo_takes_little_memory_in_either_direction() {
        for (width, height) in [(1, 400_000), (400_000, 1)] {
            let photo = RgbImage::from_pixel(width, height, image::Rgb([9, 99, 199]));
            for filter in [Filter::Bilinear, Filter::Bicubic] {
                let stretched = Preprocessing { filter, ..Preprocessing::IMAGENET }
                    .fitted(Fit::Stretch, None)
                    .crop(&photo);
                let worst = stretched
                    .chunks(3)
                    .flat_map(|pixel| pixel.iter().zip([9_u8, 99, 199]))
                    .map(|(one, other)| one.abs_diff(other))
                    .max();
                assert!(worst <= Some(1), "{width}x{height} {filter}: {worst:?}");
            }
        }
    }

    #[test]
    fn a_crop_of_the_whole_side_stays_inside_every_photo() {
        for side in (1..6000).step_by(7).chain([225]) {
            for (width, height) in [(side, 224), (225, side)] {
                let photo = RgbImage::new(width, height);
                for (filter, fit) in every_filter_and_fit() {
                    let preprocessing =
                        Preprocessing { resize: 224, filter, fit, ..Preprocessing::IMAGENET };
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
            Preprocessing { fit: Fit::Pad, ..good },
            Preprocessing { fit: Fit::Stretch, ..good },
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

    #[test]
    fn the_usual_preprocessing_is_written_as_before_there_were_others() {
        let json = serde_json::to_string(&Preprocessing::IMAGENET).unwrap();
        let numbers = r#""mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]"#;
        let expected = format!(r#"{{"resize":256,"filter":"bilinear","crop":224,{numbers}}}"#);
        assert_eq!(json, expected);
        let read: Preprocessing = serde_json::from_str(&expected).unwrap();
        assert_eq!(read, Preprocessing::IMAGENET);
        let padded = Preprocessing::IMAGENET.fitted(Fit::Pad, Some(288));
        let json = serde_json::to_string(&padded).unwrap();
        assert!(json.ends_with(r#","fit":"pad"}"#), "{json}");
        assert_eq!(serde_json::from_str::<Preprocessing>(&json).unwrap(), padded);
        assert!(serde_json::from_str::<Preprocessing>(&json.replace("pad", "squash")).is_err());
    }

    #[test]
    fn another_size_keeps_the_ratio_of_resize_and_crop() {
        let sizes = |fit, side| {
            let fitted = Preprocessing::IMAGENET.fitted(fit, side).check().unwrap();
            (fitted.resize, fitted.crop)
        };
        assert_eq!(sizes(Fit::Crop, None), (256, 224));
        assert_eq!(sizes(Fit::Crop, Some(288)), (329, 288));
        assert_eq!(sizes(Fit::Crop, Some(1)), (1, 1));
        assert_eq!(sizes(Fit::Crop, Some(1024)), (1170, 1024));
        assert_eq!(sizes(Fit::Pad, Some(320)), (320, 320));
        assert_eq!(sizes(Fit::Stretch, None), (224, 224));
    }
}
