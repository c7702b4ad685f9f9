//! Synthetic photos for the benchmarks.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{ImageFormat, Rgb, RgbImage};

/// A JPEG of this size with the detail of a photo: edges, gradients and grain.
pub fn jpeg(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let mut grain = seed.wrapping_mul(747_796_405).wrapping_add(1);
    let photo = RgbImage::from_fn(width, height, |x, y| {
        grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wave = ((x as f32 * 0.03).sin() + (y as f32 * 0.05 + seed as f32).cos()) * 50.0;
        let edge = if (x / 40 + y / 30) % 3 == 0 { 60.0 } else { 0.0 };
        let noise = (grain >> 27) as f32 / 2.0;
        Rgb([100.0, 120.0, 90.0].map(|base| (base + wave + edge + noise).clamp(0.0, 255.0) as u8))
    });
    let mut bytes = Cursor::new(Vec::new());
    photo.write_to(&mut bytes, ImageFormat::Jpeg).expect("writing to memory");
    bytes.into_inner()
}

/// Writes `count` photos to `folder`, in the most common size of the Dogs vs. Cats data set.
pub fn write(folder: &Path, count: u32) -> Vec<PathBuf> {
    (0..count)
        .map(|index| {
            let path = folder.join(format!("{index}.jpg"));
            std::fs::write(&path, jpeg(500, 375, index)).expect("a temporary file");
            path
        })
        .collect()
}
