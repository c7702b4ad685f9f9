//! Packed weights in the cache: they save time and change no bit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::fixtures::{json, kindling, narrow, photos, stderr, stdout};

/// `kindling` in `place`, with a cache in `place/cache`.
fn cached(place: &Path, args: &[&str]) -> Command {
    let mut command = kindling();
    command.current_dir(place).env("KINDLING_CACHE", "cache").env_remove("KINDLING_NO_CACHE");
    command.args(args);
    command
}

/// A folder with photos, two runs on the CPU engine, `run` and `wide`, and no cache.
fn runs() -> tempfile::TempDir {
    let folder = photos(4);
    for run in ["run", "wide"] {
        let mut args =
            ["train", "photos", "--epochs", "3", "--out", run].map(String::from).to_vec();
        let mut network = narrow();
        network[5] = "cpu".into();
        args.extend(network);
        if run == "wide" {
            args.extend(["--image-size", "64"].map(String::from));
        }
        stdout(&kindling().current_dir(folder.path()).args(args).output().unwrap());
    }
    folder
}

/// Features of three photos, bit for bit.
fn features(place: &Path, run: &str, more: &[&str]) -> Vec<u8> {
    let photo = |name: &str| format!("photos/val/{name}/000.png");
    fs::create_dir_all(place.join("three/a")).unwrap();
    for name in ["checks", "discs", "stripes"] {
        fs::copy(place.join(photo(name)), place.join(format!("three/a/{name}.png"))).unwrap();
    }
    let args = ["embed", run, "three", "--device", "cpu", "--force", "--out", "features.npy"];
    let output = cached(place, &[&args, more].concat()).output().unwrap();
    stdout(&output);
    assert!(!stderr(&output).contains("warning"), "{}", stderr(&output));
    fs::read(place.join("features.npy")).unwrap()
}

/// The files of packed weights.
fn packed(place: &Path) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(place.join("cache/features/packed")) else { return Vec::new() };
    let files = files.map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|found| found == "packed")).collect()
}

#[test]
fn packed_weights_from_the_cache_give_the_same_bits() {
    let folder = runs();
    let place = folder.path();
    let expected = features(place, "run", &["--no-cache"]);
    assert!(packed(place).is_empty());
    assert_eq!(features(place, "run", &[]), expected);
    let [file] = &packed(place)[..] else { panic!("{:?}", packed(place)) };
    let written = fs::metadata(file).unwrap().len();
    assert_eq!(features(place, "run", &[]), expected);
    assert_eq!((packed(place).len(), fs::metadata(file).unwrap().len()), (1, written));
    // Another size of photo has other kernels.
    assert_eq!(features(place, "wide", &[]), features(place, "wide", &["--no-cache"]));
    assert_eq!(packed(place).len(), 2);

    let info = || json(&cached(place, &["cache", "info", "--json"]).output().unwrap());
    let found = info()["packed"].clone();
    assert!(found["files"].as_u64().unwrap() >= 2 && found["bytes"].as_u64().unwrap() > written);
    assert_eq!(found["limit"], 512 << 20);
    let message = stdout(&cached(place, &["cache", "clear"]).output().unwrap());
    assert!(message.contains("deleted   packed weights ("), "{message}");
    assert_eq!(info()["packed"]["files"], 0);
    assert!(!place.join("cache/features/packed").exists());
    assert_eq!(features(place, "run", &[]), expected);
}

#[test]
fn packed_weights_that_are_damaged_or_belong_elsewhere_are_made_anew() {
    let folder = runs();
    let place = folder.path();
    let expected = features(place, "run", &[]);
    let [file] = &packed(place)[..] else { panic!("{:?}", packed(place)) };
    let file = file.clone();
    features(place, "wide", &[]);
    let other = packed(place).into_iter().find(|other| *other != file).unwrap();
    let (good, other) = (fs::read(&file).unwrap(), fs::read(other).unwrap());
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let mut swapped = good.clone();
    swapped[64..8192].rotate_left(4096 - 32);
    let mut emptied = good.clone();
    emptied[4096..8192].fill(0);
    let damaged = [
        Vec::new(),
        b"kindling packed\n".to_vec(),
        good[..good.len() - 1].to_vec(),
        good[..good.len() / 2].to_vec(),
        [&good[..], &[0]].concat(),
        flipped(3),
        flipped(17),
        flipped(good.len() / 2),
        flipped(good.len() - 40),
        flipped(good.len() - 1),
        swapped,
        emptied,
        other,
    ];
    for (number, bytes) in damaged.into_iter().enumerate() {
        assert_ne!(bytes, good, "{number}");
        fs::write(&file, bytes).unwrap();
        assert_eq!(features(place, "run", &[]), expected, "{number}");
        assert!(fs::read(&file).unwrap() == good, "{number}: it is replaced");
    }
}

#[test]
fn a_model_that_was_trained_again_is_not_predicted_with_the_old_weights() {
    let folder = runs();
    let place = folder.path();
    let before = features(place, "run", &[]);
    // The same run with another backbone: as large, and with the same names.
    let mut bytes = fs::read(place.join("run/model.safetensors")).unwrap();
    let header = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    for value in bytes[8 + header..].as_chunks_mut::<4>().0 {
        *value = (f32::from_le_bytes(*value) * 1.25).to_le_bytes();
    }
    fs::write(place.join("run/model.safetensors"), bytes).unwrap();
    // Belongs to the other model, which is a warning.
    fs::remove_file(place.join("run/neighbours.safetensors")).unwrap();
    let expected = features(place, "run", &["--no-cache"]);
    assert_ne!(expected, before);
    assert_eq!(features(place, "run", &[]), expected);
    assert_eq!(features(place, "run", &[]), expected);
}

#[test]
fn processes_that_pack_at_the_same_time_do_not_disturb_each_other() {
    let folder = runs();
    let place = folder.path();
    let args = ["predict", "run", "photos/val/discs/000.png", "--device", "cpu", "--json"];
    let expected = stdout(&cached(place, &[&args[..], &["--no-cache"]].concat()).output().unwrap());
    let processes: Vec<_> = (0..6)
        .map(|_| cached(place, &args).stdout(std::process::Stdio::piped()).spawn().unwrap())
        .collect();
    let outputs: Vec<Output> =
        processes.into_iter().map(|process| process.wait_with_output().unwrap()).collect();
    assert!(outputs.iter().all(|output| stdout(output) == expected));
    assert_eq!(packed(place).len(), 1);
    assert_eq!(stdout(&cached(place, &args).output().unwrap()), expected);
    let left = fs::read_dir(place.join("cache/features/packed")).unwrap();
    let unfinished = left.filter(|file| {
        file.as_ref().unwrap().file_name().to_string_lossy().starts_with(".kindling-")
    });
    assert_eq!(unfinished.count(), 0);
}

#[test]
fn a_folder_that_cannot_hold_packed_weights_is_no_error() {
    let folder = runs();
    let place = folder.path();
    let expected = features(place, "run", &["--no-cache"]);
    fs::create_dir_all(place.join("cache/features")).unwrap();
    fs::write(place.join("cache/features/packed"), "theirs").unwrap();
    assert_eq!(features(place, "run", &[]), expected);
    assert_eq!(fs::read(place.join("cache/features/packed")).unwrap(), b"theirs");
}
