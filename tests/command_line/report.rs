//! The report: what it tells, and that a browser shows it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::browser;
use crate::errors::assert_error;
use crate::fixtures::{CPU, json, json_lines, narrow, photos, run_in, stderr, stdout};
use crate::reference::fixture;

/// Trains in `place`, into `run`.
fn train(place: &Path, more: &[&str]) -> std::process::Output {
    let args = ["train", "photos", "--out", "run", "--epochs", "40", "--lr", "0.01"];
    run_in(place, args.iter().chain(more).map(|arg| arg.to_string()).chain(narrow()))
}

fn report(place: &Path) -> String {
    fs::read_to_string(place.join("run/report.html")).unwrap()
}

/// The value of each `name="..."` in the page.
fn attributes(page: &str, name: &str) -> Vec<String> {
    let start = format!(" {name}=\"");
    let parts = page.split(&start).skip(1);
    parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
}

/// The text between the tags of the element whose start tag has `mark`.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, rest) =
        page.split_once(&format!("<section id=\"{id}\">")).unwrap_or_else(|| panic!("no {id}"));
    rest.split("</section>").next().unwrap()
}

fn counts(page: &str) -> Vec<u64> {
    let cells = section(page, "confusion").split("<span class=\"count\">").skip(1);
    cells.map(|cell| cell.split('<').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn the_report_tells_what_evaluate_and_predict_tell() {
    let folder = photos(8);
    let place = folder.path();
    fs::write(place.join("photos/val/checks/notes.txt"), "words").unwrap();
    let told = stdout(&train(place, &["--gallery", "5"]));
    assert!(told.contains("report    run/report.html"), "{told}");
    let page = report(place);
    for id in [
        "curves",
        "classes",
        "confusion",
        "galleries",
        "maps",
        "label-errors",
        "calibration",
        "data",
        "making",
    ] {
        section(&page, id);
    }
    assert!(!page.contains("<section id=\"roc\">"), "three classes have no ROC");

    let args = ["evaluate", "run", "photos", "--no-report", "--json", "--device", CPU];
    let scores = json(&run_in(place, args));
    let accuracy = scores["accuracy"].as_f64().unwrap();
    assert!(page.contains(&format!("data-figure=\"accuracy\">{accuracy:.4}<")), "{accuracy}");
    let confusion: Vec<Vec<u64>> = serde_json::from_value(scores["confusion"].clone()).unwrap();
    assert_eq!(counts(&page), confusion.concat());
    assert_eq!(counts(&page).iter().sum::<u64>(), 24);

    // What the galleries show is what `predict` says of the same photos.
    let lines = json_lines(&stdout(&run_in(
        place,
        ["predict", "run", "photos/val", "--json", "--device", CPU],
    )));
    let predicted: HashMap<&str, &Value> =
        lines.iter().map(|line| (line["path"].as_str().unwrap(), line)).collect();
    let (paths, chosen, probabilities) = (
        attributes(&page, "data-path"),
        attributes(&page, "data-predicted"),
        attributes(&page, "data-probability"),
    );
    assert!(paths.len() >= 3 * 5, "{} cards", paths.len());
    for ((path, class), probability) in paths.iter().zip(chosen).zip(probabilities) {
        // The page tells the whole path.
        let line = predicted[&path[path.find("photos/val").unwrap()..]];
        assert_eq!(scores["classes"][class.parse::<usize>().unwrap()], line["class"], "{path}");
        let (ours, theirs): (f64, f64) =
            (probability.parse().unwrap(), line["probability"].as_f64().unwrap());
        // The photos go through the network in other batches: f32's rounding, no more.
        assert!((ours - theirs).abs() < 1e-5, "{path}: {ours} {theirs}");
    }
    assert!(section(&page, "data").contains("notes.txt"));
    let making = section(&page, "making");
    for part in
        ["kindling train photos --out run --epochs 40", "resnet18-w4", "SHA-256", "Burn 0.22.1"]
    {
        assert!(making.contains(part), "`{part}` is not in {making}");
    }
    assert!(fs::read_to_string(place.join("run/curves.svg")).unwrap().starts_with("<svg"));
}

#[test]
fn report_and_evaluate_write_the_same_page_about_the_same_photos() {
    let folder = photos(6);
    let place = folder.path();
    stdout(&train(place, &[]));
    let from_training = report(place);
    fs::remove_file(place.join("run/report.html")).unwrap();
    let told = stdout(&run_in(place, ["report", "run", "--device", CPU]));
    assert!(told.contains("report    run/report.html (18 photos, "), "{told}");
    let again = report(place);
    // The epochs among them are read back from the run. A page is too long for a message.
    for id in ["curves", "classes", "confusion", "galleries", "label-errors", "data"] {
        assert!(section(&from_training, id) == section(&again, id), "{id}");
    }

    let scores = json(&run_in(place, ["evaluate", "run", "photos", "--json", "--device", CPU]));
    assert_eq!(scores["report"].as_str(), Some("run/report.html"));
    let evaluated = report(place);
    for id in ["curves", "classes", "confusion", "galleries", "label-errors"] {
        assert!(section(&from_training, id) == section(&evaluated, id), "{id}");
    }

    // Other photos, by `evaluate`: into the run folder unless it is told where.
    let scores =
        json(&run_in(place, ["evaluate", "run", "photos/train", "--json", "--device", CPU]));
    assert_eq!(scores["report"].as_str(), Some("run/report.html"));
    let page = report(place);
    assert!(
        page.contains("18 photos of photos/train")
            && page.contains("18 of the photos evaluated are, byte for byte")
    );
    let args =
        ["evaluate", "run", "photos", "--report", "other.html", "--gallery", "0", "--device", CPU];
    assert!(stdout(&run_in(place, args)).contains("report    other.html"));
    assert!(fs::read_to_string(place.join("other.html")).unwrap().contains("18 photos of photos"));
    assert_eq!(report(place), page, "the run's own is left alone");

    // A weights file has no run folder to write into, and no training to tell of.
    let weights = fixture("narrow.pth");
    let weights = weights.to_str().unwrap();
    assert_error(
        &run_in(place, ["report", weights, "--device", CPU]),
        &["is no run folder", "--out"],
    );
    assert_error(
        &run_in(place, ["report", weights, "--out", "w.html", "--device", CPU]),
        &["does not say what it was validated on"],
    );
}

#[test]
fn nothing_that_is_no_report_is_ever_replaced_by_one() {
    let folder = photos(2);
    let place = folder.path();
    stdout(&train(place, &[]));
    fs::write(place.join("thesis.html"), "<html>years of work").unwrap();
    for args in [
        ["report", "run", "--out", "thesis.html", "--device", CPU].as_slice(),
        &["evaluate", "run", "photos", "--report", "thesis.html", "--device", CPU],
        &["report", "run", "--out", "photos", "--device", CPU],
    ] {
        assert_error(&run_in(place, args), &["is there already and is no report"]);
    }
    assert_eq!(fs::read_to_string(place.join("thesis.html")).unwrap(), "<html>years of work");
    // One of ours is, and leaves nothing beside it.
    for _ in 0..2 {
        stdout(&run_in(place, ["report", "run", "--out", "mine.html", "--device", CPU]));
    }
    let mut names: Vec<_> =
        fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["mine.html", "photos", "run", "thesis.html"]);

    // Nor in the run folder itself; scores are told all the same.
    for name in ["report.html", "curves.svg"] {
        fs::write(place.join("run").join(name), "mine").unwrap();
    }
    let output = run_in(place, ["evaluate", "run", "photos", "--device", CPU]);
    assert!(stdout(&output).contains("accuracy "));
    let told = stderr(&output);
    assert!(told.contains("there is no report: ") && told.contains("--no-report"), "{told}");
    assert_error(&run_in(place, ["report", "run", "--device", CPU]), &["is no report"]);
    assert_error(&train(place, &["--force"]), &["beside a run, which --force would delete"]);
    fs::remove_file(place.join("run/report.html")).unwrap();
    stdout(&run_in(place, ["report", "run", "--device", CPU]));
    assert_eq!(fs::read_to_string(place.join("run/curves.svg")).unwrap(), "mine");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_report_is_refused_and_not_waited_for() {
    let folder = photos(2);
    let place = folder.path();
    stdout(&train(place, &[]));
    assert!(
        std::process::Command::new("mkfifo").arg(place.join("pipe")).status().unwrap().success()
    );
    assert_error(
        &run_in(place, ["report", "run", "--out", "pipe", "--device", CPU]),
        &["no report"],
    );
    let args = ["evaluate", "run", "photos", "--report", "pipe", "--device", CPU];
    assert_error(&run_in(place, args), &["no report"]);
}

#[test]
fn photos_that_were_divided_otherwise_are_never_told_as_those_of_the_run() {
    let folder = photos(10);
    let place = folder.path();
    // Without a val folder: a share of each class is drawn for validation.
    let args = ["train", "photos/train", "--out", "run", "--epochs", "2"].map(String::from);
    stdout(&run_in(place, args.into_iter().chain(narrow())));
    assert!(report(place).contains("None of the photos evaluated is, byte for byte"));
    stdout(&run_in(place, ["report", "run", "--device", CPU]));
    assert!(report(place).contains("6 validation photos of "));

    // The counts stay what they were; the division would not.
    let discs = place.join("photos/train/discs");
    fs::rename(discs.join("000.png"), discs.join("zzz.png")).unwrap();
    assert_error(
        &run_in(place, ["report", "run", "--device", CPU]),
        &["are no longer those of the run", "name a folder behind the run"],
    );
    stdout(&run_in(place, ["evaluate", "run", "photos/val", "--device", CPU]));
    let page = report(place);
    assert!(
        page.contains("Not looked for: the photos in ")
            && !page.contains("None of the photos evaluated")
    );
    // How many of each class were trained on is written down.
    assert!(section(&page, "data").contains("trained on"));
}

#[test]
fn damaged_records_of_a_run_are_an_error_and_no_endless_drawing() {
    let folder = photos(2);
    let place = folder.path();
    stdout(&train(place, &[]));
    let header = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n";
    for rows in [
        "1,inf,0.5,inf,0.5,0.1\n",
        "1,NaN,0.5,1,0.5,0.1\n",
        "",
        "1,1.7e308,0.5,1,0.5,0\n",
        "7,1,0.5,1,0.5,0\n",
    ] {
        fs::write(place.join("run/metrics.csv"), format!("{header}{rows}")).unwrap();
        assert_error(
            &run_in(place, ["report", "run", "--device", CPU]),
            &["metrics.csv` holds no epochs"],
        );
    }
    fs::write(place.join("run/metrics.csv"), "words").unwrap();
    assert_error(&run_in(place, ["report", "run", "--device", CPU]), &["metrics.csv"]);
    let output = run_in(place, ["evaluate", "run", "photos", "--device", CPU]);
    assert!(
        stdout(&output).contains("accuracy ") && stderr(&output).contains("there is no report")
    );
}

#[test]
fn without_a_gallery_the_page_says_nothing_of_photos() {
    let folder = photos(4);
    let place = folder.path();
    stdout(&train(place, &["--gallery", "0"]));
    let page = report(place);
    for part in [
        "None is wrong",
        "None is right",
        "href=\"#galleries\"",
        "href=\"#maps\"",
        "<section id=\"galleries\"",
    ] {
        assert!(!page.contains(part), "{part}");
    }
    section(&page, "confusion");
}

#[test]
fn photos_that_were_trained_on_and_validated_on_are_told_of() {
    let folder = photos(5);
    let place = folder.path();
    fs::copy(place.join("photos/train/discs/001.png"), place.join("photos/val/discs/copy.png"))
        .unwrap();
    let output = train(place, &[]);
    stdout(&output);
    let told = stderr(&output);
    assert!(
        told.contains("1 validation photo is, byte for byte")
            && told.contains("val/discs/copy.png"),
        "{told}"
    );
    let page = report(place);
    let data = section(&page, "data");
    assert!(
        data.contains("1 of the photos evaluated are") && data.contains("train/discs/001.png"),
        "{data}"
    );
}

#[test]
fn a_model_card_tells_what_was_measured() {
    let folder = photos(5);
    let place = folder.path();
    stdout(&train(place, &[]));
    let card = fs::read_to_string(place.join("run/README.md")).unwrap();
    let summary: Value =
        serde_json::from_slice(&fs::read(place.join("run/summary.json")).unwrap()).unwrap();
    let accuracy = summary["best_epoch"]["val_accuracy"].as_f64().unwrap();
    let (header, body) = card.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
    for part in [
        "library_name: kindling",
        "license: unknown",
        "pipeline_tag: image-classification",
        &format!("- type: accuracy\n      value: {accuracy:.4}\n"),
    ] {
        assert!(header.contains(part), "`{part}` is not in {header}");
    }
    for part in
        ["checks, discs, stripes", "15 photos to train on and 15 to validate on", "| discs | "]
    {
        assert!(body.contains(part), "`{part}` is not in {body}");
    }
    // It is part of the run, so that `--force` may replace the run with it.
    stdout(&train(place, &["--force"]));
}

#[cfg(unix)]
#[test]
fn names_that_look_like_html_are_text_and_the_browser_has_nothing_to_complain_of() {
    let folder = photos(6);
    let place = folder.path();
    let odd = "<img src=x onerror=alert(1)>\"'&.png";
    for part in ["train", "val"] {
        let classes = place.join("photos").join(part);
        fs::rename(classes.join("discs"), classes.join("<script>alert('discs')<|script>")).unwrap();
        fs::remove_dir_all(classes.join("stripes")).unwrap();
        fs::rename(classes.join("checks/000.png"), classes.join("checks").join(odd)).unwrap();
    }
    // Labels that were swapped, so that some photos are wrong and are explained.
    let checks = place.join("photos/val/checks/001.png");
    fs::rename(checks, place.join("photos/val/<script>alert('discs')<|script>/swapped.png"))
        .unwrap();
    stdout(&train(place, &[]));
    let page = report(place);
    assert!(!page.contains("<script") && !page.contains("<img src=x"), "not escaped");
    assert!(page.contains("&lt;script&gt;alert("), "the class is there as text");
    section(&page, "roc");

    // Every picture in the page is one.
    let pictures = attributes(&page, "src");
    assert!(pictures.len() > 12, "{}", pictures.len());
    for picture in &pictures {
        use base64::Engine;
        let (_, data) = picture.split_once(";base64,").expect("nothing is loaded from elsewhere");
        let bytes = base64::prelude::BASE64_STANDARD.decode(data).unwrap();
        assert!(image::load_from_memory(&bytes).is_ok());
    }

    let Some(shown) = browser::open(&place.join("run/report.html")) else { return };
    assert_eq!(shown.complaints, Vec::<String>::new());
    let count = |what: &str| shown.document.matches(what).count();
    assert_eq!(count("<img "), pictures.len(), "no more pictures than were put there");
    assert_eq!((count("<script"), count("<svg")), (0, 3), "curves, reliability, ROC");
    assert_eq!(count("<figure"), page.matches("<figure").count());
    // The window shows the top of the page: not empty, and dark ink on light paper.
    let screenshot = image::load_from_memory(&shown.screenshot).unwrap().into_luma8();
    let dark = screenshot.pixels().filter(|pixel| pixel.0[0] < 100).count();
    let light = screenshot.pixels().filter(|pixel| pixel.0[0] > 230).count();
    assert!(dark > 1000 && light > screenshot.len() / 2, "{dark} dark and {light} light pixels");
}
