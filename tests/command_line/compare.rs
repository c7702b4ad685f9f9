//! `kindling compare`

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::fixtures::{json, narrow, photos, run_in, stderr, stdout, trained};

/// The rows of a run's `predictions.csv`.
fn rows(run: &Path) -> Vec<Vec<String>> {
    let bytes = fs::read(run.join("predictions.csv")).unwrap();
    csv::Reader::from_reader(bytes.as_slice())
        .records()
        .map(|row| row.unwrap().iter().map(String::from).collect())
        .collect()
}

/// Copies the run `run` to `name`, with predictions that `change` has changed.
fn copy(place: &Path, name: &str, mut change: impl FnMut(usize, &mut Vec<String>)) {
    let (from, to) = (place.join("run"), place.join(name));
    fs::create_dir(&to).unwrap();
    for file in ["config.toml", "summary.json", "classes.txt", "metrics.csv"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    let mut table = csv::Writer::from_path(to.join("predictions.csv")).unwrap();
    table.write_record("path,part,label,predicted,probability,of_label".split(',')).unwrap();
    for (index, mut row) in rows(&from).into_iter().enumerate() {
        change(index, &mut row);
        table.write_record(&row).unwrap();
    }
    table.flush().unwrap();
}

/// Makes a prediction right, or wrong.
fn set(row: &mut [String], is_right: bool) {
    let label = row[2].clone();
    row[3] = if is_right { label } else { "something else".into() };
    row[4] = "0.9".into();
    row[5] = if is_right { "0.9" } else { "0.1" }.into();
}

/// A run on 36 validation photos, and copies of it that are right about 34, 33 and 20 of them.
fn runs() -> TempDir {
    let folder = trained(12);
    copy(folder.path(), "good", |index, row| set(row, index > 1));
    copy(folder.path(), "similar", |index, row| set(row, index > 2));
    copy(folder.path(), "bad", |index, row| set(row, index > 15));
    folder
}

fn compare(place: &Path, words: &[&str]) -> Value {
    json(&run_in(place, ["compare"].iter().chain(words).chain(&["--json"])))
}

#[test]
fn a_difference_within_noise_is_told_apart_from_a_real_one() {
    let folder = runs();
    let message = stdout(&run_in(folder.path(), ["compare", "similar", "good", "bad"]));
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines[0], "photos    36 validation photos that all runs predicted");
    assert!(lines[3].starts_with("* good     0.9444    0.8186 to 0.9846"), "{message}");
    assert!(lines[4].starts_with("  similar  0.9167") && lines[5].starts_with("  bad      0.5556"));
    for part in [
        "`similar` and `good` differ within noise: only `good` is right about 1 photo, only `similar` about 0",
        "`good` is better than `bad`: by 38.9 points",
        "only `good` is right about 14 photos, only `bad` about 0 (p = 0.0002)",
        "adjusted to 2 comparisons",
        "The runs have the same options.",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let found = compare(folder.path(), &["similar", "good", "bad"]);
    let differences = found["differences"].as_array().unwrap();
    assert_eq!(differences[0]["within_noise"], true);
    assert_eq!(
        (&differences[1]["run"], &differences[1]["within_noise"]),
        (&"bad".into(), &false.into())
    );
    // 2 * 0.5^14, and twice that for two comparisons.
    for (name, expected) in [("p", 2f64.powi(-13)), ("p_adjusted", 2f64.powi(-12))] {
        assert!((differences[1][name].as_f64().unwrap() / expected - 1.0).abs() < 1e-9, "{found}");
    }
    assert_eq!(found["sentences"].as_array().unwrap().len(), 3);
    assert_eq!(found["runs"][0]["best"], true);
}

#[test]
fn two_trained_runs_are_compared_on_their_photos_with_the_options_that_differ() {
    let folder = photos(12);
    let place = folder.path();
    for (out, epochs) in [("short", "1"), ("long", "20")] {
        let args = ["train", "photos", "--out", out, "--epochs", epochs, "--lr", "0.03", "--quiet"];
        stdout(&run_in(place, args.map(String::from).into_iter().chain(narrow())));
    }
    let found = compare(place, &["short", "long"]);
    assert_eq!((&found["part"], &found["photos"]), (&"val".into(), &36.into()));
    let tables = ["short", "long"].map(|run| rows(&place.join(run)));
    let right = |row: &Vec<String>| row[2] == row[3];
    for run in found["runs"].as_array().unwrap() {
        let table = &tables[usize::from(run["run"] == "long")];
        let accuracy = table.iter().filter(|row| right(row)).count() as f64 / 36.0;
        assert_eq!(run["accuracy"].as_f64(), Some(accuracy));
        let loss: f64 = table.iter().map(|row| -row[5].parse::<f64>().unwrap().ln()).sum();
        assert!((run["loss"].as_f64().unwrap() - loss / 36.0).abs() < 1e-9, "{run}");
    }
    let [only_short, only_long] = [(0, 1), (1, 0)].map(|(one, other)| {
        tables[one].iter().zip(&tables[other]).filter(|(a, b)| right(a) && !right(b)).count()
    });
    let difference = &found["differences"][0];
    let counts = [&difference["only_run_right"], &difference["only_best_right"]];
    let expected = match difference["run"] == "short" {
        true => [only_short, only_long],
        false => [only_long, only_short],
    };
    assert_eq!(counts.map(|count| count.as_u64().unwrap() as usize), expected);
    let options = found["options"].as_array().unwrap();
    assert_eq!(options.len(), 1, "{options:?}");
    assert_eq!(options[0]["option"], "epochs");
}

#[test]
fn photos_that_have_moved_are_known_by_their_name_and_label() {
    let folder = runs();
    let place = folder.path();
    copy(place, "moved", |index, row| {
        set(row, index > 15);
        row[0] = format!("/elsewhere/{}", row[0]);
    });
    let found = compare(place, &["good", "moved"]);
    assert_eq!((&found["photos"], &found["matched_by_name"]), (&36.into(), &36.into()));
    assert_eq!(found["differences"][0]["only_best_right"], 14);
    // Names that several photos of a class have say nothing.
    copy(place, "ambiguous", |index, row| {
        set(row, true);
        row[0] = format!("/elsewhere/{index}/same.png");
    });
    let refused = run_in(place, ["compare", "good", "ambiguous"]);
    assert_eq!(refused.status.code(), Some(1));
    let message = stderr(&refused);
    assert!(
        message.contains("`good` and `ambiguous` have no validation photo in common"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.len() < 300, "{message}");
}

#[test]
fn runs_on_different_photos_are_compared_on_the_shared_ones_with_the_same_label() {
    let folder = runs();
    let place = folder.path();
    copy(place, "others", |index, row| {
        set(row, true);
        match index {
            0..10 => row[0] = format!("/new/{index}-new.png"),
            10..13 => row[2] = "relabelled".into(),
            _ => {}
        }
    });
    let found = compare(place, &["good", "others"]);
    assert_eq!((&found["photos"], &found["relabelled"]), (&23.into(), &3.into()));
    let message = stdout(&run_in(place, ["compare", "good", "others"]));
    assert!(message.contains("(of 36, 36); 3 more have different labels"), "{message}");
    assert!(message.contains("are right about the same photos"), "{message}");
}

#[test]
fn runs_of_older_versions_are_compared_unpaired_and_a_warning_says_so() {
    let folder = runs();
    let place = folder.path();
    fs::remove_file(place.join("bad/predictions.csv")).unwrap();
    let output = run_in(place, ["compare", "good", "bad", "--json"]);
    assert!(stderr(&output).contains("`bad` has no predictions.csv"), "{}", stderr(&output));
    let found = json(&output);
    assert_eq!(found["photos"], Value::Null);
    assert!(found["differences"][0].get("only_run_right").is_none(), "{found}");
    // Both have the summary of the same run.
    assert_eq!(found["differences"][0]["p"], 1.0);
    assert!(stdout(&run_in(place, ["compare", "good", "bad"])).contains("not paired"));
}

#[test]
fn what_cannot_be_compared_is_one_clear_error() {
    let folder = runs();
    let place = folder.path();
    fs::write(place.join("bad/predictions.csv"), "path,part,label\n\"").unwrap();
    fs::write(place.join("similar/summary.json"), "{").unwrap();
    for (words, expected) in [
        (vec!["good", "bad"], "is not a table of predictions"),
        (vec!["good", "similar"], "is not a valid run summary"),
        (vec!["good", "photos"], "is not a run folder: it has no config.toml"),
        (vec!["good", "nowhere"], "there is no run at `nowhere`"),
        (vec!["good", "run", "--part", "test"], "`good` has no test photos"),
    ] {
        let output = run_in(place, ["compare"].iter().chain(&words));
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(expected) && message.lines().count() == 1, "{message}");
    }
    assert_eq!(run_in(place, ["compare", "good"]).status.code(), Some(2));
}
