//! The content of the report, and whether a browser renders it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::browser;
use crate::errors::assert_error;
use crate::fixtures::{CPU, json, json_lines, narrow, photos, run_in, stderr, stdout};
use crate::reference::fixture;

/// Trains on the photos in `place` and writes the run folder `run` there.
fn train(place: &Path, more: &[&str]) -> std::process::Output {
    let args = ["train", "photos", "--out", "run", "--epochs", "40", "--lr", "0.01"];
    run_in(place, args.iter().chain(more).map(|arg| arg.to_string()).chain(narrow()))
}

fn report(place: &Path) -> String {
    fs::read_to_string(place.join("run/report.html")).unwrap()
}

/// The values of all attributes called `name` in the page.
fn attributes(page: &str, name: &str) -> Vec<String> {
    let start = format!(" {name}=\"");
    let parts = page.split(&start).skip(1);
    parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
}

/// The content of the section with this `id`.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, rest) =
        page.split_once(&format!("<section id=\"{id}\">")).unwrap_or_else(|| panic!("no {id}"));
    rest.split("</section>").next().unwrap()
}

/// The counts in the confusion matrix, row by row.
fn counts(page: &str) -> Vec<u64> {
    let cells = section(page, "confusion").split("<span class=\"count\">").skip(1);
    cells.map(|cell| cell.split('<').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn the_report_tells_what_evaluate_and_predict_tell() {
    let folder = photos(8);
    let place = folder.path();
    fs::write(place.join("photos/val/checks/notes.txt"), "words").unwrap();
    let message = stdout(&train(place, &["--gallery", "5"]));
    assert!(message.contains("report    run/report.html"), "{message}");
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

    // The galleries agree with what `predict` prints for the same photos.
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
        // The page has absolute paths.
        let line = predicted[&path[path.find("photos/val").unwrap()..]];
        assert_eq!(scores["classes"][class.parse::<usize>().unwrap()], line["class"], "{path}");
        let (ours, theirs): (f64, f64) =
            (probability.parse().unwrap(), line["probability"].as_f64().unwrap());
        // The batches differ, so probabilities differ by f32 rounding.
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
    let message = stdout(&run_in(place, ["report", "run", "--device", CPU]));
    assert!(message.contains("report    run/report.html (18 photos, "), "{message}");
    let again = report(place);
    // The curves are read back from the run. No `assert_eq`, because a page is too long to print.
    for id in ["curves", "classes", "confusion", "galleries", "label-errors", "data"] {
        assert!(section(&from_training, id) == section(&again, id), "{id}");
    }

    let scores = json(&run_in(place, ["evaluate", "run", "photos", "--json", "--device", CPU]));
    assert_eq!(scores["report"].as_str(), Some("run/report.html"));
    let evaluated = report(place);
    // `evaluate` does not know which photos are the run's own, so it looks for wrong labels among these.
    for id in ["curves", "classes", "confusion", "galleries"] {
        assert!(section(&from_training, id) == section(&evaluated, id), "{id}");
    }

    // `evaluate` on other photos writes to the run folder too, unless `--report` names a file.
    let scores =
        json(&run_in(place, ["evaluate", "run", "photos/train", "--json", "--device", CPU]));
    assert_eq!(scores["report"].as_str(), Some("run/report.html"));
    let page = report(place);
    assert!(
        page.contains("18 photos in photos/train")
            && page.contains("The model was trained on 18 of these 18 photos")
    );
    let args =
        ["evaluate", "run", "photos", "--report", "other.html", "--gallery", "0", "--device", CPU];
    assert!(stdout(&run_in(place, args)).contains("report    other.html"));
    assert!(fs::read_to_string(place.join("other.html")).unwrap().contains("18 photos in photos"));
    assert_eq!(report(place), page, "the report in the run folder is unchanged");

    // A weights file has no run folder to write to and no training to report on.
    let weights = fixture("narrow.pth");
    let weights = weights.to_str().unwrap();
    assert_error(
        &run_in(place, ["report", weights, "--device", CPU]),
        &["is not a run folder", "--out"],
    );
    assert_error(
        &run_in(place, ["report", weights, "--out", "w.html", "--device", CPU]),
        &["does not record its validation photos"],
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
        assert_error(&run_in(place, args), &["exists and is not a Kindling report"]);
    }
    assert_eq!(fs::read_to_string(place.join("thesis.html")).unwrap(), "<html>years of work");
    // A report is replaced by a new one, without leftover files.
    for _ in 0..2 {
        stdout(&run_in(place, ["report", "run", "--out", "mine.html", "--device", CPU]));
    }
    let mut names: Vec<_> =
        fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["mine.html", "photos", "run", "thesis.html"]);

    // The same holds inside the run folder, and the scores are still printed.
    for name in ["report.html", "curves.svg"] {
        fs::write(place.join("run").join(name), "mine").unwrap();
    }
    let output = run_in(place, ["evaluate", "run", "photos", "--device", CPU]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("accuracy "));
    let message = stderr(&output);
    assert!(
        message.contains("no report was written: ") && message.contains("--no-report"),
        "{message}"
    );
    assert_error(&run_in(place, ["report", "run", "--device", CPU]), &["is not a Kindling report"]);
    assert_error(
        &train(place, &["--force"]),
        &["holds a run and also", "which --force would delete"],
    );
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
        &["is not a Kindling report"],
    );
    let args = ["evaluate", "run", "photos", "--report", "pipe", "--device", CPU];
    assert_error(&run_in(place, args), &["is not a Kindling report"]);
}

#[test]
fn photos_that_were_divided_otherwise_are_never_told_as_those_of_the_run() {
    let folder = photos(10);
    let place = folder.path();
    // Without a `val` folder, a share of each class becomes the validation set.
    let args = ["train", "photos/train", "--out", "run", "--epochs", "2"].map(String::from);
    stdout(&run_in(place, args.into_iter().chain(narrow())));
    assert!(report(place).contains("No evaluated photo is a byte-for-byte copy"));
    stdout(&run_in(place, ["report", "run", "--device", CPU]));
    assert!(report(place).contains("6 validation photos in "));

    // The number of photos stays the same, but the split would differ.
    let discs = place.join("photos/train/discs");
    fs::rename(discs.join("000.png"), discs.join("zzz.png")).unwrap();
    assert_error(
        &run_in(place, ["report", "run", "--device", CPU]),
        &["have changed since the run", "give a folder of photos after the run"],
    );
    stdout(&run_in(place, ["evaluate", "run", "photos/val", "--device", CPU]));
    let page = report(place);
    assert!(
        page.contains("Not checked: the photos in ") && !page.contains("No evaluated photo is")
    );
    // The run records how many photos of each class it was trained on.
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
            &["metrics.csv` does not hold the epochs of a run"],
        );
    }
    fs::write(place.join("run/metrics.csv"), "words").unwrap();
    assert_error(&run_in(place, ["report", "run", "--device", CPU]), &["metrics.csv"]);
    let output = run_in(place, ["evaluate", "run", "photos", "--device", CPU]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("accuracy "));
    assert!(stderr(&output).contains("no report was written"));
}

#[test]
fn without_a_gallery_the_page_says_nothing_of_photos() {
    let folder = photos(4);
    let place = folder.path();
    stdout(&train(place, &["--gallery", "0"]));
    let page = report(place);
    for part in [
        "No wrong predictions",
        "No correct predictions",
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
    let message = stderr(&output);
    assert!(
        message.contains("1 validation photo is a byte-for-byte copy of a training photo")
            && message.contains("val/discs/copy.png"),
        "{message}"
    );
    let page = report(place);
    let data = section(&page, "data");
    assert!(
        data.contains("copies of training photos: 1.") && data.contains("train/discs/001.png"),
        "{data}"
    );
}

#[test]
fn one_photo_in_two_classes_is_a_finding_of_its_own() {
    let folder = photos(5);
    let place = folder.path();
    let copy = |from: &str, to: &str| {
        fs::copy(place.join("photos").join(from), place.join("photos").join(to)).unwrap();
    };
    // Within the training part, across the parts, and within the validation part.
    copy("train/discs/001.png", "train/checks/disc.png");
    copy("train/discs/002.png", "val/stripes/disc.png");
    copy("val/discs/003.png", "val/checks/disc.png");
    // The same class: an ordinary copy.
    copy("train/stripes/001.png", "val/stripes/copy.png");
    let output = train(place, &[]);
    stdout(&output);
    let message = stderr(&output);
    let warnings: Vec<&str> = message.lines().collect();
    assert_eq!(warnings.len(), 2, "{message}");
    assert!(warnings[0].contains("3 photos are in more than one class: `"), "{message}");
    assert!(warnings[1].contains("1 validation photo is a byte-for-byte copy"), "{message}");
    let check = |page: &str, found: usize| {
        let data = section(page, "data");
        assert!(data.contains(&format!("more than one class folder: {found}.")), "{data}");
        let (_, table) = data.split_once("id=\"two-classes\"").unwrap();
        let table = table.split("</table>").next().unwrap();
        assert_eq!(table.matches("<tbody>").count(), found, "{table}");
        assert_eq!(table.matches("<tr><td").count(), 2 * found, "{table}");
        assert!(table.contains("checks/disc.png") && !table.contains("copy.png"), "{table}");
        let (_, leaked) = data.split_once("<h3 id=\"leaked\">").unwrap();
        assert!(!leaked.contains("disc.png"), "{leaked}");
    };
    let page = report(place);
    check(&page, 3);
    assert!(section(&page, "data").contains("copies of training photos: 1."));
    stdout(&run_in(place, ["report", "run", "--device", CPU]));
    check(&report(place), 3);
    // Photos of the training part that are evaluated again are not counted twice.
    stdout(&run_in(place, ["report", "run", "photos/train", "--device", CPU]));
    check(&report(place), 1);
}

#[cfg(unix)]
#[test]
fn a_report_on_the_training_photos_says_so_once() {
    let folder = photos(8);
    let place = folder.path();
    let args = ["train", "photos/train", "--out", "run", "--epochs", "2"].map(String::from);
    stdout(&run_in(place, args.into_iter().chain(narrow())));
    let sentences = |data: &str, found: usize, of: usize| {
        let output = run_in(place, ["report", "run", data, "--device", CPU]);
        stdout(&output);
        let (message, page) = (stderr(&output), report(place));
        assert_eq!(message.lines().count(), 1, "{message}");
        let leaked = section(&page, "data").split_once("<h3 id=\"leaked\">").unwrap().1;
        let sentence = format!("The model was trained on {found} of these {of} photos");
        assert!(leaked.contains(&sentence), "{sentence}: {leaked}");
        assert!(!leaked.contains("id=\"duplicates\"") && !leaked.contains("Remove them"));
    };
    // A fifth of each class was put aside for validation.
    sentences("photos/train", 18, 24);
    // The same files under another name.
    std::os::unix::fs::symlink(place.join("photos/train"), place.join("link")).unwrap();
    sentences("link", 18, 24);
}

#[test]
fn an_accuracy_on_a_few_photos_comes_with_their_number_and_its_interval() {
    let folder = photos(2);
    let place = folder.path();
    for class in ["checks", "discs", "stripes"] {
        fs::remove_file(place.join("photos/val").join(class).join("001.png")).unwrap();
    }
    let message = stdout(&train(place, &[]));
    let right = (0..=3).find(|right| {
        message.contains(&format!("validation accuracy {:.4} on 3 photos (", *right as f64 / 3.0))
    });
    // Wilson's intervals for 0 to 3 right photos of 3.
    let intervals =
        [("0.0000", "0.5615"), ("0.0615", "0.7923"), ("0.2077", "0.9385"), ("0.4385", "1.0000")];
    let (low, high) = intervals[right.unwrap_or_else(|| panic!("{message}"))];
    assert!(message.contains(&format!("(95 % interval {low} to {high})")), "{message}");
    let card = fs::read_to_string(place.join("run/README.md")).unwrap();
    assert!(card.contains(&format!("(95 % interval {low} to {high})")), "{card}");
    assert!(card.contains("Classes with fewer than 10 validation photos: 3."), "{card}");
    let page = report(place);
    assert!(page.contains(&format!("95 %: {low} to {high}")));
    let classes = section(&page, "classes");
    assert!(classes.contains("Classes with fewer than 10 evaluated photos: 3."), "{classes}");
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
        ["checks, discs, stripes", "15 training photos and 15 validation photos", "| discs | "]
    {
        assert!(body.contains(part), "`{part}` is not in {body}");
    }
    // The card is part of the run, so `--force` replaces it with the run.
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
    // A swapped label gives a wrong prediction, which the report explains.
    let checks = place.join("photos/val/checks/001.png");
    fs::rename(checks, place.join("photos/val/<script>alert('discs')<|script>/swapped.png"))
        .unwrap();
    stdout(&train(place, &[]));
    let page = report(place);
    assert!(!page.contains("<script") && !page.contains("<img src=x"), "not escaped");
    assert!(page.contains("&lt;script&gt;alert("), "the class is there as text");
    section(&page, "roc");

    // Every picture is embedded and can be decoded.
    let pictures = attributes(&page, "src");
    assert!(pictures.len() > 12, "{}", pictures.len());
    for picture in &pictures {
        use base64::Engine;
        let (_, data) = picture.split_once(";base64,").expect("nothing is loaded from elsewhere");
        let bytes = base64::prelude::BASE64_STANDARD.decode(data).unwrap();
        assert!(image::load_from_memory(&bytes).is_ok());
    }

    let Some(loaded) = browser::open(&place.join("run/report.html")) else { return };
    assert_eq!(loaded.console, Vec::<String>::new());
    let count = |tag: &str| loaded.document.matches(tag).count();
    assert_eq!(count("<img "), pictures.len(), "the browser finds no additional pictures");
    assert_eq!((count("<script"), count("<svg")), (0, 4), "two curves, reliability, ROC");
    assert_eq!(count("<figure"), page.matches("<figure").count());
    // The top of the page is not empty, and shows dark text on a light background.
    let screenshot = image::load_from_memory(&loaded.screenshot).unwrap().into_luma8();
    let dark = screenshot.pixels().filter(|pixel| pixel.0[0] < 100).count();
    let light = screenshot.pixels().filter(|pixel| pixel.0[0] > 230).count();
    assert!(dark > 1000 && light > screenshot.len() / 2, "{dark} dark and {light} light pixels");
}
