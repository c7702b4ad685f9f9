//! Files that claim more pixels than fit into memory.

use std::fs;
use std::path::Path;

use kindling::photos::{DecodeError, decode};

use crate::reference::fixture;

/// A PNG with this header and no pixel data.
fn png(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
    let chunk = |name: &[u8; 4], content: &[u8]| {
        let body = [name, content].concat();
        let crc = !body.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
            })
        });
        [&(content.len() as u32).to_be_bytes()[..], &body, &crc.to_be_bytes()].concat()
    };
    let header =
        [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, colour, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n", &chunk(b"IHDR", &header)[..], &chunk(b"IDAT", b""), &chunk(b"IEND", b"")]
        .concat()
}

/// A WebP of one chunk.
fn webp(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let chunk = [name, &(content.len() as u32).to_le_bytes()[..], content].concat();
    [b"RIFF", &(chunk.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &chunk].concat()
}

/// A lossless WebP of this size.
fn lossless(width: u32, height: u32) -> Vec<u8> {
    let bits = (width - 1) | (height - 1) << 14;
    webp(b"VP8L", &[&[0x2f][..], &bits.to_le_bytes(), &[0x88; 9]].concat())
}

/// A file of the fixtures with the size in its frame header changed, and the frame of another kind.
fn jpeg(name: &str, width: u16, height: u16, frame: u8) -> Vec<u8> {
    let mut jpeg = fs::read(fixture(name)).unwrap();
    let at = jpeg.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
    jpeg[at + 1] = frame;
    jpeg[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

fn decoded(folder: &Path, bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    let path = folder.join("photo");
    fs::write(&path, bytes).unwrap();
    decode(&path).map(|photo| photo.dimensions())
}

/// The MiB that a file would need, if it is refused.
fn refused(folder: &Path, bytes: &[u8]) -> Option<u64> {
    match decoded(folder, bytes) {
        Err(error @ DecodeError::TooLarge { needed, limit: 1024 }) => {
            let message = error.to_string();
            assert!(message.contains("--decode-memory allows 1024 MiB"), "{message}");
            Some(needed)
        }
        _ => None,
    }
}

#[test]
fn a_grey_png_of_529_megapixels_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    // A byte per pixel, perhaps one of alpha, and three for RGB.
    let mib = refused(folder.path(), &png(23_000, 23_000, 8, 0)).unwrap();
    assert!((529 * 4..529 * 6).contains(&mib), "{mib}");
    assert!(refused(folder.path(), &png(u32::MAX >> 1, u32::MAX >> 1, 16, 6)).is_some());
}

#[test]
fn what_a_decoder_allocates_inside_counts_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // 150 megapixels: RGB takes 429 MiB, which alone would fit.
    assert!(refused(folder, &lossless(15_000, 10_000)).is_some());
    let progressive = jpeg("formats/rgb.jpg", 20_000, 12_000, 0xc2);
    assert!(refused(folder, &progressive).is_some());
    // Turned by 90 degrees, there are two copies.
    let turned = jpeg("formats/orientation_6.jpg", 20_000, 10_000, 0xc0);
    assert!(refused(folder, &turned).is_some());
    // As phones take it, upright or upside down, it fits.
    assert!(refused(folder, &jpeg("formats/orientation_3.jpg", 16_320, 12_240, 0xc0)).is_none());
}

#[test]
fn a_frame_that_is_larger_than_its_canvas_counts() {
    let folder = tempfile::tempdir().unwrap();
    // A canvas of one pixel, and a lossy picture of 16383 x 16383.
    let mut file = webp(b"VP8X", &[0; 10]);
    let frame = [&[0x10, 0, 0, 0x9d, 1, 0x2a][..], &[0xff, 0x3f, 0xff, 0x3f], &[0; 20]].concat();
    file.extend(&webp(b"VP8 ", &frame)[12..]);
    let length = file.len() as u32 - 8;
    file[4..8].copy_from_slice(&length.to_le_bytes());
    assert!(refused(folder.path(), &file).is_some());

    let mut gif = fs::read(fixture("formats/animated.gif")).unwrap();
    let descriptor = gif.windows(2).rposition(|bytes| bytes == [0x2c, 0]).unwrap();
    let first = gif.windows(2).position(|bytes| bytes == [0x2c, 0]).unwrap().min(descriptor);
    gif[first + 5..first + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f]);
    assert!(refused(folder.path(), &gif).is_some());
}
