//! Pictures of a few letters' colours, decoded and compared.

use image::RgbImage;
use kindling::photos::{DecodeWarning, decode};

pub fn decoded(file: &[u8]) -> Result<RgbImage, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo");
    std::fs::write(&path, file).unwrap();
    decode(&path).map(|photo| photo.clone()).map_err(|error| error.to_string())
}

pub fn warning(file: &[u8]) -> Option<DecodeWarning> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo");
    std::fs::write(&path, file).unwrap();
    decode(&path).unwrap().warning()
}

/// Asserts the pixels, as rows of one text per pixel in `colours`.
pub fn assert_shows(file: &[u8], rows: &[&str], colours: &[(char, [u8; 3])], what: &str) {
    let photo = decoded(file).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(photo.dimensions(), (rows[0].len() as u32, rows.len() as u32), "{what}");
    for (y, row) in rows.iter().enumerate() {
        for (x, letter) in row.chars().enumerate() {
            let (_, colour) = colours.iter().find(|(known, _)| *known == letter).unwrap();
            let pixel = photo.get_pixel(x as u32, y as u32).0;
            assert_eq!(pixel, *colour, "{what}: {letter} at {x}, {y}");
        }
    }
}

pub const RED: [u8; 3] = [200, 30, 40];
pub const GREEN: [u8; 3] = [30, 180, 60];
pub const BLACK: [u8; 3] = [0; 3];
pub const COLOURS: [(char, [u8; 3]); 3] = [('r', RED), ('g', GREEN), ('.', BLACK)];
