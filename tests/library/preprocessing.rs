//! Resizing, cropping, padding and stretching agree with torchvision and PIL.

use image::{Rgb, RgbImage};
use kindling::photos::{Filter, Fit, Preprocessing, View};

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

/// The views that PIL made (tests/fixtures/make_views.py): the plain one and the four corners.
#[track_caller]
fn assert_pils(filter: Filter, tolerance: u8) {
    const SIDE: u32 = 32;
    let views = [0, 2, 3, 4, 5].map(|index| View::ALL[index]);
    for fit in Fit::ALL {
        let preprocessing =
            Preprocessing { filter, ..Preprocessing::IMAGENET }.fitted(fit, Some(SIDE));
        for (width, height) in [(150, 113), (61, 200), (20, 15)] {
            let strip = fixture(&format!("views_{fit}_{filter}_{width}x{height}.png"));
            let strip = image::open(strip).unwrap().into_rgb8();
            let squares = preprocessing.views(&pattern(width, height), &views);
            assert_eq!(squares.concat().len(), strip.as_raw().len());
            for (at, square) in squares.iter().enumerate() {
                let expected = &strip.as_raw()[at * square.len()..];
                let off = square.iter().zip(expected).map(|(one, other)| one.abs_diff(*other));
                let worst = off.max().unwrap();
                println!("{fit}, {filter}, {width}x{height}, {}: {worst}", views[at]);
                assert!(worst <= tolerance, "{fit} {width}x{height} {}: off by {worst}", views[at]);
            }
        }
    }
}

#[test]
fn every_way_to_fit_a_photo_and_every_corner_is_within_one_of_pils_pixels() {
    assert_pils(Filter::Bilinear, 1);
}

/// As for a crop: an error of 1 in the first pass can grow to 2 in the second.
#[test]
fn bicubic_views_are_within_two_of_pils_pixels() {
    assert_pils(Filter::Bicubic, 2);
}

#[test]
fn mirrored_views_are_exact_mirror_images_in_the_documented_order() {
    let photo = pattern(75, 40);
    for fit in Fit::ALL {
        let preprocessing = Preprocessing::IMAGENET.fitted(fit, Some(32));
        let squares = preprocessing.views(&photo, &View::ALL);
        assert_eq!(squares[0], preprocessing.crop(&photo));
        for (one, mirrored) in [(0, 1), (2, 6), (3, 7), (4, 8), (5, 9)] {
            let square = RgbImage::from_raw(32, 32, squares[one].clone()).unwrap();
            let expected = image::imageops::flip_horizontal(&square);
            assert!(squares[mirrored] == expected.into_raw(), "{fit}: {mirrored}");
            // A view alone has the same pixels as among others.
            let alone = preprocessing.views(&photo, &[View::ALL[mirrored]]);
            assert!(alone[0] == squares[mirrored], "{fit}: {mirrored}");
        }
    }
    let names: Vec<String> = View::first(4).iter().map(ToString::to_string).collect();
    assert_eq!(names, ["plain", "plain, mirrored", "top left", "top right"]);
}
