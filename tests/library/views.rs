//! Views of photos: their features are those of the squares alone, cached or not, however they fall
//! into batches.

use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use kindling::backbone::Backbone;
use kindling::features::{Extraction, Extractor, Stopped};
use kindling::photos::{Fit, Preprocessing, View};
use kindling::weights::{self, Checkpoint};

use crate::reference::{cpu, fixture};

/// The narrow network on squares of 32 pixels.
fn backbone() -> Backbone {
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    weights::backbone(&checkpoint, &architecture, &cpu()).unwrap()
}

fn preprocessing(fit: Fit) -> Preprocessing {
    Preprocessing::IMAGENET.fitted(fit, Some(32))
}

fn photo(index: usize) -> RgbImage {
    let (width, height) = (50 + 7 * index as u32, 40 + 3 * index as u32);
    RgbImage::from_fn(width, height, |x, y| {
        let [red, green] = [x * 5 + y * index as u32, x * y].map(|value| (value % 251) as u8);
        Rgb([red, green, (index * 20) as u8])
    })
}

/// Eight photos; the file at 3 is none.
fn photos(folder: &Path) -> Vec<PathBuf> {
    (0..9)
        .map(|index| {
            let path = folder.join(format!("{index}.png"));
            match index {
                3 => std::fs::write(&path, b"no photo").unwrap(),
                _ => photo(index).save(&path).unwrap(),
            }
            path
        })
        .collect()
}

/// The features of every view of the photos, from pictures of the views: `[photos, 10, width]`.
fn expected(backbone: &Backbone, folder: &Path, fit: Fit) -> Vec<f32> {
    let mut pictures = Vec::new();
    for index in (0..9).filter(|index| *index != 3) {
        let squares = preprocessing(fit).views(&photo(index), &View::ALL);
        for (view, square) in squares.into_iter().enumerate() {
            let picture = folder.join(format!("{index}-{view}.png"));
            RgbImage::from_raw(32, 32, square).unwrap().save(&picture).unwrap();
            pictures.push(picture);
        }
    }
    // A square is stretched to itself.
    let device = cpu();
    let extractor = Extractor::new(backbone, preprocessing(Fit::Stretch), &device, 8);
    extractor.all(&pictures, |_| ()).unwrap().rows
}

#[track_caller]
fn assert_close(actual: &[f32], expected: &[f32]) {
    assert_eq!(actual.len(), expected.len());
    let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let off = actual.iter().zip(expected).map(|(one, other)| (one - other).abs());
    let worst = off.fold(0.0, f32::max);
    assert!(worst <= 1e-4 * largest, "off by {worst} of {largest}");
}

/// Seven photos with all views, then one with the plain view.
fn of(index: usize) -> usize {
    if index == 8 { 1 } else { 10 }
}

fn go_on(_: usize) -> Result<(), ()> {
    Ok(())
}

#[track_caller]
fn assert_views(extraction: &Extraction, expected: &[f32], width: usize) {
    assert_eq!(extraction.photos, [0, 1, 2, 4, 5, 6, 7, 8]);
    assert_eq!(extraction.failed.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [3]);
    assert_eq!(extraction.sizes[7], (106, 64));
    let rows = &extraction.rows;
    assert_close(&extraction.with_views(rows, 7, 10, width), &expected[..7 * 10 * width]);
    assert_close(&rows[7 * width..], &expected[7 * 10 * width..][..width]);
    assert_eq!(extraction.further_views.len(), 7 * 9 * width);
}

#[test]
fn views_have_the_features_of_their_squares_in_batches_of_any_size() {
    let folder = tempfile::tempdir().unwrap();
    let (backbone, device) = (backbone(), cpu());
    let width = backbone.architecture().features();
    let paths = photos(folder.path());
    for fit in Fit::ALL {
        let expected = expected(&backbone, folder.path(), fit);
        for batch_size in [1, 7, 32] {
            let extractor = Extractor::new(&backbone, preprocessing(fit), &device, batch_size);
            let extraction = extractor.views_unless(&paths, of, go_on).unwrap();
            assert_views(&extraction, &expected, width);
        }
        // The mean over six views.
        let extractor = Extractor::new(&backbone, preprocessing(fit), &device, 8);
        let averaged = extractor.with_averaged_views(6).all(&paths, |_| ()).unwrap();
        let mean: Vec<f32> = expected
            .chunks(10 * width)
            .flat_map(|photo| {
                let sum = |at: usize| (0..6).map(|view| photo[view * width + at]).sum::<f32>();
                (0..width).map(move |at| sum(at) / 6.0).collect::<Vec<_>>()
            })
            .collect();
        assert_close(&averaged.rows, &mean);
        assert!(averaged.further_views.is_empty());
    }
}

#[test]
fn cached_views_never_mix_and_an_interrupted_extraction_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let (backbone, device) = (backbone(), cpu());
    let width = backbone.architecture().features();
    let paths = photos(folder.path());
    let cached = |fit, batch_size| {
        let extractor = Extractor::new(&backbone, preprocessing(fit), &device, batch_size);
        extractor.with_cache(&kept).unwrap()
    };
    let expected = Fit::ALL.map(|fit| expected(&backbone, folder.path(), fit));

    // The plain views are cached; then all views are asked for, and it ends after a few photos.
    let plain = cached(Fit::Crop, 4).all(&paths, |_| ()).unwrap();
    let extractor = cached(Fit::Crop, 4);
    let stopped =
        extractor.views_unless(&paths, of, |done| if done > 2 { Err(()) } else { Ok(()) });
    assert!(matches!(stopped, Err(Stopped::Receiver(()))));
    assert_eq!(extractor.found_in_cache(), 0, "no photo had all of its views");
    let extractor = cached(Fit::Crop, 4);
    let extraction = extractor.views_unless(&paths, of, go_on).unwrap();
    assert_views(&extraction, &expected[0], width);
    assert!(extractor.found_in_cache() >= 3, "{}", extractor.found_in_cache());

    // Now everything is there, for each number of views and batch size.
    for batch_size in [1, 32] {
        let extractor = cached(Fit::Crop, batch_size);
        let again = extractor.views_unless(&paths, of, go_on).unwrap();
        assert_views(&again, &expected[0], width);
        assert_eq!(again.further_views, extraction.further_views);
        assert_eq!(extractor.found_in_cache(), 8);
        assert_eq!(extractor.all(&paths, |_| ()).unwrap().rows, plain.rows);
    }
    // Other ways to fit a photo get none of it.
    for (fit, expected) in Fit::ALL.into_iter().zip(&expected).skip(1) {
        let extractor = cached(fit, 4);
        assert_views(&extractor.views_unless(&paths, of, go_on).unwrap(), expected, width);
        assert_eq!(extractor.found_in_cache(), 0, "{fit}");
    }
}
