//! The options of `train` about the head.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::fixtures::{CPU, json, narrow, photos, run_in, stderr, stdout};

/// Trains `run` on `photos`, and returns what the command printed and the summary.
fn train(place: &Path, more: &[&str]) -> (String, Value) {
    let args = ["train", "photos", "--out", "run", "--force", "--epochs", "5", "--lr", "0.03"];
    let args = args.iter().chain(more).map(|arg| arg.to_string());
    let message = stdout(&run_in(place, args.chain(narrow())));
    let summary = fs::read(place.join("run/summary.json")).unwrap();
    (message, serde_json::from_slice(&summary).unwrap())
}

/// The rows of a table of the run, without the header.
fn table(place: &Path, name: &str, header: &str) -> Vec<Vec<String>> {
    let mut table = csv::Reader::from_path(place.join("run").join(name)).unwrap();
    assert_eq!(table.headers().unwrap().iter().collect::<Vec<_>>().join(","), header);
    table.records().map(|row| row.unwrap().iter().map(String::from).collect()).collect()
}

#[test]
fn folds_predict_each_photo_once_and_give_the_mean_and_the_spread() {
    let folder = photos(6);
    let place = folder.path();
    let (message, summary) = train(place, &["--folds", "3"]);
    let rows = table(place, "folds.csv", "path,part,label,fold,predicted,probability,of_label");
    assert_eq!(rows.len(), 36);
    let mut accuracies = Vec::new();
    for fold in ["1", "2", "3"] {
        let of_fold: Vec<_> = rows.iter().filter(|row| row[3] == fold).collect();
        assert_eq!(of_fold.len(), 12, "the folds are equally large");
        for class in ["checks", "discs", "stripes"] {
            assert_eq!(of_fold.iter().filter(|row| row[2] == class).count(), 4);
        }
        let right = of_fold.iter().filter(|row| row[2] == row[4]).count();
        accuracies.push(right as f64 / 12.0);
    }
    let mean = accuracies.iter().sum::<f64>() / 3.0;
    let variance = accuracies.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / 2.0;
    let found = |field: &str| summary["folds"]["accuracy"][field].as_f64().unwrap();
    assert!(
        (found("mean") - mean).abs() < 1e-9 && (found("deviation") - variance.sqrt()).abs() < 1e-9
    );
    let line =
        format!("folds     3 of 36 photos, mean and standard deviation: accuracy {mean:.4} ± ");
    assert!(message.contains(&line), "{message}");
    for row in &rows {
        let [probability, of_label] = [5, 6].map(|at: usize| row[at].parse::<f64>().unwrap());
        assert!((0.0..=1.0).contains(&of_label) && of_label <= probability && probability <= 1.0);
    }
}

#[test]
fn refit_keeps_the_figures_and_trains_on_all_photos() {
    let folder = photos(6);
    let place = folder.path();
    let (_, before) = train(place, &[]);
    let first = fs::read(place.join("run/model.safetensors")).unwrap();
    let (message, after) = train(place, &["--refit"]);
    assert!(message.contains("refit     on the 36 training and validation photos"), "{message}");
    assert!(first != fs::read(place.join("run/model.safetensors")).unwrap(), "another head");
    for field in ["val_loss", "val_accuracy", "epoch"] {
        assert_eq!(before["best_epoch"][field], after["best_epoch"][field]);
    }
    assert_eq!((&before["refit_photos"], &after["refit_photos"]), (&Value::Null, &36.into()));
    let page = fs::read_to_string(place.join("run/report.html")).unwrap();
    assert!(page.contains("by the head before it was trained on these photos too"));
    let card = fs::read_to_string(place.join("run/README.md")).unwrap();
    assert!(card.contains("trained again on all 36 training and validation photos"), "{card}");
    // Scores on the validation photos are too good from now on, and that is said.
    let evaluated = run_in(place, ["evaluate", "run", "photos", "--device", CPU, "--no-report"]);
    assert!(stderr(&evaluated).contains("the model was trained on photos of"), "{evaluated:?}");
    let report = run_in(place, ["report", "run", "--device", CPU, "--quiet"]);
    assert!(!report.status.success() && stderr(&report).contains("(--refit)"), "{report:?}");
    assert_eq!(fs::read_to_string(place.join("run/report.html")).unwrap(), page);
}

#[test]
fn the_penalty_is_chosen_on_the_training_photos_alone() {
    let folder = photos(6);
    let place = folder.path();
    let (message, summary) = train(place, &["--head", "auto"]);
    let c = summary["selection"]["c"].as_f64().unwrap();
    assert!(message.contains(&format!("model     run (C = {c})")), "{message}");
    assert!(!message.contains("epoch"), "{message}");
    assert_eq!((&summary["selection"]["photos"], &summary["epochs"]), (&18.into(), &1.into()));
    let candidates = summary["selection"]["candidates"].as_array().unwrap();
    let loss = |candidate: &Value| candidate["loss"].as_f64().unwrap();
    let best = candidates.iter().min_by(|one, other| loss(one).total_cmp(&loss(other))).unwrap();
    assert_eq!(best["c"].as_f64(), Some(c));
    // Other validation photos do not change the choice or the head.
    let model = fs::read(place.join("run/model.safetensors")).unwrap();
    for class in ["checks", "discs", "stripes"] {
        fs::remove_file(place.join(format!("photos/val/{class}/000.png"))).unwrap();
    }
    let (_, again) = train(place, &["--head", "auto"]);
    assert_eq!(again["selection"], summary["selection"]);
    let tensors = |bytes: &[u8]| {
        let tensors = safetensors::SafeTensors::deserialize(bytes).unwrap();
        tensors.tensor("fc.weight").unwrap().data().to_vec()
    };
    assert_eq!(tensors(&model), tensors(&fs::read(place.join("run/model.safetensors")).unwrap()));
    let report = stdout(&run_in(place, ["report", "run", "--device", CPU]));
    assert!(report.contains("report    run"), "{report}");
    let page = fs::read_to_string(place.join("run/report.html")).unwrap();
    assert!(page.contains("auto: C = ") && !page.contains("<section id=\"curves\">"));
}

#[test]
fn a_photo_in_the_wrong_folder_is_suspected_even_if_it_was_trained_on() {
    let folder = photos(8);
    let place = folder.path();
    // A disc among the checks that are trained on, and stripes among the discs that are not.
    for (from, to) in [
        ("train/discs/000.png", "train/checks/odd.png"),
        ("val/stripes/000.png", "val/discs/odd.png"),
    ] {
        fs::rename(place.join("photos").join(from), place.join("photos").join(to)).unwrap();
    }
    let (message, summary) = train(place, &[]);
    let header = "path,part,label,suggested,probability,of_label,margin";
    let rows = table(place, "suspects.csv", header);
    assert_eq!(summary["suspects"].as_u64(), Some(rows.len() as u64));
    for (part, label) in [("train", "checks"), ("val", "discs")] {
        let is_it = |row: &&Vec<String>| row[0].ends_with("odd.png") && row[1] == part;
        let row = rows.iter().find(is_it).unwrap_or_else(|| panic!("{part}: {rows:?}"));
        assert!(row[2] == label && row[3] != label, "{row:?}");
        let [probability, of_label, margin] =
            [4, 5, 6].map(|at: usize| row[at].parse::<f64>().unwrap());
        assert!((probability - of_label - margin).abs() < 1e-9);
    }
    let margins: Vec<f64> = rows.iter().map(|row| row[6].parse().unwrap()).collect();
    assert!(margins.is_sorted_by(|one, next| one >= next), "{margins:?}");
    assert!(message.contains("of 48 photos may be in the wrong class"), "{message}");
    // The report lists them in the same order, and so does `kindling report`.
    let listed = |page: &str| -> Vec<String> {
        let list = page.split("<pre id=\"suspects\">").nth(1).unwrap().split('<').next().unwrap();
        list.lines().map(|line| line.rsplit("photos/").next().unwrap().to_owned()).collect()
    };
    let page = || fs::read_to_string(place.join("run/report.html")).unwrap();
    let first = listed(&page());
    let expected: Vec<_> =
        rows.iter().map(|row| row[0].rsplit("photos/").next().unwrap()).collect();
    assert_eq!(first, expected);
    stdout(&run_in(place, ["report", "run", "--device", CPU]));
    assert_eq!(listed(&page()), first);
}

#[test]
fn classes_of_different_sizes_come_with_the_means_over_the_classes() {
    let folder = photos(6);
    let place = folder.path();
    for part in ["train", "val"] {
        for index in 2..6 {
            fs::remove_file(place.join(format!("photos/{part}/discs/{index:03}.png"))).unwrap();
        }
    }
    let (message, summary) =
        train(place, &["--class-weights", "balanced", "--label-smoothing", "0.1"]);
    assert!(message.contains("mean over the classes: recall (balanced accuracy) "), "{message}");
    let scores = json(&run_in(
        place,
        ["evaluate", "run", "photos", "--json", "--device", CPU, "--no-report"],
    ));
    for field in ["balanced_accuracy", "macro_f1"] {
        let (one, other) = (scores[field].as_f64().unwrap(), summary[field].as_f64().unwrap());
        assert!((one - other).abs() < 1e-9, "{field}: {one} {other}");
    }
    let recalls: f64 = scores["per_class"]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| class["recall"].as_f64().unwrap())
        .sum();
    assert!((scores["balanced_accuracy"].as_f64().unwrap() - recalls / 3.0).abs() < 1e-9);
    let config = fs::read_to_string(place.join("run/config.toml")).unwrap();
    assert!(
        config.contains("class_weights = \"balanced\"") && config.contains("label_smoothing = 0.1")
    );
    let page = fs::read_to_string(place.join("run/report.html")).unwrap();
    assert!(page.contains("data-figure=\"macro F1\"") && page.contains("class weights"));
}

#[test]
fn impossible_options_of_the_head_are_refused() {
    let folder = photos(2);
    for (options, message) in [
        (["--folds", "1"], "1 is not in 2..=100"),
        (["--label-smoothing", "1"], "from 0 to below 1"),
        (["--label-smoothing", "nan"], "from 0 to below 1"),
        (["--class-weights", "some"], "possible values: none, balanced"),
        (["--monitor", "f2"], "possible values: accuracy, macro-f1, loss"),
    ] {
        let output = run_in(folder.path(), ["train", "photos"].iter().chain(&options));
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
    // Two photos a class in five folds: some are empty.
    let folds = train(folder.path(), &["--head", "auto", "--folds", "5"]).1;
    assert!(folds["folds"]["folds"].as_u64().unwrap() >= 2, "{folds}");
}
