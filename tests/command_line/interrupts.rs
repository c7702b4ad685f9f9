//! SIGINT and SIGTERM, and outputs that cannot be written.
#![cfg(unix)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::fixtures::{CPU, kindling, narrow, photos, run_in, stderr, stdout};
use crate::reference::fixture;

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// `predict` on many photos, with a cache in `place`, once it has printed its first row.
fn predicting(place: &Path) -> (Child, BufReader<ChildStdout>) {
    let weights = fixture("narrow.pth");
    let mut child = kindling()
        .current_dir(place)
        .env_remove("KINDLING_NO_CACHE")
        .args(["predict", weights.to_str().unwrap(), "photos", "--csv", "--cache", "cache"])
        .args(["--device", CPU])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut rows = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..2 {
        rows.read_line(&mut String::new()).unwrap();
    }
    (child, rows)
}

#[test]
fn the_first_signal_ends_after_the_batch_keeps_the_features_and_says_how_to_go_on() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let folder = photos(150);
        let place = folder.path();
        let (child, mut rows) = predicting(place);
        signal(&child, name);
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut rows, &mut rest).unwrap();
        let output = child.wait_with_output().unwrap();
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(message.contains("interrupted") && message.lines().count() == 1, "{message}");
        assert!(message.contains("run the same command again to go on"), "{message}");
        let done = rest.lines().count() + 1;
        assert!(done < 900, "all photos were done before the signal came");
        let info = run_in(place, ["cache", "info", "--json", "--cache", "cache"]);
        let info = crate::fixtures::json(&info);
        let cached = info["photos"].as_u64().unwrap() as usize;
        assert!(cached >= done, "{done} rows were printed, and {cached} photos are cached");
    }
}

/// Starts a training of millions of epochs, and waits for the first. The lines are of its stdout,
/// which stays open while they live.
fn training(place: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = kindling()
        .current_dir(place)
        .args(["train", "photos", "--epochs", "4000000", "--out", "run"])
        .args(narrow())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap().starts_with("epoch")));
    (child, lines)
}

#[test]
fn the_second_signal_ends_at_once() {
    let folder = photos(4);
    let place = folder.path();
    let (mut child, _lines) = training(place);
    signal(&child, "INT");
    signal(&child, "INT");
    let start = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(!place.join("run").exists());
}

#[test]
fn a_signal_during_the_epochs_leaves_no_run() {
    let folder = photos(4);
    let place = folder.path();
    let (child, lines) = training(place);
    std::thread::spawn(move || lines.for_each(drop));
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
    assert!(stderr(&output).contains("interrupted"), "{}", stderr(&output));
    assert!(!place.join("run").exists());
}

#[test]
fn features_are_written_while_the_work_goes_on() {
    let folder = photos(300);
    let place = folder.path();
    let (mut child, rows) = predicting(place);
    std::thread::spawn(move || rows.lines().for_each(drop));
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_secs(30) {
        let info = run_in(place, ["cache", "info", "--json", "--cache", "cache"]);
        if crate::fixtures::json(&info)["photos"].as_u64() > Some(0) {
            break;
        }
        sleep(Duration::from_millis(100));
    }
    let _ = child.kill();
    child.wait().unwrap();
    let info = run_in(place, ["cache", "info", "--json", "--cache", "cache"]);
    assert!(crate::fixtures::json(&info)["photos"].as_u64() > Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn output_to_a_full_disk_is_an_error_unless_the_files_that_were_asked_for_are_written() {
    let folder = photos(4);
    let place = folder.path();
    let full = |args: &[String]| {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = kindling();
        command.current_dir(place).args(args).stdout(full).stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        let message = stderr(&output);
        assert_eq!(message.lines().count(), 1, "{args:?}: {message}");
        (output.status.code().unwrap(), message)
    };
    let words = |text: &str| text.split(' ').map(String::from).collect::<Vec<_>>();
    for help in ["--version", "--help", "train --help"] {
        let (code, message) = full(&words(help));
        assert!(code == 1 && message.contains("No space left"), "{help}: {message}");
    }
    let train: Vec<String> =
        words("train photos --epochs 2 --out run").into_iter().chain(narrow()).collect();
    let (code, message) = full(&train);
    assert!(code == 1 && message.contains("`run` is complete"), "{message}");
    let predict = words(&format!("predict run photos --json --device {CPU}"));
    assert_eq!(full(&predict).0, 1);
    let (code, message) = full(&words("export run --out model.onnx"));
    assert!(code == 0 && message.contains("the file was written"), "{message}");
    assert!(place.join("model.onnx").is_file());
}

#[test]
fn a_report_that_cannot_be_written_is_an_error_after_the_scores() {
    let folder = photos(4);
    let place = folder.path();
    let train = ["train", "photos", "--epochs", "2", "--out", "run"].map(String::from);
    stdout(&run_in(place, train.into_iter().chain(narrow())));
    fs::remove_file(place.join("run/report.html")).unwrap();
    fs::create_dir(place.join("run/report.html")).unwrap();
    let evaluated = run_in(place, ["evaluate", "run", "photos", "--device", CPU]);
    assert_eq!(evaluated.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&evaluated.stdout).contains("accuracy "));
    assert!(stderr(&evaluated).contains("no report was written"), "{}", stderr(&evaluated));
}
