//! Resizing and cropping agree with torchvision.

use image::{Rgb, RgbImage};
use kindling::photos::{Filter, Preprocessing};

use crate::reference::fixture;

/// The same photo as `pattern` in tests/fixtures/make.py: gradients and sharp edges.
fn pattern(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let red = (x * 3 + y * 5 + x * y / 7) % 256;
        let green = (x * x / 5 + y * 2) % 256;
        let blue = if (x / 9 + y / 11) % 2 == 0 { 230 } else { 20 };
        Rgb([red as u8, green as u8, blue])
    })
}

/// Resizes patterns of these sizes with `filter` and compares with torchvision's pixels.
#[track_caller]
fn assert_torchvisions(filter: Filter, prefix: &str, tolerance: u8, sizes: &[(u32, u32)]) {
    let preprocessing = Preprocessing { filter, ..Preprocessing::IMAGENET };
    for (width, height) in sizes {
        let expected = fixture(&format!("{prefix}_{width}x{height}.png"));
        let expected = image::open(expected).unwrap().into_rgb8();
        let actual = preprocessing.crop(&pattern(*width, *height));
        let mut counts = [0; 256];
        for (actual, expected) in actual.iter().zip(expected.as_raw()) {
            counts[usize::from(actual.abs_diff(*expected))] += 1;
        }
        let worst = counts.iter().rposition(|count| *count > 0).unwrap();
        println!("{width}x{height}: {:?} values are off by 0, 1, ...", &counts[..=worst]);
        assert!(worst <= usize::from(tolerance), "{width}x{height}: off by {worst}");
    }
}

#[test]
fn bilinear_photos_are_within_one_of_torchvisions_pixels() {
    let sizes = [(150, 113), (500, 375), (375, 500), (224, 301), (257, 256), (1031, 777)];
    assert_torchvisions(Filter::Bilinear, "torchvision", 1, &sizes);
}

/// Rows and then columns are resized, each rounded to a byte. With weights of up to 1.1, an error
/// of 1 in the first pass can grow to 2 in the second. It does for a few values in 150,000.
#[test]
fn bicubic_photos_are_within_two_of_torchvisions_pixels() {
    let sizes = [(150, 113), (375, 500), (1031, 777)];
    assert_torchvisions(Filter::Bicubic, "torchvision_bicubic", 2, &sizes);
}
