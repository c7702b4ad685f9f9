//! Killed runs, and output pipes that are closed early.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::errors::assert_error;
use crate::fixtures::{CPU, kindling, narrow, photos, run_in, stdout, trained};
use crate::reference::fixture;

#[test]
fn a_killed_run_leaves_no_model_or_a_whole_one() {
    let folder = photos(20);
    let place = folder.path();
    let (mut complete, mut absent) = (0, 0);
    // Delays in milliseconds, from long before the end of training to after it.
    for delay in [50, 150, 300, 600, 1200, 2500, 5000] {
        let out = format!("run_{delay}");
        let mut child = kindling()
            .current_dir(place)
            .args(["train", "photos", "--epochs", "40", "--quiet", "--out", &out])
            .args(narrow())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        if place.join(&out).exists() {
            complete += 1;
            stdout(&run_in(place, ["predict", &out, "photos/val/discs/000.png", "--device", CPU]));
        } else {
            absent += 1;
        }
    }
    println!("{complete} complete runs, {absent} without a model");
    assert!(absent > 0, "every run finished before it was killed");
}

#[test]
fn training_goes_on_when_its_reader_leaves() {
    let folder = photos(4);
    let mut child = kindling()
        .current_dir(folder.path())
        .args(["train", "photos", "--out", "run"])
        .args(narrow())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert!(folder.path().join("run/model.safetensors").exists());
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let folder = photos(40);
    let weights = fixture("narrow.pth");
    let mut child = kindling()
        .current_dir(folder.path())
        .args(["predict", weights.to_str().unwrap(), "photos", "--json", "--top", "10"])
        .args(["--device", CPU])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"path\""));
    drop(reader);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(output.status.success());
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_among_the_files_of_a_run_is_an_error_and_not_waited_for() {
    let folder = trained(2);
    let place = folder.path();
    for (name, tool) in
        [("metrics.csv", "mkfifo"), ("summary.json", "ln"), ("classes.txt", "mkfifo")]
    {
        let file = place.join("run").join(name);
        let content = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let mut make = Command::new(tool);
        if tool == "ln" {
            make.args(["-s", "/dev/zero"]);
        }
        assert!(make.arg(&file).status().unwrap().success());
        assert_error(&run_in(place, ["report", "run", "--device", CPU]), &[name]);
        fs::remove_file(&file).unwrap();
        fs::write(&file, content).unwrap();
    }
    stdout(&run_in(place, ["report", "run", "--device", CPU]));
}
