//! `predict --save`, which writes captioned photos.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;

use crate::errors::assert_error;
use crate::fixtures::{CPU, json_lines, run_in, stderr, stdout, trained};

fn predict(place: &Path, more: &[&str]) -> std::process::Output {
    run_in(place, [&["predict", "run", "--device", CPU], more].concat())
}

/// All files in the folder and its subfolders, as paths relative to it.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.path().strip_prefix(folder).unwrap().to_owned())
        .collect()
}

#[test]
fn saved_photos_lie_in_a_folder_for_each_predicted_class() {
    let folder = trained(6);
    let place = folder.path();
    let output = predict(place, &["photos/val", "--json", "--save", "out"]);
    assert_eq!(stderr(&output), "");
    let lines = json_lines(&stdout(&output));
    assert_eq!(lines.len(), 18, "one line per photo and nothing else");
    // The three input folders have the same file names, so saved photos may get numbers.
    let mut expected = BTreeMap::new();
    let mut numbers: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in &lines {
        let photo = Path::new(line["path"].as_str().unwrap());
        let stem = photo.file_stem().unwrap().to_str().unwrap().to_owned();
        let class = line["class"].as_str().unwrap().to_owned();
        let number = numbers.entry((class.clone(), stem.clone())).or_default();
        *number += 1;
        let name = if *number == 1 { stem } else { format!("{stem}-{number}") };
        expected.insert(PathBuf::from(class).join(name + ".jpg"), place.join(photo));
    }
    let saved = files(&place.join("out"));
    assert_eq!(
        saved,
        expected.keys().cloned().collect(),
        "exactly these files, and no temporary ones"
    );
    for (saved, photo) in &expected {
        let saved = image::open(place.join("out").join(saved)).unwrap().into_rgb8();
        let photo = image::open(photo).unwrap().into_rgb8();
        assert_eq!(saved.dimensions(), photo.dimensions());
        let mean = |image: &image::RgbImage, start: u32, end: u32| {
            let rows = image.rows().skip(start as usize).take((end - start) as usize).flatten();
            let values: Vec<f64> = rows.flat_map(|pixel| pixel.0.map(f64::from)).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        let height = photo.height();
        // The upper half is unchanged; the bottom is darkened by the bar (0.65 black, white text).
        assert!((mean(&saved, 0, height / 2) - mean(&photo, 0, height / 2)).abs() < 3.0);
        assert!(mean(&saved, height - 4, height) < 0.6 * mean(&photo, height - 4, height));
    }
}

#[test]
fn strangers_that_are_refused_lie_in_a_folder_of_their_own() {
    let folder = trained(8);
    let place = folder.path();
    let red = image::RgbImage::from_pixel(80, 80, image::Rgb([255, 0, 0]));
    red.save(place.join("red.png")).unwrap();
    let args = ["photos/val/discs/000.png", "red.png", "--reject", "--save", "out"];
    let message = stdout(&predict(place, &args));
    let saved = files(&place.join("out"));
    assert!(saved.contains(Path::new("unknown/red.jpg")), "{message} {saved:?}");
    assert_eq!(saved.len(), 2, "{saved:?}");
    // The caption is the word alone: a bar that is dark but for a few white letters.
    let red = image::open(place.join("out/unknown/red.jpg")).unwrap().into_rgb8();
    let bottom: Vec<u8> = red.rows().next_back().unwrap().map(|pixel| pixel.0[0]).collect();
    assert!(bottom.iter().all(|value| *value < 160), "{bottom:?}");
}

#[test]
fn people_are_told_how_many_photos_were_saved_and_where() {
    let folder = trained(2);
    let place = folder.path();
    let message = stdout(&predict(place, &["photos/val", "--save", "my out"]));
    assert!(message.ends_with("saved     6 photos in my out\n"), "{message}");
    assert_eq!(files(&place.join("my out")).len(), 6);
}

#[test]
fn a_class_that_is_called_dot_dot_stays_inside_the_folder() {
    let folder = trained(4);
    let place = folder.path();
    // As an older run, whose other files do not have the names.
    let model = place.join("run/model.safetensors");
    let bytes = fs::read(&model).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    fs::write(&model, safetensors::serialize(tensors.tensors(), None).unwrap()).unwrap();
    fs::remove_file(place.join("run/summary.json")).unwrap();
    for classes in ["..\n../up\n/\n", "a/b\na_b\nA\\B\n", "CON\n\u{1b}[31m\n<b>&\"\n"] {
        fs::write(place.join("run/classes.txt"), classes).unwrap();
        let before = files(place);
        let output = predict(place, &["photos/val", "--save", "deep/out", "--csv"]);
        stdout(&output);
        let after = files(place);
        let new: BTreeSet<_> = after.difference(&before).collect();
        assert_eq!(new.len(), 12);
        let mut folders = BTreeSet::new();
        for path in new {
            assert!(path.starts_with("deep/out") && path.components().count() == 4, "{path:?}");
            folders.insert(path.parent().unwrap().to_owned());
        }
        let predicted: BTreeSet<String> = csv::Reader::from_reader(&output.stdout[..])
            .records()
            .map(|row| row.unwrap()[1].to_owned())
            .collect();
        assert_eq!(folders.len(), predicted.len(), "{folders:?} for {predicted:?}");
        fs::remove_dir_all(place.join("deep")).unwrap();
    }
}

#[test]
fn photos_are_saved_to_a_new_or_an_empty_folder_only() {
    let folder = trained(1);
    let place = folder.path();
    fs::create_dir(place.join("mine")).unwrap();
    fs::write(place.join("mine/notes.txt"), "words").unwrap();
    let refused = predict(place, &["photos/val", "--save", "mine"]);
    assert_error(&refused, &["`mine` is not empty", "a new or an empty folder"]);
    assert!(refused.stdout.is_empty(), "refused before any work is done");
    assert_eq!(files(&place.join("mine")).len(), 1);
    let refused = predict(place, &["photos/val", "--save", "run/classes.txt"]);
    assert_error(&refused, &["`run/classes.txt` is not a folder"]);
    fs::create_dir(place.join("empty")).unwrap();
    stdout(&predict(place, &["photos/val", "--save", "empty"]));
    assert_eq!(files(&place.join("empty")).len(), 3);
}

#[test]
fn what_cannot_be_read_is_passed_over_while_photos_are_saved() {
    let folder = trained(2);
    let place = folder.path();
    fs::write(place.join("broken.jpg"), "no image").unwrap();
    let output = predict(place, &["broken.jpg", "photos/val/discs", "absent.jpg", "--save", "out"]);
    assert_error(&output, &["2 of 4 files could not be read"]);
    assert!(stderr(&output).contains("broken.jpg` is not a JPEG"), "{}", stderr(&output));
    assert!(String::from_utf8(output.stdout).unwrap().contains("saved     2 photos in out\n"));
    assert_eq!(files(&place.join("out")).len(), 2);
}
