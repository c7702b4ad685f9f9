//! Honest figures: intervals, calibration and the predictions of a run.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::fixtures::{CPU, json, json_lines, narrow, photos, run_in, stderr, stdout};

/// Trains a model that is too confident: a quarter of the validation photos are in a wrong folder.
fn overconfident(place: &Path, out: &str) {
    for (class, other) in [("checks", "discs"), ("discs", "stripes"), ("stripes", "checks")] {
        let folder = place.join("photos/val");
        for number in [0, 4, 9] {
            let name = format!("{number:03}.png");
            let moved = folder.join(other).join(format!("{class}-{name}"));
            fs::rename(folder.join(class).join(&name), moved).unwrap();
        }
    }
    let args = ["train", "photos", "--out", out, "--epochs", "60", "--lr", "0.1", "--quiet"];
    stdout(&run_in(place, args.map(String::from).into_iter().chain(narrow())));
}

fn summary(run: &Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap()
}

/// The probabilities of all classes, by path and in the order of the classes.
fn probabilities(place: &Path, model: &str, more: &[&str]) -> Vec<(String, Vec<f64>)> {
    let args = ["predict", model, "photos/val", "--json", "--top", "3", "--device", CPU];
    let lines = json_lines(&stdout(&run_in(place, args.iter().chain(more))));
    let row = |line: &Value| {
        let mut top: Vec<(&str, f64)> = line["top"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["class"].as_str().unwrap(), one["probability"].as_f64().unwrap()))
            .collect();
        top.sort_by_key(|one| one.0);
        let path = line["path"].as_str().unwrap().to_owned();
        (path, top.into_iter().map(|one| one.1).collect())
    };
    lines.iter().map(row).collect()
}

#[test]
fn the_temperature_of_an_overconfident_model_is_applied_everywhere_unless_not_wanted() {
    let folder = photos(12);
    let place = folder.path();
    overconfident(place, "run");
    let calibration = &summary(&place.join("run"))["calibration"];
    let temperature = calibration["temperature"].as_f64().unwrap();
    assert!(calibration["applied"] == true && temperature > 1.0, "{calibration}");
    assert!(calibration["interval"][0].as_f64().unwrap() > 1.0, "{calibration}");
    let error = |name: &str| calibration[name].as_f64().unwrap();
    assert!(error("error_after") < error("error_before"), "{calibration}");
    assert!(error("error_of_a_perfect_model") > 0.0);

    // p^(1/T), normalised.
    let calibrated = probabilities(place, "run", &[]);
    let raw = probabilities(place, "run", &["--no-calibration"]);
    for ((path, calibrated), (other, raw)) in calibrated.iter().zip(&raw) {
        assert_eq!(path, other);
        let powers: Vec<f64> = raw.iter().map(|share| share.powf(1.0 / temperature)).collect();
        for (found, power) in calibrated.iter().zip(&powers) {
            assert!((found - power / powers.iter().sum::<f64>()).abs() < 1e-4, "{path}");
        }
    }

    // Exports hold it in their weights.
    for (file, more, expected) in
        [("a.safetensors", None, &calibrated), ("b.safetensors", Some("--no-calibration"), &raw)]
    {
        stdout(&run_in(place, ["export", "run", "--out", file].into_iter().chain(more)));
        for ((_, found), (path, expected)) in probabilities(place, file, &[]).iter().zip(expected) {
            assert!(
                found.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-5),
                "{path}"
            );
        }
    }

    // The table of the run has the same probabilities.
    let table = fs::read(place.join("run/predictions.csv")).unwrap();
    let rows: Vec<csv::StringRecord> =
        csv::Reader::from_reader(table.as_slice()).records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 36);
    for row in &rows {
        let (_, found) = calibrated.iter().find(|(path, _)| *path == row[0]).unwrap();
        let [label, predicted] = [2, 3].map(|column| {
            ["checks", "discs", "stripes"].iter().position(|name| *name == &row[column]).unwrap()
        });
        assert!(row[0].contains(&format!("/{}/", &row[2])) && &row[1] == "val");
        assert!((row[4].parse::<f64>().unwrap() - found[predicted]).abs() < 1e-4);
        assert!((row[5].parse::<f64>().unwrap() - found[label]).abs() < 1e-4);
    }

    let evaluate = |more: &[&str]| {
        let args = ["evaluate", "run", "photos", "--json", "--no-report", "--device", CPU];
        json(&run_in(place, args.iter().chain(more)))
    };
    let (with, without) = (evaluate(&[]), evaluate(&["--no-calibration"]));
    assert_eq!(with["accuracy"], without["accuracy"]);
    assert!(with["loss"].as_f64().unwrap() < without["loss"].as_f64().unwrap());
    let after = with["calibration"]["error_after"].as_f64().unwrap();
    assert!((after - error("error_after")).abs() < 1e-3, "{with}");
    assert_eq!(without["calibration"]["temperature"], Value::Null);
    for name in ["accuracy", "balanced_accuracy", "macro_f1", "loss"] {
        let interval = &with[format!("{name}_interval")];
        let [low, high] = [0, 1].map(|end| interval[end].as_f64().unwrap());
        assert!(low < high, "{name}: {interval}");
        if let Some(score) = with[name].as_f64() {
            assert!(low <= score && score <= high, "{name}: {score} {interval}");
        }
    }
    let page = fs::read_to_string(place.join("run/report.html")).unwrap();
    assert!(page.contains(&format!("The logits are divided by the temperature {temperature:.3}")));
    assert!(page.contains("These photos also chose the epoch that was kept"));
}

#[test]
fn the_finished_model_is_tested_with_intervals_and_the_photos_are_in_the_table() {
    let folder = photos(4);
    let place = folder.path();
    let args = ["train", "--train", "photos/train", "--val", "photos/val", "--test", "photos/val"];
    let more = ["--out", "run", "--epochs", "5", "--lr", "0.03"];
    let words = args.into_iter().chain(more).map(String::from).chain(narrow());
    let message = stdout(&run_in(place, words));
    assert!(!message.contains("they chose the epoch"), "{message}");
    let test = &summary(&place.join("run"))["test"];
    let interval = &test["accuracy_interval"];
    let accuracy = test["accuracy"].as_f64().unwrap();
    assert!(interval[0].as_f64().unwrap() <= accuracy, "{test}");
    assert!(test["calibration"]["error_before"].is_number(), "{test}");
    let table = fs::read_to_string(place.join("run/predictions.csv")).unwrap();
    let of_part = |part: &str| table.lines().filter(|line| line.contains(part)).count();
    assert_eq!((of_part(",val,"), of_part(",test,")), (12, 12), "{table}");
}

#[test]
fn the_terminal_says_that_the_epoch_was_chosen_on_the_validation_photos() {
    let folder = photos(2);
    let train = |epochs: &str, out: &str| {
        let args = ["train", "photos", "--out", out, "--epochs", epochs];
        stdout(&run_in(folder.path(), args.map(String::from).into_iter().chain(narrow())))
    };
    assert!(train("2", "two").contains("they chose the epoch, which flatters"));
    assert!(!train("1", "one").contains("they chose the epoch"));
}

#[test]
fn a_users_own_predictions_csv_in_a_run_survives_train_force() {
    let folder = photos(2);
    let place = folder.path();
    let train = |more: &[&str]| {
        let args = ["train", "photos", "--out", "run", "--epochs", "1"];
        run_in(place, args.iter().chain(more).map(ToString::to_string).chain(narrow()))
    };
    stdout(&train(&[]));
    let table = place.join("run/predictions.csv");
    assert!(fs::read_to_string(&table).unwrap().starts_with("path,part,label,predicted,"));
    // The run's own table is replaced with the run.
    stdout(&train(&["--force"]));
    // As `kindling predict --csv` writes it.
    let own = "path,class,probability,error\na.jpg,cat,0.9,\n";
    fs::write(&table, own).unwrap();
    let model = fs::read(place.join("run/model.safetensors")).unwrap();
    let refused = train(&["--force"]);
    assert_eq!(refused.status.code(), Some(1));
    let message = stderr(&refused);
    assert!(message.contains("holds a run and also `predictions.csv`"), "{message}");
    assert_eq!(fs::read_to_string(&table).unwrap(), own);
    assert_eq!(fs::read(place.join("run/model.safetensors")).unwrap(), model);
}

#[test]
fn the_learning_curve_is_in_the_summary_the_terminal_and_the_report() {
    let folder = photos(30);
    let place = folder.path();
    let args = ["train", "photos", "--out", "run", "--epochs", "2", "--lr", "0.03"];
    let message = stdout(&run_in(place, args.map(String::from).into_iter().chain(narrow())));
    let outlook = message.lines().find_map(|line| line.strip_prefix("outlook   ")).unwrap();
    assert!(outlook.contains("(180)") && outlook.contains("95 % interval"), "{outlook}");
    let curve = &summary(&place.join("run"))["learning_curve"];
    let points = curve["points"].as_array().unwrap();
    let photos: Vec<u64> = points.iter().map(|point| point["photos"].as_u64().unwrap()).collect();
    assert_eq!(photos, [9, 18, 45, 90]);
    let draws: Vec<u64> = points.iter().map(|point| point["draws"].as_u64().unwrap()).collect();
    assert_eq!(draws, [5, 5, 5, 1]);
    for point in points {
        let accuracy = point["accuracy"].as_f64().unwrap();
        let interval = &point["accuracy_interval"];
        let [low, high] = [0, 1].map(|end| interval[end].as_f64().unwrap());
        assert!(low <= accuracy && accuracy <= high, "{point}");
    }
    assert_eq!(curve["doubled"]["photos"], 180);
    let page = fs::read_to_string(place.join("run/report.html")).unwrap();
    assert!(page.contains("id=\"learning-curve\"") && page.contains(&outlook[1..]), "{outlook}");
}
