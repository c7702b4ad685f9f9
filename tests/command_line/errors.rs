//! Errors are printed in one line with a remedy, and leave no files behind.

use std::fs;
use std::process::Output;

use crate::fixtures::{CPU, narrow, photos, run_in, stderr, stdout};
use crate::reference::fixture;

/// Asserts that the program failed with exit code 1 and one error line, that hints follow it on
/// lines of their own, and that these lines contain all `parts`.
#[track_caller]
pub fn assert_error(output: &Output, parts: &[&str]) {
    let message = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    let lines: Vec<_> = message.lines().filter(|line| !line.starts_with("warning: ")).collect();
    let [error, hints @ ..] = lines.as_slice() else { panic!("no error: {message}") };
    assert!(error.starts_with("error: "), "{message}");
    assert!(hints.iter().all(|line| line.starts_with("hint: ")), "{message}");
    for part in parts {
        assert!(lines.iter().any(|line| line.contains(part)), "`{part}` is not in: {message}");
    }
}

#[test]
fn errors_are_one_line_with_a_remedy() {
    let folder = photos(2);
    let place = folder.path();
    fs::write(place.join("words.pth"), "no weights").unwrap();
    for class in ["a", "b"] {
        fs::create_dir_all(place.join("broken").join(class)).unwrap();
        fs::write(place.join("broken").join(class).join("1.jpg"), "no image").unwrap();
        fs::write(place.join("broken").join(class).join("2.jpg"), "no image").unwrap();
    }
    fs::create_dir_all(place.join("lonely/one")).unwrap();
    fs::write(place.join("lonely/one/1.jpg"), "").unwrap();
    fs::create_dir_all(place.join("nothing")).unwrap();
    fs::create_dir_all(place.join("half/full")).unwrap();
    fs::create_dir_all(place.join("half/empty")).unwrap();
    fs::write(place.join("half/full/1.jpg"), "").unwrap();

    let train = |data: &str, more: &[&str]| {
        run_in(place, [&["train", data, "--out", "run"], more].concat())
    };
    let with = |file: &str, backbone: &str| {
        train("photos", &["--weights", file, "--backbone", backbone, "--device", CPU])
    };
    let narrow_file = fixture("narrow.pth");
    let narrow_file = narrow_file.to_str().unwrap();

    // The photos.
    let w = ["--weights", narrow_file, "--backbone", "resnet18-w4", "--device", CPU];
    assert_error(&train("absent", &w), &["`absent` cannot be opened", "No such file"]);
    assert_error(&train("words.pth", &w), &["`words.pth` is neither a folder nor a table"]);
    assert_error(&train("nothing", &w), &["no photo in `nothing`", "nothing/<class>/*.jpg"]);
    assert_error(&train("lonely", &w), &["only one class, `one`", "at least two"]);
    assert_error(&train("half", &w), &["half/empty` holds no photo"]);
    assert_error(&train("broken", &w), &["no photo of the class `a` could be decoded"]);

    // The weights.
    assert_error(
        &train("photos", &["--backbone", "resnet18-w8"]),
        &["no published weights for resnet18-w8", "--weights"],
    );
    assert_error(&with("absent.pth", "resnet18"), &["`absent.pth` cannot be read", "No such file"]);
    assert_error(&with("words.pth", "resnet18"), &["`words.pth` is not a weights file"]);
    assert_error(
        &with(narrow_file, "resnet18"),
        &["does not hold resnet18", "bn1.bias: expected [64], found [4]"],
    );
    let bad = fixture("mismatched.pth");
    assert_error(
        &with(bad.to_str().unwrap(), "resnet18-w4"),
        &["conv1.weight: expected [4, 3, 7, 7], found [4, 3, 5, 5]", "missing", "surprise [7]"],
    );

    // The device.
    let on = |device: &str| {
        train(
            "photos",
            &["--weights", narrow_file, "--backbone", "resnet18-w4", "--device", device],
        )
    };
    if cfg!(feature = "cuda") {
        if kindling::device::resolve("cuda".parse().unwrap()).is_err() {
            assert_error(&on("cuda"), &["there is no cuda device", CPU]);
        }
    } else {
        assert_error(&on("cuda"), &["no cuda backend", "--features cuda", CPU]);
    }
    if cfg!(feature = "wgpu") {
        assert_error(&on("wgpu:99"), &["wgpu", "available: ", CPU]);
    }
    if !cfg!(feature = "ndarray") {
        assert_error(&on("ndarray"), &["no ndarray backend", "--features ndarray"]);
    }

    // The model.
    let predict = |model: &str| run_in(place, ["predict", model, "photos/val", "--device", CPU]);
    assert_error(&predict("absent"), &["there is no model at `absent`"]);
    assert_error(&predict("photos"), &["`photos` is not a run folder", "config.toml"]);
    assert_error(&predict("words.pth"), &["`words.pth` is not a weights file"]);
    assert_error(
        &run_in(place, ["predict", narrow_file, "nothing", "--device", CPU]),
        &["no photo in `nothing`"],
    );
    assert!(!place.join("run").exists(), "no failed run leaves anything behind");
    let hidden = fs::read_dir(place)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'))
        .count();
    assert_eq!(hidden, 0);
}

#[test]
fn wrong_usage_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        vec![],
        vec!["paint"],
        vec!["train"],
        vec!["train", "photos", "--epochs", "0"],
        vec!["train", "photos", "--lr", "-1"],
        vec!["train", "photos", "--lr", "nan"],
        vec!["train", "photos", "--val-split", "1"],
        vec!["train", "photos", "--val", "other"],
        vec!["train", "photos", "--device", "gpu"],
        vec!["train", "photos", "--backbone", "resnet50"],
        vec!["predict", "model"],
    ] {
        let output = run_in(folder.path(), &args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    }
    let output = run_in(folder.path(), ["train", "photos", "--backbone", "resnet50"]);
    assert!(stderr(&output).contains("there are resnet18, resnet34, efficientnet-lite0"));
}

#[test]
fn files_that_are_no_photos_are_skipped_named_and_counted() {
    let folder = photos(3);
    let place = folder.path();
    fs::write(place.join("photos/train/discs/broken.jpg"), "no image").unwrap();
    fs::write(place.join("photos/val/checks/notes.txt"), "words").unwrap();
    let args = ["train", "photos", "--epochs", "2", "--out", "run"].map(String::from);
    let output = run_in(place, args.into_iter().chain(narrow()));
    let message = stderr(&output);
    assert!(message.contains("broken.jpg`: it is not a JPEG, PNG, WebP, BMP, GIF"), "{message}");
    assert!(message.contains("notes.txt`: it is not a picture"), "{message}");
    assert_eq!(message.lines().count(), 2);
    assert!(stdout(&output).contains("skipped   2 files"));

    let scores = crate::fixtures::json(&run_in(
        place,
        ["evaluate", "run", "photos", "--json", "--device", CPU],
    ));
    assert_eq!((&scores["images"], &scores["skipped"]), (&9.into(), &1.into()));

    // `predict` continues after a file that it cannot read, reports it in order, and fails at the
    // end.
    let output = run_in(
        place,
        [
            "predict",
            "run",
            "photos/train/discs/000.png",
            "absent.jpg",
            "photos/train/discs",
            "--json",
            "--device",
            CPU,
        ],
    );
    assert_error(&output, &["2 of 6 files could not be read"]);
    let lines = crate::fixtures::json_lines(&String::from_utf8(output.stdout).unwrap());
    let errors: Vec<bool> = lines.iter().map(|line| line.get("error").is_some()).collect();
    assert_eq!(errors, [false, true, false, false, false, true]);
    assert!(lines[5]["path"].as_str().unwrap().ends_with("broken.jpg"));
}

#[test]
fn an_existing_run_is_refused_before_any_work_is_done() {
    let folder = photos(2);
    let place = folder.path();
    let train = |more: &[&str]| {
        let args = ["train", "photos", "--epochs", "1", "--out", "run"];
        run_in(place, args.iter().chain(more).map(|arg| arg.to_string()).chain(narrow()))
    };
    stdout(&train(&[]));
    let refused = train(&[]);
    assert_error(&refused, &["`run` already holds a run", "--force"]);
    assert!(refused.stdout.is_empty());
    stdout(&train(&["--force"]));
    assert_error(
        &run_in(
            place,
            ["train", "photos", "--out", "photos", "--force"]
                .map(String::from)
                .into_iter()
                .chain(narrow()),
        ),
        &["`photos` already exists and is not a run folder"],
    );
    assert!(place.join("photos/train").exists());
}

#[test]
fn evaluating_strange_classes_names_them_and_the_models() {
    let folder = photos(2);
    let place = folder.path();
    let args = ["train", "photos", "--epochs", "1", "--out", "run"].map(String::from);
    stdout(&run_in(place, args.into_iter().chain(narrow())));
    fs::create_dir_all(place.join("other/horse")).unwrap();
    fs::copy(place.join("photos/val/discs/000.png"), place.join("other/horse/1.png")).unwrap();
    assert_error(
        &run_in(place, ["evaluate", "run", "other", "--device", CPU]),
        &["`horse`", "checks, discs, stripes"],
    );
}

#[test]
fn what_the_build_leaves_out_is_one_line_that_names_the_cargo_feature() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], part: &str, feature: &str| {
        let feature = format!("`--features {feature}`");
        assert_error(&run_in(folder.path(), args), &["this build", part, &feature]);
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is written");
    };
    // This is checked first: neither the model nor the photos exist.
    if !cfg!(feature = "captions") {
        refused(&["predict", "run", "a.jpg", "--save", "out"], "--save", "captions");
    }
    if !cfg!(feature = "parquet") {
        refused(&["embed", "run", "photos", "--out", "f.parquet"], ".npy", "parquet");
    }
    if !cfg!(feature = "tui") {
        refused(&["train", "photos", "--tui"], "--tui", "tui");
    }
}

#[test]
fn scores_on_the_photos_that_were_trained_on_come_with_a_warning() {
    let folder = photos(4);
    let place = folder.path();
    let args = ["train", "photos/train", "--epochs", "1", "--out", "run"].map(String::from);
    stdout(&run_in(place, args.into_iter().chain(narrow())));
    let on_training_photos = run_in(place, ["evaluate", "run", "photos/train", "--device", CPU]);
    stdout(&on_training_photos);
    assert!(stderr(&on_training_photos).contains("trained on photos of `photos/train`"));
    let on_other_photos = run_in(place, ["evaluate", "run", "photos/val", "--device", CPU]);
    stdout(&on_other_photos);
    assert_eq!(stderr(&on_other_photos), "");
}
