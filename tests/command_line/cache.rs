//! `kindling cache info` and `clear`, and commands that use the feature cache.

use std::fs;
use std::path::Path;
use std::process::Output;

use kindling::features::cache::{FeatureCache, PhotoDigest, Space};
use kindling::photos::Preprocessing;

use crate::errors::assert_error;
use crate::fixtures::{CPU, json, kindling, narrow, photos, run_in, stderr, stdout};

/// Caches the features of `photos` photos, `width` numbers each, in `folder`.
fn fill(folder: &Path, photos: usize, width: usize) {
    let mut cache = open(folder, width);
    for photo in 0..photos {
        cache.insert(photo_digest(photo), (640, 480), &vec![photo as f32; width]);
    }
    cache.flush().unwrap();
}

fn open(folder: &Path, width: usize) -> FeatureCache {
    FeatureCache::open(folder, Space::new(&[7; 32], &Preprocessing::IMAGENET, width, "cpu"))
        .unwrap()
}

fn photo_digest(photo: usize) -> PhotoDigest {
    PhotoDigest::of(&photo.to_le_bytes())
}

fn run(place: &Path, args: &[&str]) -> Output {
    let mut command = kindling();
    command.env("KINDLING_CACHE", "usual").current_dir(place).arg("cache").args(args);
    command.output().unwrap()
}

#[test]
fn an_absent_cache_is_told_and_cleared_as_an_empty_one() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("empty")).unwrap();
    for more in [&[][..], &["--cache", "absent/too"], &["--cache", "empty"]] {
        let message = stdout(&run(place.path(), &[&["info"], more].concat()));
        let folder = more.get(1).unwrap_or(&"usual/features");
        assert!(
            message.starts_with(&format!("folder    {folder}\nphotos    0\nsize      0 B")),
            "{message}"
        );
        let message = json(&run(place.path(), &[&["info", "--json"], more].concat()));
        assert_eq!(message["folder"].as_str(), Some(*folder));
        assert_eq!((message["bytes"].as_u64(), message["photos"].as_u64()), (Some(0), Some(0)));
        assert_eq!(message["spaces"], serde_json::json!([]));
        let message = stdout(&run(place.path(), &[&["clear"], more].concat()));
        assert_eq!(message, format!("nothing to delete in {folder}\n"));
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "reading creates nothing");
}

#[test]
fn info_tells_photos_and_size_of_each_network() {
    let place = tempfile::tempdir().unwrap();
    let usual = place.path().join("usual/features");
    fill(&usual, 3, 4);
    fill(&usual, 2, 8);
    fill(&place.path().join("other"), 1, 4);
    let message = json(&run(place.path(), &["info", "--json"]));
    assert_eq!((message["photos"].as_u64(), message["files"].as_u64()), (Some(5), Some(2)));
    assert_eq!(message["limit"].as_u64(), Some(1 << 30));
    let spaces = message["spaces"].as_array().unwrap();
    let mut counted: Vec<_> = spaces
        .iter()
        .map(|space| (space["features"].as_u64().unwrap(), space["photos"].as_u64().unwrap()))
        .collect();
    counted.sort_unstable();
    assert_eq!(counted, [(4, 3), (8, 2)]);
    let on_disk: u64 = spaces
        .iter()
        .flat_map(|space| fs::read_dir(usual.join(space["space"].as_str().unwrap())).unwrap())
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert_eq!(message["bytes"].as_u64(), Some(on_disk));
    let message = stdout(&run(place.path(), &["info"]));
    for part in
        ["folder    usual/features\n", "photos    5\n", "in 2 files", "1.07 GB", "LAST USED"]
    {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(json(&run(place.path(), &["info", "--json", "--cache", "other"]))["photos"], 1);
}

#[test]
fn clear_deletes_the_cache_and_nothing_of_the_users() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    fill(&home, 3, 4);
    let space = fs::read_dir(&home).unwrap().next().unwrap().unwrap().path();
    let theirs = [
        home.join("photo.jpg"),
        home.join(".profile"),
        home.join("0123456789abcdef0123456789abcdef.features"),
        home.join("photos/0123456789abcdef0123456789abcdef.features"),
        home.join("weights/resnet18-f37072fd.pth"),
        space.join("notes.txt"),
        space.join("holiday.features"),
    ];
    for file in &theirs {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "theirs").unwrap();
    }
    let message = stdout(&run(place.path(), &["clear", "--cache", "home"]));
    assert!(message.starts_with("deleted   the features of 3 photos (1 file, "), "{message}");
    assert!(message.ends_with(" from home\n"), "{message}");
    for file in &theirs {
        assert_eq!(fs::read(file).unwrap(), b"theirs", "{}", file.display());
    }
    assert_eq!(json(&run(place.path(), &["info", "--json", "--cache", "home"]))["files"], 0);
    let message = stdout(&run(place.path(), &["clear", "--cache", "home"]));
    assert_eq!(message, "nothing to delete in home\n");
    assert!(open(&home, 4).get(&photo_digest(0)).is_none());
}

#[test]
fn a_damaged_file_is_told_and_cleared_too() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("usual/features");
    fill(&folder, 2, 4);
    let space = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let file = fs::read_dir(&space).unwrap().next().unwrap().unwrap().path();
    fs::write(&file, "damaged").unwrap();
    let message = stdout(&run(place.path(), &["info"]));
    assert!(message.contains("photos    0\nsize      7 B in 1 file,"), "{message}");
    assert!(file.exists(), "reading deletes nothing");
    let message = stdout(&run(place.path(), &["clear"]));
    assert!(message.contains("0 photos (1 file, 7 B)"), "{message}");
    assert!(!space.exists());
}

#[test]
fn what_is_no_cache_folder_is_told_in_one_line() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("file"), "").unwrap();
    for command in ["info", "clear"] {
        let output = run_in(place.path(), ["cache", command, "--cache", "file"]);
        assert_error(&output, &["the feature cache `file` is not a folder"]);
        let output = run_in(place.path(), ["cache", command, "--cache", "file/in/it"]);
        assert_error(&output, &["the feature cache `file/in/it`"]);
    }
    let bare = run_in(place.path(), ["cache"]);
    assert_eq!(bare.status.code(), Some(2));
    assert!(stderr(&bare).contains("clear"), "{}", stderr(&bare));
}

/// Trains on the photos in `place` with the additional arguments `more`.
fn train(place: &Path, out: &str, more: &[&str]) -> Output {
    let mut args = ["train", "photos", "--epochs", "3", "--out", out].map(String::from).to_vec();
    args.extend(narrow());
    args.extend(more.iter().map(|word| word.to_string()));
    run_in(place, args)
}

fn model(place: &Path, run: &str) -> Vec<u8> {
    fs::read(place.join(run).join("model.safetensors")).unwrap()
}

#[test]
fn a_run_on_kept_features_gives_the_model_that_computing_them_gives() {
    let folder = photos(6);
    let place = folder.path();
    let without = train(place, "without", &["--no-cache"]);
    assert!(!stdout(&without).contains("from the cache"));
    let first = stdout(&train(place, "first", &["--cache", "kept"]));
    assert!(first.contains("36 photos in") && !first.contains("from the cache"), "{first}");
    // Cached features are found by a photo's content, not by its name or location.
    fs::rename(place.join("photos"), place.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", place.join("photos")).unwrap();
    let second = stdout(&train(place, "second", &["--cache", "kept"]));
    assert!(second.contains("photos/s, from the cache)"), "{second}");
    assert_eq!(model(place, "first"), model(place, "without"));
    assert_eq!(model(place, "second"), model(place, "without"));

    // After one photo is replaced, only its features are computed.
    let one = place.join("elsewhere/train/discs/000.png");
    let another = place.join("elsewhere/train/checks/000.png");
    assert!(one.is_file() && another.is_file());
    let mut photo = image::open(&another).unwrap().into_rgb8();
    photo.put_pixel(0, 0, image::Rgb([1, 2, 3]));
    photo.save(&one).unwrap();
    let third = stdout(&train(place, "third", &["--cache", "kept"]));
    assert!(third.contains(", 35 photos from the cache)"), "{third}");
}

#[test]
fn kept_features_serve_every_command_and_other_preprocessing_gets_none_of_them() {
    let folder = photos(4);
    let place = folder.path();
    stdout(&train(place, "run", &["--cache", "kept"]));
    let with = |args: &[&str]| {
        let args = [args, &["--device", CPU, "--cache", "kept"]].concat();
        stdout(&run_in(place, args))
    };
    let plain = |args: &[&str]| stdout(&run_in(place, [args, &["--device", CPU]].concat()));
    for args in [
        &["predict", "run", "photos", "--csv"][..],
        &["evaluate", "run", "photos", "--no-report", "--json"],
    ] {
        assert_eq!(with(args), plain(args));
    }
    let message = json(&run(place, &["info", "--json", "--cache", "kept"]));
    assert_eq!((&message["photos"], message["spaces"].as_array().unwrap().len()), (&24.into(), 1));
    // EfficientNet-Lite0 is a different network with different preprocessing.
    with(&["embed", "efficientnet-lite0", "photos", "--out", "a.npy"]);
    let message = json(&run(place, &["info", "--json", "--cache", "kept"]));
    assert_eq!((&message["photos"], message["spaces"].as_array().unwrap().len()), (&48.into(), 2));

    // The networks are named, and a cache of an older version once it is used again.
    let names = || {
        let message = json(&run(place, &["info", "--json", "--cache", "kept"]));
        let spaces = message["spaces"].as_array().unwrap();
        let mut names: Vec<_> = spaces.iter().map(|space| space["network"].clone()).collect();
        names.sort_by_key(ToString::to_string);
        names
    };
    let named = names();
    assert!(named[0].as_str().unwrap().starts_with("efficientnet-lite0 ("), "{named:?}");
    assert!(named[1].as_str().unwrap().starts_with("resnet18-w4 ("), "{named:?}");
    let table = stdout(&run(place, &["info", "--cache", "kept"]));
    assert!(named.iter().all(|name| table.contains(name.as_str().unwrap())), "{table}");
    for space in fs::read_dir(place.join("kept")).unwrap() {
        fs::remove_file(space.unwrap().path().join("network.txt")).unwrap();
    }
    assert_eq!(names(), [serde_json::Value::Null, serde_json::Value::Null]);
    with(&["embed", "efficientnet-lite0", "photos", "--out", "b.npy"]);
    assert_eq!(names()[0], named[0]);
    assert_eq!(names()[1], serde_json::Value::Null);
    stdout(&run(place, &["clear", "--cache", "kept"]));
    assert_eq!(fs::read_dir(place.join("kept")).unwrap().count(), 0, "nothing is left");
}

#[test]
fn a_damaged_cache_is_never_trusted() {
    let folder = photos(4);
    let place = folder.path();
    stdout(&train(place, "first", &["--cache", "kept"]));
    let space = fs::read_dir(place.join("kept")).unwrap().next().unwrap().unwrap().path();
    let files = fs::read_dir(space).unwrap().map(|entry| entry.unwrap().path());
    let file = files.into_iter().find(|file| file.extension().unwrap() == "features").unwrap();
    let good = fs::read(&file).unwrap();
    for (name, damage) in [("flipped", good.len() / 2), ("cut", good.len() - 1)] {
        let mut bytes = good.clone();
        match name {
            "flipped" => bytes[damage] ^= 1,
            _ => bytes.truncate(damage),
        }
        fs::write(&file, bytes).unwrap();
        stdout(&train(place, name, &["--cache", "kept"]));
        assert_eq!(model(place, name), model(place, "first"), "{name}");
    }
}

#[test]
fn a_cache_that_cannot_be_used_costs_a_warning_and_not_the_run() {
    let folder = photos(4);
    let place = folder.path();
    fs::write(place.join("a-file"), "no folder").unwrap();
    let trained = train(place, "run", &["--cache", "a-file"]);
    stdout(&trained);
    let message = stderr(&trained);
    assert!(
        message.contains("warning: the feature cache is not used:") && message.contains("a-file"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1, "{message}");
    assert_eq!(fs::read(place.join("a-file")).unwrap(), b"no folder");
    let wrong = run_in(place, ["predict", "run", "photos", "--cache", "x", "--no-cache"]);
    assert_eq!(wrong.status.code(), Some(2), "the options exclude each other");
}

#[test]
fn two_runs_at_once_share_a_cache() {
    let folder = photos(6);
    let place = folder.path();
    std::thread::scope(|scope| {
        for run in ["one", "other"] {
            scope.spawn(move || stdout(&train(place, run, &["--cache", "kept"])));
        }
    });
    assert_eq!(model(place, "one"), model(place, "other"));
    let third = stdout(&train(place, "third", &["--cache", "kept"]));
    assert!(third.contains("from the cache)"), "{third}");
    assert_eq!(model(place, "third"), model(place, "one"));
}
