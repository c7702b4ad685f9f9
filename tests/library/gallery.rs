//! Captioned photos, saved into folders by class.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use kindling::gallery::{Captions, GalleryDir, GalleryError, Shown};

use crate::reference::fixture;

const GREY: Rgb<u8> = Rgb([128, 128, 128]);

fn captioned(width: u32, height: u32, class: &str) -> RgbImage {
    let mut photo = RgbImage::from_pixel(width, height, GREY);
    Captions::new().draw(&mut photo, class, Some(0.987));
    photo
}

/// The height of the caption bar at the bottom, in rows.
fn bar(photo: &RgbImage) -> u32 {
    photo.height()
        - photo.rows().take_while(|row| row.clone().all(|pixel| *pixel == GREY)).count() as u32
}

/// Whether the column has only the bar's background colour from row `top` on.
fn is_empty(photo: &RgbImage, column: u32, top: u32) -> bool {
    // Black at opacity 0.65 over 128 gives 44.8. Both are rounded to 255ths.
    (top..photo.height())
        .all(|y| photo.get_pixel(column, y).0.iter().all(|value| value.abs_diff(45) <= 1))
}

#[test]
fn the_caption_scales_with_the_photo_and_leaves_the_rest_unchanged() {
    for (width, height, min_rows, max_rows) in
        [(100, 75, 17, 25), (500, 375, 30, 45), (6000, 4000, 350, 480), (3000, 200, 40, 80)]
    {
        let photo = captioned(width, height, "cat");
        let rows = bar(&photo);
        assert!((min_rows..=max_rows).contains(&rows), "{width} x {height}: a bar of {rows} rows");
        // In the smallest captions the letters are so thin that most of their pixels are grey.
        let light = photo.pixels().filter(|pixel| pixel.0.iter().all(|value| *value > 180)).count();
        assert!(light > 20, "{width} x {height}: {light} light pixels");
    }
}

#[test]
fn every_text_stays_between_the_photos_edges() {
    let long = "a class with a name of sixty characters, which is far longer";
    let classes = [
        "cat",
        "",
        " ",
        "..",
        long,
        "<b>&\"</b>",
        "</text>",
        "&amp;",
        "\u{1b}[31m\0\n\u{ffff}",
        "西伯利亚森林猫",
        "قطة سيبيرية من الغابات الشمالية البعيدة جدا",
        "🐈",
        &long.repeat(20),
    ];
    for class in classes {
        for (width, height) in [(100, 75), (75, 100), (500, 375), (3000, 200), (200, 3000)] {
            let photo = captioned(width, height, class);
            let top = height - bar(&photo);
            for column in [0, 1, width - 2, width - 1] {
                assert!(is_empty(&photo, column, top), "{class:?} on {width} x {height}: {column}");
            }
        }
    }
}

#[test]
fn tiny_photos_can_be_captioned() {
    for (width, height) in [(1, 1), (1, 500), (500, 1), (7, 3), (20, 20)] {
        let photo = captioned(width, height, "a class");
        assert_eq!(photo.dimensions(), (width, height));
        assert!(bar(&photo) > 0);
    }
}

#[test]
fn svg_markup_in_a_class_name_is_drawn_as_text() {
    // If it were parsed as an element, it would paint the whole bar white.
    let photo = captioned(400, 100, "<rect width=\"400\" height=\"100\" fill=\"white\"/>");
    let white = photo.pixels().filter(|pixel| pixel.0.iter().all(|value| *value > 230)).count();
    assert!(white > 50 && white < 4000, "{white} white pixels");
}

fn shown(photo: &Path, class: usize) -> Shown<'_> {
    Shown { photo, class, probability: Some(0.75) }
}

#[test]
fn saved_photos_are_upright_and_as_large_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let gallery_dir = GalleryDir::reserve(&folder.path().join("new/out")).unwrap();
    let mut gallery = gallery_dir.open(&["cat".into()]).unwrap();
    // Stored rotated in the file: 32 x 48 pixels.
    let photo = fixture("formats/orientation_6.jpg");
    assert!(gallery.save(&[shown(&photo, 0)]).unwrap().is_empty());
    let saved = kindling::photos::decode(&folder.path().join("new/out/cat/orientation_6.jpg"));
    let saved = saved.unwrap();
    assert_eq!(saved.dimensions(), (48, 32));
    // The top left quarter is red.
    let Rgb([red, green, blue]) = *saved.get_pixel(12, 6);
    assert!(red > 180 && green < 60 && blue < 70, "{red} {green} {blue}");
    assert_eq!(gallery.saved(), 1);
}

#[test]
fn photos_with_the_same_name_are_numbered_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let photo = |part: &str, name: &str, grey: u8| {
        let path = folder.path().join(part).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_pixel(40, 40, Rgb([grey; 3])).save(&path).unwrap();
        path
    };
    let photos = [
        photo("a", "one.png", 10),
        photo("b", "one.png", 60),
        photo("c", "ONE.png", 110),
        photo("d", "one.jpg", 160),
        photo("e", "one-2.png", 210),
    ];
    let mut gallery =
        GalleryDir::reserve(&folder.path().join("out")).unwrap().open(&["x".into()]).unwrap();
    let all: Vec<Shown> = photos.iter().map(|photo| shown(photo, 0)).collect();
    assert!(gallery.save(&all[..2]).unwrap().is_empty());
    assert!(gallery.save(&all[2..]).unwrap().is_empty());
    for (name, grey) in [
        ("one.jpg", 10u8),
        ("one-2.jpg", 60),
        ("ONE-3.jpg", 110),
        ("one-4.jpg", 160),
        ("one-2-2.jpg", 210),
    ] {
        let saved = image::open(folder.path().join("out/x").join(name)).unwrap().into_rgb8();
        assert!(saved.get_pixel(20, 2).0[0].abs_diff(grey) < 5, "{name}");
    }
    assert_eq!(fs::read_dir(folder.path().join("out/x")).unwrap().count(), 5);
}

#[test]
fn a_missing_photo_is_reported_and_the_others_are_saved() {
    let folder = tempfile::tempdir().unwrap();
    let photo = fixture("formats/rgb.png");
    let mut gallery =
        GalleryDir::reserve(&folder.path().join("out")).unwrap().open(&["x".into()]).unwrap();
    let failed = gallery.save(&[shown(Path::new("absent.jpg"), 0), shown(&photo, 0)]).unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].0, failed[0].1.to_string().as_str()), (0, "cannot be read"));
    assert!(folder.path().join("out/x/rgb.jpg").exists());
}

#[test]
fn a_photo_too_large_for_jpeg_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let wide = folder.path().join("wide.png");
    RgbImage::new(70_000, 1).save(&wide).unwrap();
    let mut gallery =
        GalleryDir::reserve(&folder.path().join("out")).unwrap().open(&["x".into()]).unwrap();
    let failed = gallery.save(&[shown(&wide, 0)]).unwrap();
    assert!(failed[0].1.to_string().contains("at most 65535"), "{}", failed[0].1);
    assert_eq!(gallery.saved(), 0);
    assert_eq!(fs::read_dir(folder.path().join("out/x")).unwrap().count(), 0);
}

#[test]
fn an_existing_file_or_non_empty_folder_is_refused_and_left_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "words").unwrap();
    let error = GalleryDir::reserve(folder.path()).unwrap_err();
    assert!(matches!(error, GalleryError::NotEmpty(_)));
    assert!(error.to_string().ends_with("give --save a new or an empty folder"), "{error}");
    let error = GalleryDir::reserve(&folder.path().join("notes.txt")).unwrap_err();
    assert!(matches!(error, GalleryError::NotAFolder(_)), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
