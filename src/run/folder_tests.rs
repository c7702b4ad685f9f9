//! A run is replaced in steps, and the program may end before each of them.

use std::process::Command;

use super::*;
use crate::run::replace::by_two_renames;
use crate::run::restore_replaced;

/// Tells the test below, started by itself as a process of its own, before which step to end, and
/// where the run is.
const STOP: &str = "KINDLING_TEST_STOP_BEFORE";
const RUN: &str = "KINDLING_TEST_RUN";

fn files(content: &str) -> Vec<(&'static str, Option<&[u8]>)> {
    [CLASSES_FILE, CONFIG_FILE, MODEL_FILE]
        .into_iter()
        .map(|name| (name, Some(content.as_bytes())))
        .collect()
}

/// The content of the run, which must be whole and of one kind.
fn content(run: &Path) -> String {
    let read = |name: &str| fs::read_to_string(run.join(name)).unwrap();
    assert!([CLASSES_FILE, CONFIG_FILE].iter().all(|name| read(name) == read(MODEL_FILE)));
    read(MODEL_FILE)
}

/// Ends the process before the step that the parent chose, as a kill does: without destructors.
fn end_before(stop: usize) -> impl FnMut(&'static str) {
    let mut steps = 0;
    move |_| {
        if steps == stop {
            std::process::exit(77);
        }
        steps += 1;
    }
}

/// Runs the test `name` again with each step as the last one. Returns what `found` made of the run
/// after each.
fn after_each_step<T>(name: &str, found: impl Fn(&Path) -> T) -> Vec<T> {
    let mut all = Vec::new();
    for stop in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        RunDir::reserve(&run, false)
            .unwrap()
            .write_files(&files("old"), None, &mut |_| ())
            .unwrap();
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("run::folder::tests::{name}")])
            .env(STOP, stop.to_string())
            .env(RUN, &run)
            .output()
            .unwrap();
        all.push(found(&run));
        // The next command that writes there sweeps what was left behind.
        RunDir::reserve(&run, true).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| !name.to_string_lossy().starts_with(".kindling-replaced-"))
            .collect();
        assert_eq!(names, ["run"], "after {stop} steps");
        match ended.status.code() {
            Some(77) => {}
            code => {
                assert_eq!(code, Some(0), "{}", String::from_utf8_lossy(&ended.stdout));
                return all;
            }
        }
    }
    unreachable!("the loop has no end of its own")
}

fn asked() -> Option<(usize, PathBuf)> {
    let stop = std::env::var(STOP).ok()?.parse().ok()?;
    Some((stop, std::env::var_os(RUN)?.into()))
}

#[test]
fn a_run_is_there_before_and_after_each_step_of_its_replacement() {
    if let Some((stop, run)) = asked() {
        let dir = RunDir::reserve(&run, true).unwrap();
        return dir.write_files(&files("new"), None, &mut end_before(stop)).unwrap();
    }
    let name = "a_run_is_there_before_and_after_each_step_of_its_replacement";
    let found = after_each_step(name, |run| {
        // Where the system cannot exchange folders, the next command puts the run back.
        restore_replaced(run);
        content(run)
    });
    let old = found.iter().take_while(|content| *content == "old").count();
    assert!(old > 10 && found.len() > old, "{found:?}");
    assert!(found[old..].iter().all(|content| content == "new"), "{found:?}");
}

#[test]
fn a_run_that_was_moved_away_is_put_back_by_the_next_command() {
    if let Some((stop, run)) = asked() {
        let dir = RunDir::reserve(&run, true).unwrap();
        let (staging, _) = dir.hidden_folder().unwrap();
        for (name, bytes) in files("new") {
            fs::write(staging.path().join(name), bytes.unwrap()).unwrap();
        }
        let old = by_two_renames(staging.path(), &run, &mut end_before(stop)).unwrap();
        fs::remove_dir_all(old).unwrap();
        let _ = staging.keep();
        return;
    }
    let name = "a_run_that_was_moved_away_is_put_back_by_the_next_command";
    let found = after_each_step(name, |run| {
        let restored = restore_replaced(run);
        assert!(!run.with_file_name(".kindling-replaced-run").exists());
        (restored, content(run))
    });
    let expected = [(false, "old"), (true, "old"), (false, "new")];
    assert_eq!(found, expected.map(|(restored, content)| (restored, content.to_owned())));
}
