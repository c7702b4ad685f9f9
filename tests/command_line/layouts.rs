//! Folder layouts on the command line: what train says of them, and the parts that the user names.

use std::fs;
use std::path::Path;

use crate::errors::assert_error;
use crate::fixtures::{CPU, json, narrow, photos, run_in, stderr, stdout};

fn train(place: &Path, args: &[&str]) -> std::process::Output {
    let args = [&["train", "--out", "run", "--force", "--epochs", "1"], args].concat();
    run_in(place, args.into_iter().map(String::from).chain(narrow()))
}

#[test]
fn train_says_which_folders_it_uses_and_evaluate_reads_the_test_part() {
    let folder = photos(3);
    let place = folder.path();
    fs::rename(place.join("photos/train"), place.join("photos/shapes_train")).unwrap();
    fs::rename(place.join("photos/val"), place.join("photos/shapes_test")).unwrap();
    let message = stdout(&train(place, &["photos"]));
    assert!(
        message.starts_with(
            "layout    trains on `shapes_train`, validates on a share of it, tests on `shapes_test`\n\
             photos    6 to train on, 3 to validate on, 9 to test on, 3 classes"
        ),
        "{message}"
    );
    let output = run_in(place, ["evaluate", "run", "photos", "--device", CPU]);
    assert!(stdout(&output).contains("\nphotos    photos/shapes_test\n"), "{output:?}");
    let message =
        stderr(&run_in(place, ["evaluate", "run", "photos/shapes_train", "--device", CPU]));
    assert!(message.contains("trained on photos of `photos/shapes_train`"), "{message}");
}

#[test]
fn parts_that_the_user_names_are_used_and_a_test_part_is_scored_once() {
    let folder = photos(3);
    let place = folder.path();
    // Nothing tells parts from classes here.
    for (from, to) in [("train", "early"), ("val", "late")] {
        fs::rename(place.join("photos").join(from), place.join("photos").join(to)).unwrap();
    }
    let parts = "`--train DIR --val DIR [--test DIR]`";
    assert_error(&train(place, &["photos"]), &["`early`, `late` hold folders", "`checks`", parts]);
    let args = ["--train", "photos/early", "--val", "photos/late", "--test", "photos/late"];
    let output = train(place, &args);
    let message = stdout(&output);
    assert!(
        message.contains("photos    9 to train on, 9 to validate on, 9 to test on, 3 classes"),
        "{message}"
    );
    let accuracy = |label: &str| {
        let (_, rest) = message.split_once(label).unwrap_or_else(|| panic!("{label}: {message}"));
        rest[..6].to_owned()
    };
    // The same photos: the best epoch's model gives the same accuracy.
    assert_eq!(accuracy("validation accuracy "), accuracy("test accuracy "));
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(place.join("run/summary.json")).unwrap()).unwrap();
    assert_eq!(summary["test"]["photos"], 9);
    let test = summary["test"]["accuracy"].as_f64().unwrap();
    assert_eq!(format!("{test:.4}"), accuracy("test accuracy "));
    let scores = json(&run_in(
        place,
        ["evaluate", "run", "photos/late", "--json", "--no-report", "--device", CPU],
    ));
    assert_eq!(scores["accuracy"], summary["test"]["accuracy"]);
    // The run knows its photos, from every folder.
    let elsewhere = tempfile::tempdir().unwrap();
    let run = place.join("run");
    let report = run_in(elsewhere.path(), ["report", run.to_str().unwrap(), "--device", CPU]);
    assert!(stdout(&report).contains("(9 photos, "));
    for args in [&["photos", "--train", "photos"][..], &["--val", "photos"], &[]] {
        assert_eq!(train(place, args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn classes_with_too_few_photos_to_validate_on_come_with_a_warning() {
    let folder = photos(4);
    let place = folder.path();
    let train_part = place.join("photos/train");
    for name in ["000.png", "001.png", "002.png"] {
        fs::remove_file(train_part.join("discs").join(name)).unwrap();
    }
    let output = train(place, &["photos/train"]);
    let told = stderr(&output);
    let message = stdout(&output);
    assert!(message.contains("photos    7 to train on, 2 to validate on"), "{message}");
    assert!(told.contains("1 class has no photo to validate on"), "{told}");
    assert!(told.contains("accuracy there: `discs`\n"), "{told}");
    assert!(told.contains("2 classes have only one or two photos to validate on"), "{told}");
    assert!(told.contains("says little: `checks`, `stripes`\n"), "{told}");
    let card = fs::read_to_string(place.join("run/README.md")).unwrap();
    let row = card.lines().find(|line| line.starts_with("| discs")).unwrap();
    assert_eq!(row, "| discs | n/a | n/a | n/a | 0 |");
    assert_eq!(stderr(&train(place, &["photos"])), "", "a full data set has no warning");
}
