//! Thumbnails of photos and pictures of activation maps, embedded in the page as `data:` URLs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::{FilterType, resize};
use image::{ExtendedColorType, ImageBuffer, ImageEncoder, Luma, RgbImage};

use super::ActivationMap;
use crate::photos::{Filter, Fit, Photo, Preprocessing, for_each_photo};
use crate::printable::{PathText, printable};

/// Side length of a thumbnail, in pixels.
pub const SIDE: u32 = 160;
/// JPEG quality of a thumbnail, from 1 to 100; one takes about 5 KB.
const QUALITY: u8 = 75;
/// Maximum size of all thumbnails on the page, in bytes as embedded. Further cards have no picture.
const MAX_BYTES: usize = 10 << 20;

/// Thumbnails as `data:` URLs, by photo index.
#[derive(Debug, Default)]
pub struct Thumbnails {
    by_photo: HashMap<usize, String>,
    /// Whether some were left out because of the size limit.
    pub is_full: bool,
}

impl Thumbnails {
    /// Makes thumbnails of the photos in `wanted` until the size limit of the page is reached.
    /// `wanted` has the most important photos first, and repeats a photo as often as the page shows
    /// it. Each thumbnail shows what the network sees: the square of `preprocessing`.
    pub fn of(
        wanted: &[usize],
        path: impl Fn(usize) -> PathBuf,
        preprocessing: &Preprocessing,
    ) -> Self {
        let mut times: HashMap<usize, usize> = HashMap::new();
        let mut order = Vec::new();
        for photo in wanted {
            let times = times.entry(*photo).or_default();
            if *times == 0 {
                order.push(*photo);
            }
            *times += 1;
        }
        let paths: Vec<_> = order.iter().map(|photo| path(*photo)).collect();
        let mut thumbnails = Self::default();
        let mut bytes = 0;
        let encode = |photo: Photo| thumbnail(&photo, preprocessing);
        let ended = for_each_photo(&paths, 64, encode, |index, thumbnail| {
            let photo = order[index];
            // The file was deleted or changed after the evaluation: no picture.
            let Ok(thumbnail) = thumbnail else { return Ok(()) };
            bytes += thumbnail.len() * times[&photo];
            match bytes > MAX_BYTES {
                true => Err(()),
                false => {
                    thumbnails.by_photo.insert(photo, thumbnail);
                    Ok(())
                }
            }
        });
        thumbnails.is_full = ended.is_err();
        thumbnails
    }

    /// The thumbnail of a photo, if there is one.
    pub fn get(&self, photo: usize) -> Option<&str> {
        self.by_photo.get(&photo).map(String::as_str)
    }
}

fn thumbnail(photo: &RgbImage, preprocessing: &Preprocessing) -> String {
    let crop =
        RgbImage::from_raw(preprocessing.crop, preprocessing.crop, preprocessing.crop(photo))
            .expect("the square has three bytes per pixel");
    let shrinking = Preprocessing { filter: Filter::Bilinear, ..*preprocessing };
    let small = shrinking.fitted(Fit::Stretch, Some(SIDE)).crop(&crop);
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode(&small, SIDE, SIDE, ExtendedColorType::Rgb8)
        .expect("a small picture can be encoded into memory");
    data_url("image/jpeg", &jpeg)
}

/// Side length of an activation map's picture, in pixels: larger than the map, for smooth
/// transitions.
const MAP_SIDE: u32 = 56;
/// Opacity of the strongest evidence, from 0 to 255. The photo stays visible below it.
const OPACITY: f32 = 190.0;

/// The colour scale of the evidence, from little to much: viridis, whose luminance rises all the
/// way and which colour-blind readers can read (<https://bids.github.io/colormap/>). The page shows
/// the photo below it in grey, so that no photo has the map's hues.
const VIRIDIS: [[f32; 3]; 5] = [
    [68.0, 1.0, 84.0],
    [59.0, 82.0, 139.0],
    [33.0, 145.0, 140.0],
    [94.0, 201.0, 98.0],
    [253.0, 231.0, 37.0],
];

/// The colour for a share of the strongest evidence, from 0 to 1.
fn colour(share: f32) -> [u8; 3] {
    let position = share * (VIRIDIS.len() - 1) as f32;
    let below = (position as usize).min(VIRIDIS.len() - 2);
    let weight = position - below as f32;
    std::array::from_fn(|channel| {
        let [low, high] = [below, below + 1].map(|at| VIRIDIS[at][channel]);
        (low + (high - low) * weight).round() as u8
    })
}

/// Renders the activation maps of one photo as overlays for its thumbnail: stronger evidence for
/// the class is lighter and more opaque. All `maps` share one scale.
pub fn overlays(maps: &[ActivationMap]) -> Vec<String> {
    let strongest = maps.iter().flat_map(|map| &map.values).copied().fold(0.0, f32::max);
    maps.iter()
        .map(|map| {
            // `resize` clamps to 0..1.
            let share = |value: &f32| if strongest > 0.0 { value / strongest } else { 0.0 };
            let evidence: ImageBuffer<Luma<f32>, _> = ImageBuffer::from_raw(
                map.width as u32,
                map.height as u32,
                map.values.iter().map(share).collect::<Vec<f32>>(),
            )
            .expect("a map has a value for each position");
            let smooth = resize(&evidence, MAP_SIDE, MAP_SIDE, FilterType::CatmullRom);
            let pixels: Vec<u8> = smooth
                .iter()
                .flat_map(|share| {
                    let share = share.clamp(0.0, 1.0);
                    let [red, green, blue] = colour(share);
                    [red, green, blue, (share * OPACITY).round() as u8]
                })
                .collect();
            let mut png = Vec::new();
            PngEncoder::new(&mut png)
                .write_image(&pixels, MAP_SIDE, MAP_SIDE, ExtendedColorType::Rgba8)
                .expect("a small picture can be encoded into memory");
            data_url("image/png", &png)
        })
        .collect()
}

fn data_url(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", BASE64_STANDARD.encode(bytes))
}

/// The absolute path.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A path as one line of text without control characters, safe to print on a terminal.
pub fn path_text(path: &Path) -> String {
    printable(&path.shown().to_string())
}

/// The `file:` URL of a file, percent-encoded.
pub fn file_url(path: &Path) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~')
        .remove(b':');
    let path = absolute(path);
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
    #[cfg(not(unix))]
    let bytes =
        format!("/{}", path.shown().to_string().trim_start_matches(r"\\?\").replace('\\', "/"))
            .into_bytes();
    format!("file://{}", percent_encode(&bytes, ENCODED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_files_address_is_the_file_whatever_it_is_called() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        for (name, address) in [
            (&b"/a/cat 1.jpg"[..], "file:///a/cat%201.jpg"),
            (
                b"/a/\"><img onerror=x>#?%.jpg",
                "file:///a/%22%3E%3Cimg%20onerror%3Dx%3E%23%3F%25.jpg",
            ),
            ("/ä/猫.jpg".as_bytes(), "file:///%C3%A4/%E7%8C%AB.jpg"),
            (b"/\xff\n.jpg", "file:///%FF%0A.jpg"),
        ] {
            assert_eq!(file_url(Path::new(OsStr::from_bytes(name))), address);
        }
    }

    #[test]
    fn thumbnails_end_where_the_page_would_grow_too_large() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("noise.png");
        RgbImage::from_fn(300, 300, |x, y| {
            let noise = x.wrapping_mul(2_654_435_761).wrapping_add(y.wrapping_mul(40_503_123));
            image::Rgb([(noise >> 9) as u8, (noise >> 13) as u8, (noise >> 17) as u8])
        })
        .save(&path)
        .unwrap();
        let wanted: Vec<usize> = (0..2000).collect();
        let thumbnails = Thumbnails::of(&wanted, |_| path.clone(), &Preprocessing::IMAGENET);
        let bytes: usize = thumbnails.by_photo.values().map(String::len).sum();
        assert!(thumbnails.is_full && bytes <= MAX_BYTES && bytes > MAX_BYTES - (64 << 10));
        assert!(thumbnails.get(0).is_some() && thumbnails.get(1999).is_none());
        // A photo that is shown repeatedly counts each time.
        let often = vec![7; 2000];
        assert!(
            Thumbnails::of(&often, |_| path.clone(), &Preprocessing::IMAGENET).get(7).is_none()
        );
    }

    #[test]
    fn evidence_is_shown_on_one_scale_and_evidence_against_not_at_all() {
        let map = |values: [f32; 2]| ActivationMap { height: 1, width: 2, values: values.to_vec() };
        let opacities = |url: &String| {
            let bytes = BASE64_STANDARD.decode(url.split_once(',').unwrap().1).unwrap();
            let picture = image::load_from_memory(&bytes).unwrap().into_rgba8();
            // The first and the last pixel of a row; those between them are interpolated.
            [0, MAP_SIDE - 1].map(|x| picture.get_pixel(x, MAP_SIDE / 2).0[3])
        };
        let urls = overlays(&[map([4.0, -2.0]), map([1.0, 2.0])]);
        assert_eq!(opacities(&urls[0]), [190, 0]);
        let [left, right] = opacities(&urls[1]);
        assert!(left.abs_diff(47) < 8 && right.abs_diff(95) < 8, "{left} {right}");
        assert_eq!(opacities(&overlays(&[map([-1.0, -2.0])])[0]), [0, 0]);
    }

    #[test]
    fn the_evidence_is_visible_on_every_grey_and_rises_in_luminance() {
        let luminance =
            |[red, green, blue]: [f32; 3]| 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        let scale: Vec<f32> =
            (0..=100).map(|at| luminance(colour(at as f32 / 100.0).map(f32::from))).collect();
        assert!(scale.windows(2).all(|pair| pair[0] <= pair[1]), "{scale:?}");
        assert_eq!((colour(0.0), colour(1.0)), ([68, 1, 84], [253, 231, 37]));
        for grey in 0..=255 {
            let grey = grey as f32;
            let opacity = OPACITY / 255.0;
            let covered =
                colour(1.0).map(|value| f32::from(value) * opacity + grey * (1.0 - opacity));
            let differs = covered.iter().map(|value| (value - grey).abs()).fold(0.0, f32::max);
            assert!(differs > 75.0, "{grey}: {covered:?}");
        }
    }
}
