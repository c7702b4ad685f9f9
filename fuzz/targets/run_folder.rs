//! A run folder whose files have any content gives a model and a history, or errors.
//!
//! An input holds the files of a run, each after a line `=== NAME`. The model's tensors are always
//! the same; the target `weights` varies those.

#![no_main]

use std::fs;
use std::sync::LazyLock;

use burn::tensor::Device;
use kindling::device;
use kindling::run::{
    CLASSES_FILE, CONFIG_FILE, History, METRICS_FILE, MODEL_FILE, Model, SUMMARY_FILE,
};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

const MODEL: &[u8] = include_bytes!("../../tests/fixtures/narrow_f16.safetensors");
const FILES: [&str; 4] = [CONFIG_FILE, CLASSES_FILE, METRICS_FILE, SUMMARY_FILE];

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join(MODEL_FILE), MODEL).expect("a file");
    folder
});
static DEVICE: LazyLock<Device> = LazyLock::new(|| {
    let info = device::resolve("cpu".parse().expect("a device")).expect("the processor");
    device::open(&info).expect("the processor")
});

fuzz_target!(|bytes: &[u8]| {
    let folder = FOLDER.path();
    for name in FILES {
        let content = section(bytes, name).unwrap_or_default();
        fs::write(folder.join(name), content).expect("a file");
    }
    if let Ok(model) = Model::open(folder, &DEVICE) {
        assert_eq!(model.classes.len(), model.head.classes(), "a name for each logit");
    }
    if let Ok(history) = History::read(folder) {
        let best = history.summary.best_epoch.epoch;
        assert!((1..=history.epochs.len()).contains(&best), "the best epoch is one of them");
    }
});

/// The bytes between the line `=== NAME` and the next line that begins with `===`.
fn section<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mark = format!("=== {name}\n");
    let find = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).position(|at| at == needle);
    let start = find(bytes, mark.as_bytes())? + mark.len();
    let rest = &bytes[start..];
    Some(find(rest, b"=== ").map_or(rest, |end| &rest[..end]))
}
