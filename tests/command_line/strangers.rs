//! Photos that are unlike everything that a model was trained on.

use std::fs;
use std::path::Path;

use image::RgbImage;
use serde_json::Value;

use crate::errors::assert_error;
use crate::fixtures::{CPU, json, json_lines, run_in, stderr, stdout, trained};

/// A run on drawings, and `odd.png`, which is like none of them.
fn with_a_stranger() -> tempfile::TempDir {
    let folder = trained(8);
    let odd = RgbImage::from_pixel(80, 80, image::Rgb([255, 0, 0]));
    odd.save(folder.path().join("odd.png")).unwrap();
    folder
}

fn predicted(place: &Path, options: &[&str]) -> Vec<Value> {
    let args = [&["predict", "run", "photos/val", "odd.png", "--json"], options].concat();
    json_lines(&stdout(&run_in(place, args)))
}

#[test]
fn a_photo_of_something_else_is_unknown_and_json_and_csv_always_have_its_score() {
    let folder = with_a_stranger();
    let place = folder.path();
    let lines = predicted(place, &["--device", CPU]);
    for line in &lines {
        let [score, threshold] =
            ["stranger_score", "stranger_threshold"].map(|key| line[key].as_f64().unwrap());
        assert_eq!(line["unknown"], score > threshold, "{line}");
        assert!((0.0..=1.0).contains(&score), "{line}");
    }
    let odd = lines.last().unwrap();
    assert_eq!((&odd["path"], &odd["unknown"]), (&"odd.png".into(), &true.into()), "{odd}");
    let unknown = lines.iter().filter(|line| line["unknown"] == true).count();
    assert!(unknown < lines.len() / 2, "{unknown} of {}", lines.len());
    // `--reject` changes what people read.
    assert_eq!(lines, predicted(place, &["--device", CPU, "--reject"]));

    let args = ["predict", "run", "photos/val", "odd.png", "--device", CPU];
    let csv = stdout(&run_in(place, [&args[..], &["--csv"]].concat()));
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let header: Vec<String> = rows.headers().unwrap().iter().map(String::from).collect();
    assert_eq!(header[3..], ["stranger_score", "unknown", "error"]);
    for (row, line) in rows.records().map(Result::unwrap).zip(&lines) {
        let score: f64 = row[3].parse().unwrap();
        assert!((score - line["stranger_score"].as_f64().unwrap()).abs() < 1e-12);
        assert_eq!(row[4] == *"true", line["unknown"] == true);
    }

    let shown = stdout(&run_in(place, args));
    assert!(!shown.contains("unknown") && !shown.contains("stranger"), "{shown}");
    let shown = stdout(&run_in(place, [&args[..], &["--reject"]].concat()));
    let rejected = shown.lines().filter(|line| line.contains("  unknown ")).count();
    assert_eq!(rejected, unknown, "{shown}");
    let odd = shown.lines().find(|line| line.starts_with("odd.png")).unwrap();
    assert!(odd.contains(", but its stranger score is 0."), "{odd}");
    let total = shown.lines().last().unwrap();
    assert!(total.starts_with("total     25 photos: "), "{total}");
    assert!(total.contains(&format!("{unknown} unknown")), "{total}");
}

#[test]
fn every_device_scores_strangers_alike() {
    let folder = with_a_stranger();
    let scores = |device: &str| -> Vec<f64> {
        let lines = predicted(folder.path(), &["--device", device]);
        lines.iter().map(|line| line["stranger_score"].as_f64().unwrap()).collect()
    };
    let expected = scores("cpu");
    for device in [CPU, "wgpu"] {
        if device == "wgpu" && std::env::var_os("KINDLING_REQUIRE_ADAPTER").is_none() {
            continue;
        }
        for (one, other) in scores(device).iter().zip(&expected) {
            assert!((one - other).abs() < 1e-4, "{device}: {one} {other}");
        }
    }
}

#[test]
fn evaluate_the_summary_and_the_report_count_the_photos_that_would_be_refused() {
    let folder = with_a_stranger();
    let place = folder.path();
    let lines = predicted(place, &["--device", CPU]);
    let unknown = lines[..24].iter().filter(|line| line["unknown"] == true).count();
    let threshold = &lines[0]["stranger_threshold"];
    let scores = json(&run_in(place, ["evaluate", "run", "photos", "--json", "--device", CPU]));
    assert_eq!((&scores["unknown"], &scores["stranger_threshold"]), (&unknown.into(), threshold));
    let summary = fs::read(place.join("run/summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(summary["strangers"]["unknown"], unknown);
    assert_eq!(&summary["strangers"]["stranger_threshold"], threshold);
    let shown = stdout(&run_in(place, ["evaluate", "run", "photos", "--device", CPU]));
    assert!(shown.contains(&format!("\nstrangers {unknown} of 24 photos")), "{shown}");
    let page = fs::read_to_string(place.join("run/report.html")).unwrap();
    assert!(page.contains(&format!("{unknown} of 24 photos (")), "no section");
    // Twelve photos of the three classes are shown anyway; the farthest have their scores.
    assert_eq!(page.matches("data-stranger-score").count(), 12);
    let card = fs::read_to_string(place.join("run/README.md")).unwrap();
    assert!(
        card.contains("`kindling predict RUN PHOTO --reject` says `unknown` instead"),
        "{card}"
    );
}

#[test]
fn without_usable_neighbours_there_is_no_score_and_reject_says_why() {
    let folder = with_a_stranger();
    let place = folder.path();
    let reject =
        |model: &str| run_in(place, ["predict", model, "odd.png", "--reject", "--device", CPU]);
    assert_error(
        &reject("run/model.safetensors"),
        &["`run/model.safetensors` has no stranger scores", "give a run folder"],
    );
    // The neighbours of another run.
    let other = ["train", "photos", "--out", "other", "--quiet", "--seed", "9", "--epochs", "2"];
    let other = other.map(String::from).into_iter().chain(crate::fixtures::narrow());
    stdout(&run_in(place, other));
    let file = place.join("run/neighbours.safetensors");
    fs::copy(place.join("other/neighbours.safetensors"), &file).unwrap();
    let output = run_in(place, ["predict", "run", "odd.png", "--json", "--device", CPU]);
    assert!(stderr(&output).contains("belongs to another model"), "{}", stderr(&output));
    assert_eq!(json(&output).get("stranger_score"), None);
    assert_error(&reject("run"), &["`run` has no stranger scores", "train again"]);
    // As in a run of an older version.
    fs::remove_file(&file).unwrap();
    let output = run_in(place, ["predict", "run", "odd.png", "--csv", "--device", CPU]);
    assert_eq!(stderr(&output), "");
    assert!(stdout(&output).starts_with("path,class,probability,error\n"));
    assert_error(&reject("run"), &["`run` has no stranger scores"]);
}

#[test]
fn an_onnx_export_of_a_run_has_the_score_unless_it_is_left_out() {
    let folder = trained(3);
    let export = |options: &[&str]| {
        let args = ["export", "run", "--out", "model.onnx", "--force"];
        let shown = stdout(&run_in(folder.path(), [&args[..], options].concat()));
        let file = fs::read(folder.path().join("model.onnx")).unwrap();
        let has_score = file.windows(14).any(|bytes| bytes == b"stranger_score");
        assert_eq!(has_score, shown.contains("strangers second output"), "{shown}");
        has_score
    };
    assert!(export(&[]) && export(&["--f16"]));
    assert!(!export(&["--no-stranger-score"]));
}
