//! A weights file of any bytes gives a network or an error: no panic, no hang, no memory bomb.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use burn::tensor::Device;
use kindling::device;
use kindling::run::{FrozenBackbone, Model};
use kindling::weights::Checkpoint;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a folder"));
static DEVICE: LazyLock<Device> = LazyLock::new(|| {
    let info = device::resolve("cpu".parse().expect("a device")).expect("the processor");
    device::open(&info).expect("the processor")
});

fuzz_target!(|bytes: &[u8]| {
    let path: PathBuf = FOLDER.path().join("weights");
    fs::write(&path, bytes).expect("a file");
    let Ok(checkpoint) = Checkpoint::open(&path) else { return };
    for name in checkpoint.names() {
        let shape = checkpoint.shape(name).expect("a named tensor has a shape");
        if let Ok(values) = checkpoint.values(name) {
            let values = values.expect("a named tensor has values");
            assert_eq!(values.shape().to_vec(), shape, "the values have the shape");
        }
    }
    let _ = FrozenBackbone::from_weights(&checkpoint, &DEVICE);
    if let Ok(model) = Model::from_weights(&checkpoint, &DEVICE) {
        assert_eq!(model.classes.len(), model.head.classes(), "a name for each logit");
    }
});
