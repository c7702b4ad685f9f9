//! Tables of photos on the command line: every command that takes DATA takes them.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::errors::assert_error;
use crate::fixtures::{CPU, json, narrow, photos, run_in, stderr, stdout};

fn train(place: &Path, args: &[&str]) -> Output {
    let args = [&["train", "--out", "run", "--force", "--epochs", "2"], args].concat();
    run_in(place, args.into_iter().map(String::from).chain(narrow()))
}

fn summary(place: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(place.join("run/summary.json")).unwrap()).unwrap()
}

/// The photos of the data set as rows of a table: `row` makes one from path, part and class.
fn rows(place: &Path, row: impl Fn(&str, &str, &str) -> String) -> String {
    let mut rows = String::new();
    for part in ["train", "val"] {
        for class in ["checks", "discs", "stripes"] {
            let folder = place.join("photos").join(part).join(class);
            for index in 0..fs::read_dir(folder).unwrap().count() {
                rows += &row(&format!("photos/{part}/{class}/{index:03}.png"), part, class);
            }
        }
    }
    rows
}

#[test]
fn a_table_trains_the_same_model_as_its_folder_and_every_command_reads_it() {
    let folder = photos(3);
    let place = folder.path();
    let table = rows(place, |path, part, class| format!("{path},{class},{part}\r\n"));
    fs::write(place.join("labels.csv"), format!("image,category,split\r\n{table}")).unwrap();
    stdout(&train(place, &["photos"]));
    let model = fs::read(place.join("run/model.safetensors")).unwrap();
    let output = train(place, &["labels.csv"]);
    let message = stdout(&output);
    assert!(message.contains("table     18 photos: path `image`, label `category`, split `split`"));
    assert!(message.contains("photos    9 to train on, 9 to validate on, 3 classes"), "{message}");
    assert!(fs::read(place.join("run/model.safetensors")).unwrap() == model, "another model");

    // The run finds its photos again, from every folder.
    let split = fs::read_to_string(place.join("run/split.csv")).unwrap();
    assert!(split.starts_with("path,part,label,group\n") && split.lines().count() == 19);
    let elsewhere = tempfile::tempdir().unwrap();
    let run = place.join("run");
    let report = run_in(elsewhere.path(), ["report", run.to_str().unwrap(), "--device", CPU]);
    assert!(stdout(&report).contains("(9 photos, "));
    let words = ["evaluate", "run", "labels.csv", "--json", "--no-report", "--device", CPU];
    let output = run_in(place, words);
    assert_eq!(stderr(&output), "");
    assert_eq!(json(&output)["accuracy"], summary(place)["best_epoch"]["val_accuracy"]);
    let words = ["embed", "run", "labels.csv", "--out", "f.npy", "--device", CPU];
    stdout(&run_in(place, words));
    let listed = fs::read_to_string(place.join("f.csv")).unwrap();
    assert!(listed.starts_with("path,label,part\nphotos/train/checks/000.png,checks,train\n"));
    // The run's own list is a table too.
    let again = train(place, &["run/split.csv", "--out", "again"]);
    assert_eq!(again.status.code(), Some(2), "--out is given twice");

    fs::write(place.join("run/split.csv"), split.replacen(",train,", ",val,", 1)).unwrap();
    let output = run_in(place, ["report", "run", "--device", CPU]);
    assert_error(&output, &["split.csv", "it was edited"]);
}

#[test]
fn missing_photos_are_one_warning_and_are_counted_as_skipped() {
    let folder = photos(3);
    let place = folder.path();
    let table = rows(place, |path, _, class| format!("{path},{class}\n"));
    let missing: String = (0..30).map(|index| format!("gone/{index}.png,discs\n")).collect();
    fs::write(place.join("labels.csv"), format!("{table}{missing}")).unwrap();
    let output = train(place, &["labels.csv"]);
    let message = stderr(&output);
    let expected = "warning: `labels.csv`: 30 of 48 rows are not used, because there is no such file: \
                    line 19 (`gone/0.png`), line 20 (`gone/1.png`), line 21 (`gone/2.png`) and 27 more";
    assert!(message.starts_with(expected), "{message}");
    assert!(!message.contains("gone/3.png"), "{message}");
    assert_eq!(summary(place)["skipped"], 30);
}

#[test]
fn test_rows_and_a_held_out_share_are_tested_on_once() {
    let folder = photos(6);
    let place = folder.path();
    let part = |part: &str| if part == "val" { "test" } else { "train" }.to_owned();
    let table = rows(place, |path, of, class| format!("{path},{class},{}\n", part(of)));
    fs::write(place.join("labels.csv"), format!("path,label,split\n{table}")).unwrap();
    let message = stdout(&train(place, &["labels.csv"]));
    assert!(message.contains("15 to train on, 3 to validate on, 18 to test on"), "{message}");
    assert_eq!(summary(place)["test"]["photos"], 18);
    let error = train(place, &["labels.csv", "--test-split", "0.2"]);
    assert_error(&error, &["has its own test photos", "leave it out"]);
    let message = stdout(&train(place, &["photos/train", "--test-split", "0.3"]));
    assert!(message.contains("9 to train on, 3 to validate on, 6 to test on"), "{message}");
    let card = fs::read_to_string(place.join("run/README.md")).unwrap();
    assert!(card.contains("On 6 test photos, which chose nothing: accuracy "), "{card}");
    assert!(stdout(&run_in(place, ["report", "run", "--device", CPU])).contains("(3 photos, "));
}

#[test]
fn groups_stay_on_one_side() {
    let folder = photos(6);
    let place = folder.path();
    let house = |path: &str| path[path.len() - 7..path.len() - 4].parse::<usize>().unwrap() / 2;
    let table = rows(place, |path, _, class| format!("{path},{class},h{}\n", house(path)));
    fs::write(place.join("labels.csv"), format!("path,label,group\n{table}")).unwrap();
    let message = stdout(&train(place, &["labels.csv"]));
    assert!(
        message.contains("24 to train on, 12 to validate on, 3 classes, 3 groups"),
        "{message}"
    );
    // The same with folders.
    for class in ["checks", "discs", "stripes"] {
        let class = place.join("photos/train").join(class);
        for index in 0..6 {
            let group = class.join(format!("house {}", index / 2));
            fs::create_dir_all(&group).unwrap();
            fs::rename(class.join(format!("{index:03}.png")), group.join(format!("{index}.png")))
                .unwrap();
        }
    }
    let args = ["--train", "photos/train", "--group-by-folder"];
    let message = stdout(&train(place, &args));
    assert!(message.contains("12 to train on, 6 to validate on, 3 classes, 3 groups"), "{message}");
    let split = fs::read_to_string(place.join("run/split.csv")).unwrap();
    for line in split.lines().filter(|line| line.contains(",val,")) {
        let group = line.rsplit(',').next().unwrap();
        assert!(!split.contains(&format!(",train,checks,{group}\n")), "{split}");
    }
    let error = train(place, &["--train", "photos/val", "--group-by-folder"]);
    assert_error(&error, &["--group-by-folder finds no groups"]);
}

/// A photo of coloured rectangles, another one for each seed.
#[cfg(feature = "bundled-weights")]
fn rectangles(seed: u32) -> image::RgbImage {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut random = |below: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % below
    };
    let mut photo = image::RgbImage::new(120, 120);
    for _ in 0..9 {
        let colour = image::Rgb([random(256) as u8, random(256) as u8, random(256) as u8]);
        let (left, top) = (random(100), random(100));
        let (right, bottom) = (left + 10 + random(60), top + 10 + random(60));
        for y in top..bottom.min(120) {
            for x in left..right.min(120) {
                photo.put_pixel(x, y, colour);
            }
        }
    }
    photo
}

#[cfg(feature = "bundled-weights")]
#[test]
fn photos_that_are_nearly_the_same_are_reported_or_put_together() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let names: Vec<String> = ["train", "val"]
        .iter()
        .flat_map(|part| ["a", "b"].map(|class| format!("photos/{part}/{class}")))
        .collect();
    for (seed, name) in (0..).step_by(5).zip(&names) {
        fs::create_dir_all(place.join(name)).unwrap();
        for index in 0..5 {
            rectangles(seed + index).save(place.join(name).join(format!("{index}.png"))).unwrap();
        }
    }
    // A brighter copy of a training photo.
    let photo = image::open(place.join("photos/train/b/1.png")).unwrap();
    photo.brighten(2).save(place.join("photos/val/b/copy.png")).unwrap();
    let train = |more: &[&str]| {
        let args = ["train", "photos", "--backbone", "efficientnet-lite0", "--out", "run"];
        let end = ["--force", "--epochs", "2", "--device", CPU];
        run_in(place, args.iter().chain(more).chain(&end))
    };
    let output = train(&[]);
    let message = stderr(&output);
    assert!(message.contains("`val/b/copy.png` and `train/b/1.png`"), "{message}");
    assert!(message.contains("--split-duplicates together"), "{message}");
    let found = summary(place)["near_duplicates"].clone();
    assert!(found["val_photos"] == 1 && found["together"] == false, "{found}");
    let page = fs::read_to_string(place.join("run/report.html")).unwrap();
    assert!(page.contains("id=\"near-duplicates\"") && page.contains("val/b/copy.png"));

    let output = train(&["--split-duplicates", "together"]);
    let message = stdout(&output);
    assert!(message.contains("\ntogether  2 photos are nearly the same"), "{message}");
    assert!(message.contains("photos    11 to train on, 10 to validate on"), "{message}");
    assert!(!stderr(&output).contains("nearly the same"), "{}", stderr(&output));
    let split = fs::read_to_string(place.join("run/split.csv")).unwrap();
    assert!(split.contains("photos/val/b/copy.png,train,b,"), "{split}");
    assert!(stdout(&run_in(place, ["report", "run", "--device", CPU])).contains("(10 photos, "));
}

#[test]
fn options_of_tables_are_refused_with_a_folder_and_bad_tables_are_one_error() {
    let folder = photos(2);
    let place = folder.path();
    let error = train(place, &["photos", "--label-column", "kind"]);
    assert_error(&error, &["`photos` is not a table, and --label-column is for tables"]);
    for (table, parts) in [
        ("", &["has no rows"][..]),
        ("path,label\nx.png,a\ny.png,b\n", &["none of its 2 rows", "--photo-folder"]),
        ("path,label\nphotos/train/discs/000.png,discs\n", &["only one class, `discs`"]),
        (
            "path,label\nphotos/train/discs/000.png,a\nphotos/train/discs/000.png,b\n",
            &["`a` in line 2, but `b` in line 3"],
        ),
        ("path,label,split\nphotos/train/discs/000.png,a,val\n", &["is left to train on"]),
        (
            "path,label,split\nphotos/train/discs/000.png,a,train\nphotos/train/discs/001.png,b,val\n",
            &["the class `b`", "has no photo to train on"],
        ),
    ] {
        fs::write(place.join("labels.csv"), table).unwrap();
        let output = train(place, &["labels.csv"]);
        assert_error(&output, parts);
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    }
    assert_error(&train(place, &["absent.csv"]), &["`absent.csv`: it cannot be read"]);
}
