//! Resizing and cropping give torchvision's pixels.

use image::{Rgb, RgbImage};
use kindling::photos::Recipe;

use crate::reference::fixture;

/// The photo that `pattern` in tests/fixtures/make.py draws too: gradients and sharp edges.
fn pattern(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let red = (x * 3 + y * 5 + x * y / 7) % 256;
        let green = (x * x / 5 + y * 2) % 256;
        let blue = if (x / 9 + y / 11) % 2 == 0 { 230 } else { 20 };
        Rgb([red as u8, green as u8, blue])
    })
}

#[test]
fn preprocessed_photos_are_within_one_of_torchvisions_pixels() {
    for (width, height) in [(150, 113), (500, 375), (375, 500), (224, 301), (257, 256), (1031, 777)]
    {
        let expected =
            image::open(fixture(&format!("torchvision_{width}x{height}.png"))).unwrap().into_rgb8();
        let actual = Recipe::IMAGENET.crop(&pattern(width, height));
        let worst = actual
            .iter()
            .zip(expected.as_raw())
            .map(|(actual, expected)| actual.abs_diff(*expected))
            .max();
        assert!(worst <= Some(1), "{width}x{height}: off by {worst:?}");
    }
}
