//! Photos of every format decode to upright RGB.

use image::Rgb;
use kindling::photos::{Format, decode};

use crate::reference::fixture;

/// The colours of the fixtures' quarters: top left, top right, bottom left, bottom right.
const COLOURS: [[u8; 3]; 4] = [[200, 30, 40], [30, 180, 60], [40, 60, 190], [220, 210, 60]];
const CENTRES: [(u32, u32); 4] = [(12, 8), (36, 8), (12, 24), (36, 24)];

/// JPEG and lossy WebP round colours in their own colour space.
const TOLERANCE: u8 = 6;

fn quarters(name: &str) -> [[u8; 3]; 4] {
    let photo =
        decode(&fixture("formats").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(photo.dimensions(), (48, 32), "{name}");
    CENTRES.map(|(x, y)| {
        let Rgb(pixel) = *photo.get_pixel(x, y);
        pixel
    })
}

fn assert_close(name: &str, expected: [[u8; 3]; 4]) {
    let actual = quarters(name);
    for (actual, expected) in actual.iter().flatten().zip(expected.iter().flatten()) {
        assert!(actual.abs_diff(*expected) <= TOLERANCE, "{name}: {actual} for {expected}");
    }
}

#[test]
fn colour_photos_of_every_format_keep_their_colours() {
    for name in [
        "rgb.jpg",
        "progressive.JPG",
        "progressive_restarts.jpg",
        "cmyk.jpg",
        "rgb.png",
        "palette.png",
        "alpha.png",
        "rgb.bmp",
        "lossless.webp",
        "lossy.webp",
        "animated.gif",
    ] {
        assert_close(name, COLOURS);
    }
}

#[test]
fn grey_photos_become_rgb() {
    // ITU-R 601 luma, as PIL's convert("L").
    let grey = COLOURS.map(|[r, g, b]| {
        let luma = 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
        [luma.round() as u8; 3]
    });
    assert_close("grey.jpeg", grey);
    assert_close("grey16.png", grey);
}

#[test]
fn photos_are_rotated_by_their_exif_orientation() {
    for orientation in 1..=8 {
        assert_close(&format!("orientation_{orientation}.jpg"), COLOURS);
    }
}

#[test]
fn damaged_photos_are_errors_and_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["rgb.jpg", "rgb.png", "rgb.bmp", "lossless.webp", "lossy.webp", "animated.gif"] {
        let whole = std::fs::read(fixture("formats").join(name)).unwrap();
        let path = folder.path().join(name);
        for keep in 0..whole.len() {
            std::fs::write(&path, &whole[..keep]).unwrap();
            // Some decoders return the readable part of a truncated photo, which is fine here.
            let _ = decode(&path);
        }
        // Corrupt each byte in turn, which gives wrong sizes, lengths and tables.
        for at in 0..whole.len().min(200) {
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            std::fs::write(&path, &changed).unwrap();
            let _ = decode(&path);
        }
    }
    std::fs::write(folder.path().join("text.jpg"), "no image").unwrap();
    let error = decode(&folder.path().join("text.jpg")).unwrap_err();
    let read = Format::READ.replace(" and ", " or ");
    assert_eq!(error.to_string(), format!("is not a {read} image"));
    assert!(decode(&folder.path().join("absent.jpg")).is_err());
}

#[test]
fn a_small_file_that_declares_a_huge_photo_is_refused_before_memory_is_allocated() {
    let folder = tempfile::tempdir().unwrap();
    // JPEG: height and width, two bytes each, start at byte 5 of the start-of-frame segment.
    let mut jpeg = std::fs::read(fixture("formats/rgb.jpg")).unwrap();
    let frame = jpeg.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    // GIF: the canvas width and height, little-endian, follow the signature.
    let mut gif = std::fs::read(fixture("formats/animated.gif")).unwrap();
    gif[6..10].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    for (name, bytes) in [("bomb.jpg", jpeg), ("bomb.gif", gif)] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        let error = decode(&folder.path().join(name)).unwrap_err().to_string();
        assert!(
            error.contains("is too large") && error.contains("--decode-memory"),
            "{name}: {error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_named_pipe_is_refused_without_blocking() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.jpg");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(decode(&pipe).unwrap_err().to_string(), "is not a regular file");
    assert!(kindling::weights::Checkpoint::open(&pipe).is_err());
    let walked = kindling::photos::walk(folder.path());
    assert_eq!((walked.photos.len(), walked.unusable.len()), (0, 1));
}
