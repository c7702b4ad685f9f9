//! The files of a run must belong together: whichever one is exchanged, the run is refused.

use std::fs;
use std::path::{Path, PathBuf};

use kindling::export::{self, Parts, Precision};
use kindling::run::{FrozenBackbone, Model, ModelError};
use kindling::weights::Checkpoint;
use safetensors::SafeTensors;

use crate::reference::{cpu, fixture};
use crate::run_folder::write;

fn run(parent: &Path) -> PathBuf {
    let run = parent.join("run");
    write(&run, false).unwrap();
    run
}

/// Replaces a part of a text file of the run.
fn edit(run: &Path, file: &str, old: &str, new: &str) {
    let text = fs::read_to_string(run.join(file)).unwrap();
    assert!(text.contains(old), "{text}");
    fs::write(run.join(file), text.replace(old, new)).unwrap();
}

#[track_caller]
fn assert_mixed(run: &Path, difference: &str) {
    let errors = [Model::open(run, &cpu()).err(), FrozenBackbone::open(run, &cpu()).err()];
    for error in errors {
        let error = error.expect("the run is refused");
        assert!(matches!(error, ModelError::Mixed { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains(difference) && error.contains("do not belong together"), "{error}");
    }
}

#[test]
fn another_runs_model_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let run = run(parent.path());
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let other = Model::from_weights(&checkpoint, &cpu()).unwrap();
    let description = other.description();
    let parts = Parts::new(&other.backbone, &other.head, &description);
    let bytes = export::safetensors(parts, Precision::Full).unwrap();
    fs::write(run.join("model.safetensors"), bytes).unwrap();
    assert_mixed(&run, "class 1 is `class 0` in model.safetensors and `class \"0\" é`");
}

#[test]
fn edited_class_names_are_refused() {
    for (old, new, difference) in [
        ("class \"3\" é", "wolf", "class 4 is `class \"3\" é` in model.safetensors and `wolf`"),
        ("class \"8\" é\nclass \"9\" é", "class \"9\" é\nclass \"8\" é", "class 9 is"),
    ] {
        let parent = tempfile::tempdir().unwrap();
        let run = run(parent.path());
        edit(&run, "classes.txt", old, new);
        assert_mixed(&run, difference);
    }
}

#[test]
fn another_runs_configuration_or_summary_is_refused() {
    for (file, old, new, difference) in [
        ("config.toml", "resize = 256", "resize = 232", "have different preprocessing"),
        ("config.toml", "\"resnet18-w4\"", "\"resnet18-w8\"", "holds resnet18-w4, and config.toml"),
        ("summary.json", "class \\\"0\\\" é", "fox", "class 1 is `fox` in summary.json"),
    ] {
        let parent = tempfile::tempdir().unwrap();
        let run = run(parent.path());
        edit(&run, file, old, new);
        assert_mixed(&run, difference);
    }
}

#[test]
fn an_older_run_whose_model_has_no_metadata_is_read() {
    let parent = tempfile::tempdir().unwrap();
    let run = run(parent.path());
    let file = run.join("model.safetensors");
    let bytes = fs::read(&file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    fs::write(&file, safetensors::serialize(tensors.tensors(), None).unwrap()).unwrap();
    fs::remove_file(run.join("summary.json")).unwrap();
    let model = Model::open(&run, &cpu()).unwrap();
    assert_eq!(model.classes[3], "class \"3\" é");
    let alone = Model::open(&file, &cpu()).unwrap();
    assert_eq!(alone.classes, model.classes);
}

#[test]
fn an_editors_byte_order_mark_and_line_ends_are_not_part_of_the_names() {
    let parent = tempfile::tempdir().unwrap();
    let run = run(parent.path());
    let names = fs::read_to_string(run.join("classes.txt")).unwrap();
    let edited = format!("\u{feff}{}", names.replace('\n', "\r\n"));
    fs::write(run.join("classes.txt"), edited).unwrap();
    assert_eq!(Model::open(&run, &cpu()).unwrap().classes[0], "class \"0\" é");
}
