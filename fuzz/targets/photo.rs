//! A photo of any bytes decodes to pixels or gives an error: no panic, no hang, no memory bomb.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use kindling::backbone::Architecture;
use kindling::photos::decode;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a folder"));

fuzz_target!(|bytes: &[u8]| {
    let path: PathBuf = FOLDER.path().join("photo");
    fs::write(&path, bytes).expect("a file");
    let Ok(photo) = decode(&path) else { return };
    assert!(photo.width() > 0 && photo.height() > 0, "a photo has pixels");
    let architecture: Architecture = "resnet18".parse().expect("a network");
    let preprocessing = architecture.preprocessing();
    let crop = preprocessing.crop as usize;
    assert_eq!(preprocessing.crop(&photo).len(), crop * crop * 3, "a crop of the photo");
});
