//! Photos that need much memory, and files that claim to.

use std::fs;

use image::{Rgb, RgbImage};

use crate::fixtures::{CPU, json, kindling, run_in, stderr, stdout};
use crate::reference::fixture;

#[test]
fn photos_that_need_the_whole_budget_wait_for_each_other_and_larger_ones_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    fs::create_dir(place.join("photos")).unwrap();
    // 12 MB of pixels each.
    let photo = RgbImage::from_pixel(2000, 2000, Rgb([200, 90, 40]));
    photo.save(place.join("photos/00.png")).unwrap();
    for index in 1..12 {
        let copy = place.join(format!("photos/{index:02}.png"));
        fs::copy(place.join("photos/00.png"), copy).unwrap();
    }
    RgbImage::new(3000, 3000).save(place.join("photos/05-large.png")).unwrap();
    let weights = fixture("narrow.pth");
    let args = ["predict", weights.to_str().unwrap(), "photos", "--csv", "--device", CPU];
    let limited = run_in(place, args.iter().chain(&["--decode-memory", "14MiB"]));
    assert_eq!(limited.status.code(), Some(1));
    let rows = String::from_utf8(limited.stdout).unwrap();
    assert_eq!(rows.lines().count(), 14, "{rows}");
    let skipped: Vec<&str> = rows.lines().filter(|row| row.contains("--decode-memory")).collect();
    assert!(matches!(skipped[..], [row] if row.contains("05-large.png")), "{rows}");
    assert_eq!(stdout(&run_in(place, args)).lines().count(), 14);
}

#[test]
fn a_size_of_the_decoding_memory_is_checked() {
    let output =
        kindling().args(["predict", "run", "photo", "--decode-memory", "lots"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("expected a size such as 512MiB"), "{}", stderr(&output));
}

#[test]
fn a_crop_of_4096_in_a_run_or_a_file_is_an_error_and_1024_is_computed() {
    let folder = crate::fixtures::photos(4);
    let place = folder.path();
    let args = ["train", "photos", "--epochs", "1", "--out", "run"].map(String::from);
    stdout(&run_in(place, args.into_iter().chain(crate::fixtures::narrow())));
    let config = fs::read_to_string(place.join("run/config.toml")).unwrap();
    let evaluate = ["evaluate", "run", "photos", "--no-report", "--json", "--device", CPU];
    let model = fs::read(place.join("run/model.safetensors")).unwrap();
    let with_crop = |crop: u32| {
        let resize = format!("resize = {crop}");
        let changed = config
            .replace("resize = 256", &resize)
            .replace("crop = 224", &format!("crop = {crop}"));
        assert!(changed.contains(&resize));
        fs::write(place.join("run/config.toml"), changed).unwrap();
        fs::write(place.join("run/model.safetensors"), cropped(&model, crop)).unwrap();
        run_in(place, evaluate)
    };
    let refused = with_crop(4096);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("preprocessing is invalid"), "{}", stderr(&refused));
    assert_eq!(json(&with_crop(1024))["images"], 12);
}

/// The model file of a run with another crop in its metadata.
fn cropped(model: &[u8], crop: u32) -> Vec<u8> {
    let (length, rest) = model.split_first_chunk().unwrap();
    let (header, tensors) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let changed = String::from_utf8(header.to_vec())
        .unwrap()
        .replacen("resize\\\":256", &format!("resize\\\":{crop}"), 1)
        .replacen("crop\\\":224", &format!("crop\\\":{crop}"), 1);
    assert_ne!(changed.as_bytes(), header);
    let length = changed.len() as u64;
    [&length.to_le_bytes(), changed.as_bytes(), tensors].concat()
}
