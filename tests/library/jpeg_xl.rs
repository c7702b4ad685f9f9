//! JPEG XL files decode to the pixels that they were made from. `cjxl` 0.7 made the fixtures, from
//! one PNG of 32 x 24 pixels, without loss (`-d 0`) but for `lossy.jxl` (`-d 0.5`).

use std::fs;

use image::RgbImage;

use crate::reference::fixture;
use crate::shown::decoded;

/// The pixels that the fixtures were made from.
fn original() -> RgbImage {
    RgbImage::from_fn(32, 24, |x, y| {
        image::Rgb(match (x, y) {
            (8..24, 4..20) => [x * 7, y * 9, x * y].map(|value| value as u8),
            (..16, ..12) => [200, 30, 40],
            (_, ..12) => [30, 180, 60],
            (..16, _) => [40, 60, 190],
            _ => [220, 210, 60],
        })
    })
}

/// ITU-R 601 luma, as PIL rounds it.
fn grey(photo: &RgbImage) -> RgbImage {
    let mut grey = photo.clone();
    for pixel in grey.pixels_mut() {
        let [r, g, b] = pixel.0.map(u32::from);
        pixel.0 = [((r * 19_595 + g * 38_470 + b * 7_471 + (1 << 15)) >> 16) as u8; 3];
    }
    grey
}

fn file(name: &str) -> Vec<u8> {
    fs::read(fixture("formats").join(name)).unwrap()
}

fn boxed(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes(), &name[..], content].concat()
}

/// A container of these boxes.
fn container(boxes: &[Vec<u8>]) -> Vec<u8> {
    let brand = boxed(b"ftyp", b"jxl \0\0\0\0jxl ");
    [boxed(b"JXL ", b"\r\n\x87\n"), brand, boxes.concat()].concat()
}

/// The beginning of a codestream: a square picture of `side` pixels a side, and what is no frame.
fn header(side: u64) -> Vec<u8> {
    // Not a small size, 30 bits of height, as wide as high, the usual metadata and transform.
    let bits = 0b11 << 1 | (side - 1) << 3 | 1 << 33 | 1 << 36 | 1 << 37;
    [b"\xff\x0a", &bits.to_le_bytes()[..], &[0x55; 40]].concat()
}

#[test]
fn lossless_jpeg_xl_shows_the_pixels_that_it_was_made_from() {
    let original = original();
    for (name, pixels) in [
        ("rgb.jxl", &original),
        // Alpha is dropped: the colours below it stay.
        ("alpha.jxl", &original),
        ("grey.jxl", &grey(&original)),
        // The other picture is upside down.
        ("animated.jxl", &original),
        // Stored lying on its side.
        ("orientation_6.jxl", &image::imageops::rotate90(&original)),
    ] {
        assert!(decoded(&file(name)).unwrap() == *pixels, "{name}");
    }
}

#[test]
fn lossy_jpeg_xl_shows_the_colours_that_it_was_made_from() {
    let (photo, original) = (decoded(&file("lossy.jxl")).unwrap(), original());
    assert_eq!(photo.dimensions(), original.dimensions());
    for (x, y) in [(2, 2), (29, 2), (2, 21), (29, 21)] {
        let (actual, expected) = (photo.get_pixel(x, y).0, original.get_pixel(x, y).0);
        let close = actual.iter().zip(expected).all(|(actual, value)| actual.abs_diff(value) < 8);
        assert!(close, "{actual:?} for {expected:?}");
    }
}

#[test]
fn a_jpeg_xl_container_may_divide_its_picture_and_its_exif_does_not_turn_it() {
    let whole = file("rgb.jxl");
    let exif = b"\0\0\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let exif = boxed(b"Exif", exif);
    let (first, second) = whole.split_at(100);
    let first = boxed(b"jxlp", &[&[0; 4], first].concat());
    // The number of the last part has its highest bit set. A size of 0: up to the end of the file.
    let mut last = boxed(b"jxlp", &[&[0x80, 0, 0, 1], second].concat());
    last[..4].copy_from_slice(&[0; 4]);
    let long = [&[0, 0, 0, 1], &b"jxlc"[..], &(whole.len() as u64 + 16).to_be_bytes(), &whole];
    for boxes in [vec![exif.clone(), first, last], vec![long.concat(), exif]] {
        assert!(decoded(&container(&boxes)).unwrap() == original());
    }
    // Without a codestream.
    assert!(decoded(&container(&[])).unwrap_err().contains("ends before its first picture"));
}

#[test]
fn a_cut_jpeg_xl_is_an_error_and_a_damaged_one_never_a_panic() {
    for name in ["rgb.jxl", "grey.jxl", "lossy.jxl", "orientation_6.jxl", "animated.jxl"] {
        let whole = file(name);
        // The second picture of the animation is not needed.
        let needed = if name == "animated.jxl" { whole.len() / 3 } else { whole.len() };
        for keep in 2..needed {
            let error = decoded(&whole[..keep]).map(|_| ()).unwrap_err();
            assert!(error.len() < 200 && !error.contains('\n'), "{name} {keep}: {error}");
            assert!(!error.contains("panicked"), "{name} {keep}");
        }
        for at in 2..whole.len().min(200) {
            for mask in [1, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] ^= mask;
                let _ = decoded(&changed);
            }
        }
    }
}

#[test]
fn a_jpeg_xl_that_declares_a_huge_picture_is_refused_before_memory_is_allocated() {
    for side in [8_000, 100_000, 1 << 30] {
        let error = decoded(&header(side)).unwrap_err();
        assert!(error.contains("is too large") && error.contains("--decode-memory"), "{error}");
    }
    // 16 megapixels fit: what is missing is the picture.
    let error = decoded(&header(4_000)).unwrap_err();
    assert!(error.starts_with("cannot be decoded"), "{error}");
}
