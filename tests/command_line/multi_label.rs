//! Photos with several labels, from the table to the predictions.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

use crate::fixtures::{CPU, json, json_lines, narrow, run_in, stderr, stdout};

/// The classes of the photos.
const CLASSES: [&str; 2] = ["checks", "stripes"];

/// A photo with checks above, stripes below, both or neither.
fn draw(labels: &[usize], seed: usize) -> RgbImage {
    let (width, height) = (70 + (seed * 7 % 31) as u32, 70 + (seed * 11 % 29) as u32);
    let (period, tint) = (5 + (seed % 4) as u32, (seed * 37 % 61) as u8);
    RgbImage::from_fn(width, height, |x, y| {
        let is_above = y < height / 2;
        let on = match (is_above, labels.contains(&usize::from(!is_above))) {
            (_, false) => false,
            (true, true) => (x / period + y / period).is_multiple_of(2),
            (false, true) => (x / period).is_multiple_of(2),
        };
        if on { Rgb([230, 200 - tint, 60]) } else { Rgb([30, 40 + tint, 90]) }
    })
}

/// A temporary folder with `labels.csv`, and a table `columns.csv` of 0 and 1 with the same labels:
/// photos to train on, to validate on and to test on.
fn scenes() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut labels = String::from("path,label,split\n");
    let mut columns = String::from("path,checks,stripes,split\n");
    let sets: [&[usize]; 4] = [&[], &[0], &[1], &[0, 1]];
    for (part, each) in [("train", 12), ("val", 8), ("test", 5)] {
        fs::create_dir(folder.path().join(part)).unwrap();
        for seed in 0..each * sets.len() {
            let set = sets[seed % sets.len()];
            let name = format!("{part}/{seed:03}.png");
            draw(set, seed + 1000 * part.len()).save(folder.path().join(&name)).unwrap();
            let names: Vec<&str> = set.iter().map(|class| CLASSES[*class]).collect();
            labels += &format!("{name},{},{part}\n", names.join(";"));
            let [checks, stripes] = [0, 1].map(|class| u8::from(set.contains(&class)));
            columns += &format!("{name},{checks},{stripes},{part}\n");
        }
    }
    fs::write(folder.path().join("labels.csv"), labels).unwrap();
    fs::write(folder.path().join("columns.csv"), columns).unwrap();
    folder
}

fn train(place: &Path, args: &[&str]) -> std::process::Output {
    let common = ["train", "--epochs", "40", "--lr", "0.03"];
    let args = common.iter().chain(args).map(|arg| (*arg).to_owned());
    run_in(place, args.chain(narrow()))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is a number"))
}

#[test]
fn several_labels_are_trained_scored_and_predicted_alike() {
    let folder = scenes();
    let place = folder.path();
    let trained = train(place, &["labels.csv", "--label-separator", ";", "--out", "run"]);
    let message = stdout(&trained);
    for part in ["25 photos with more than one", "validation mean average precision", "test mean"] {
        assert!(message.contains(part), "{message}\n{}", stderr(&trained));
    }
    let summary: Value =
        serde_json::from_slice(&fs::read(place.join("run/summary.json")).unwrap()).unwrap();
    let (validation, test) =
        (&summary["multi_label"]["validation"], &summary["multi_label"]["test"]);
    assert_eq!((&validation["images"], &test["images"]), (&32.into(), &20.into()));
    assert!(number(&validation["mean_average_precision"]) > 0.9, "{validation}");
    assert!(number(&test["macro_f1"]) > 0.7, "{test}");
    let interval = &validation["macro_f1_interval"];
    assert!(number(&interval[0]) <= number(&validation["macro_f1"]));

    // The same photos again, with the labels in columns.
    let args = ["evaluate", "run", "columns.csv", "--json", "--device", CPU];
    let evaluated = json(&run_in(place, args));
    assert_eq!(evaluated["task"], "multi-label");
    for figure in ["images", "exact_match", "hamming_loss", "macro_f1", "per_class"] {
        assert_eq!(evaluated[figure], validation[figure], "{figure}");
    }
    for one in evaluated["per_class"].as_array().unwrap() {
        let counts: Vec<Vec<u64>> = serde_json::from_value(one["confusion"].clone()).unwrap();
        assert_eq!(counts.iter().flatten().sum::<u64>(), 32);
        assert_eq!(counts[1].iter().sum::<u64>(), 16);
        assert_eq!(number(&one["recall"]), counts[1][1] as f64 / 16.0);
    }

    // Predictions are those of predictions.csv, and agree with the thresholds.
    let args = ["predict", "run", "val", "--json", "--device", CPU];
    let lines = json_lines(&stdout(&run_in(place, args)));
    let table = fs::read_to_string(place.join("run/predictions.csv")).unwrap();
    assert!(table.starts_with("path,part,label,predicted,probability,of_label,p(checks),"));
    for line in &lines {
        let shown: Vec<&str> = line["classes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|class| {
                let is_present = class["present"].as_bool().unwrap();
                let reached = number(&class["probability"]) >= number(&class["threshold"]);
                assert_eq!(is_present, reached, "{line}");
                is_present
            })
            .map(|class| class["class"].as_str().unwrap())
            .collect();
        let file = line["path"].as_str().unwrap().rsplit('/').next().unwrap();
        let row = table.lines().find(|row| row.contains(&format!("val/{file},val,"))).unwrap();
        assert_eq!(row.split(',').nth(3).unwrap(), shown.join("|"), "{row}");
    }
    let people = stdout(&run_in(place, ["predict", "run", "val", "--device", CPU]));
    assert!(people.contains("  none\n") && people.contains(" none"), "{people}");
    let csv = stdout(&run_in(place, ["predict", "run", "val", "--csv", "--device", CPU]));
    assert!(csv.starts_with("path,class,probability,labels,"), "{csv}");

    // The report, of the run and of other photos.
    let page = || fs::read_to_string(place.join("run/report.html")).unwrap();
    for part in ["id=\"precision-recall\"", "mean average precision", "id=\"galleries\""] {
        assert!(page().contains(part), "{part}");
    }
    let card = fs::read_to_string(place.join("run/README.md")).unwrap();
    assert!(card.contains("multi-label-classification") && card.contains("| checks |"), "{card}");
    fs::remove_file(place.join("run/report.html")).unwrap();
    stdout(&run_in(place, ["report", "run", "--device", CPU]));
    assert!(page().contains("32 validation photos"));
}

#[test]
fn an_exported_model_of_several_labels_keeps_its_thresholds() {
    let folder = scenes();
    let place = folder.path();
    stdout(&train(place, &["columns.csv", "--out", "run", "--quiet"]));
    let predict = |model: &str| {
        let lines = stdout(&run_in(place, ["predict", model, "val", "--json", "--device", CPU]));
        json_lines(&lines)
    };
    let of_run = predict("run");
    for file in ["model.safetensors", "model.bpk"] {
        let said = stdout(&run_in(place, ["export", "run", "--out", file]));
        assert!(said.contains("labels:   the sigmoid"), "{said}");
        for (one, other) in of_run.iter().zip(predict(file)) {
            for (one, other) in
                one["classes"].as_array().unwrap().iter().zip(other["classes"].as_array().unwrap())
            {
                assert_eq!(one["threshold"], other["threshold"], "{file}");
                assert!((number(&one["probability"]) - number(&other["probability"])).abs() < 1e-4);
            }
        }
    }
    stdout(&run_in(place, ["export", "run", "--out", "model.onnx"]));
    let onnx = fs::read(place.join("model.onnx")).unwrap();
    for text in ["multi-label", "thresholds", "the sigmoid of each is the probability"] {
        assert!(onnx.windows(text.len()).any(|part| part == text.as_bytes()), "{text}");
    }
}

#[test]
fn a_model_of_several_labels_takes_class_folders_and_one_of_one_label_no_label_sets() {
    let folder = scenes();
    let place = folder.path();
    stdout(&train(place, &["columns.csv", "--out", "run", "--quiet"]));
    for (class, name) in CLASSES.iter().enumerate() {
        let photos = place.join("folder").join(name);
        fs::create_dir_all(&photos).unwrap();
        for seed in 0..8 {
            draw(&[class], seed).save(photos.join(format!("{seed}.png"))).unwrap();
        }
    }
    let args = ["evaluate", "run", "folder", "--json", "--no-report", "--device", CPU];
    let evaluated = json(&run_in(place, args));
    assert_eq!(evaluated["per_class"][0]["support"], 8);
    assert_eq!(evaluated["images"], 16);

    stdout(&train(place, &["folder", "--out", "one", "--quiet"]));
    let args = ["evaluate", "one", "columns.csv", "--no-report", "--device", CPU];
    let refused = run_in(place, args);
    assert_eq!(refused.status.code(), Some(1));
    let message = stderr(&refused);
    assert!(message.contains("labels") && message.lines().count() <= 2, "{message}");
}
