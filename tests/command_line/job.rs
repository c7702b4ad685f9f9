//! `kindling train`, `evaluate` and `predict`, used together.

use std::fs;

use serde_json::Value;

use crate::fixtures::{CPU, json, json_lines, narrow, photos, run_in, stderr, stdout};
use crate::reference::fixture;

#[test]
fn train_evaluate_and_predict_agree_with_each_other() {
    let folder = photos(8);
    let place = folder.path();
    let trained = run_in(
        place,
        // The network has 32 features and random weights, so training needs more and larger steps
        // than with a real network.
        ["train", "photos", "--out", "run", "--epochs", "30", "--lr", "0.03"]
            .map(String::from)
            .into_iter()
            .chain(narrow()),
    );
    let message = stdout(&trained);
    assert_eq!(stderr(&trained), "");
    for part in [
        "24 to train on, 24 to validate on, 3 classes",
        "epoch  30  train loss",
        "model     run (epoch",
        " predict run PHOTO",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let accuracy: f64 = message
        .split("validation accuracy ")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(accuracy > 0.8, "{message}");

    // Without the temperature, the loss is that of the best epoch.
    let args = ["evaluate", "run", "photos", "--json", "--no-calibration", "--device", CPU];
    let scores = json(&run_in(place, args));
    assert!((scores["accuracy"].as_f64().unwrap() - accuracy).abs() < 5e-5);
    assert_eq!((&scores["images"], &scores["skipped"]), (&24.into(), &0.into()));
    assert_eq!(scores["classes"], serde_json::json!(["checks", "discs", "stripes"]));
    let confusion: Vec<Vec<u64>> = serde_json::from_value(scores["confusion"].clone()).unwrap();
    assert!(confusion.iter().all(|row| row.iter().sum::<u64>() == 8));
    let summary: Value =
        serde_json::from_slice(&fs::read(place.join("run/summary.json")).unwrap()).unwrap();
    let loss = scores["loss"].as_f64().unwrap();
    assert!((summary["best_epoch"]["val_loss"].as_f64().unwrap() - loss).abs() < 1e-4);
    for (class, name) in ["checks", "discs", "stripes"].iter().enumerate() {
        let entry = &scores["per_class"][class];
        assert_eq!((entry["class"].as_str().unwrap(), entry["support"].as_u64()), (*name, Some(8)));
        let recall = confusion[class][class] as f64 / 8.0;
        assert_eq!(entry["recall"].as_f64().unwrap(), recall);
        assert!(entry["precision"].is_number() && entry["f1"].is_number());
    }

    let predicted =
        run_in(place, ["predict", "run", "photos/val", "--json", "--top", "2", "--device", CPU]);
    let lines = json_lines(&stdout(&predicted));
    assert_eq!(lines.len(), 24);
    let right = lines
        .iter()
        .filter(|line| {
            let [first, second] =
                [0, 1].map(|rank| line["top"][rank]["probability"].as_f64().unwrap());
            assert!(first >= second && line["top"].as_array().unwrap().len() == 2);
            assert_eq!(line["top"][0]["class"], line["class"]);
            assert_eq!(line["top"][0]["probability"], line["probability"]);
            line["path"].as_str().unwrap().contains(line["class"].as_str().unwrap())
        })
        .count();
    assert_eq!(right as f64 / 24.0, scores["accuracy"].as_f64().unwrap());
}

#[test]
fn the_run_folder_holds_everything_and_the_same_seed_makes_the_same_model() {
    let folder = photos(5);
    let place = folder.path();
    let train = |out: &str, more: &[&str]| {
        let args = ["train", "photos", "--out", out, "--epochs", "4", "--quiet"];
        let args = args.iter().chain(more).map(|arg| arg.to_string());
        let output = run_in(place, args.chain(narrow()));
        assert_eq!(stdout(&output), format!("{out}\n"), "--quiet prints only the run folder");
        fs::read(place.join(out).join("model.safetensors")).unwrap()
    };
    let (first, again, other) = (train("a", &[]), train("b", &[]), train("c", &["--seed", "1"]));
    assert!(first == again, "the same seed and device");
    assert!(first != other, "another seed");

    assert_eq!(
        fs::read_to_string(place.join("a/classes.txt")).unwrap(),
        "checks\ndiscs\nstripes\n"
    );
    let metrics = fs::read_to_string(place.join("a/metrics.csv")).unwrap();
    assert!(metrics.starts_with(
        "epoch,train_loss,train_accuracy,val_loss,val_accuracy,seconds,val_macro_f1\n1,"
    ));
    assert_eq!(metrics.lines().count(), 5);
    let config: toml::Table =
        toml::from_str(&fs::read_to_string(place.join("a/config.toml")).unwrap()).unwrap();
    assert_eq!(config["backbone"].as_str(), Some("resnet18-w4"));
    for (option, value) in [("epochs", 4), ("batch_size", 4)] {
        assert_eq!(config["options"][option].as_integer(), Some(value), "{option}");
    }
    for option in ["lr", "weight_decay", "seed", "device", "weights", "data", "out"] {
        assert!(config["options"].get(option).is_some(), "{option}");
    }
    // The reference is `sha256sum tests/fixtures/narrow.pth`; this only checks that the run
    // recorded the digest of this file.
    let digest = config["weights"]["sha256"].as_str().unwrap();
    assert_eq!(digest.len(), 64);
    assert_eq!(digest, kindling::weights::sha256_of_file(&fixture("narrow.pth")).unwrap());
    assert_eq!(config["versions"]["burn"].as_str(), Some(kindling::run::BURN_VERSION));
    let names: Vec<_> =
        fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "photos and three runs: {names:?}");
}

#[test]
fn every_device_of_the_machine_trains_the_same_classifier() {
    let folder = photos(6);
    let place = folder.path();
    let devices = json(&run_in(place, ["devices", "--json"]));
    let mut losses = Vec::new();
    for device in devices.as_array().unwrap() {
        let name = device["device"].as_str().unwrap();
        let mut options = narrow();
        options[5] = name.to_owned();
        let out = name.replace(':', "_");
        let args = ["train", "photos", "--epochs", "5", "--out", &out].map(String::from);
        stdout(&run_in(place, args.into_iter().chain(options)));
        let summary: Value =
            serde_json::from_slice(&fs::read(place.join(&out).join("summary.json")).unwrap())
                .unwrap();
        losses.push((name.to_owned(), summary["best_epoch"]["val_loss"].as_f64().unwrap()));
        // GPUs, including software adapters, are self-checked, and the run records the result.
        let config = fs::read_to_string(place.join(&out).join("config.toml")).unwrap();
        let on_gpu = name.starts_with("wgpu") || name.starts_with("cuda");
        assert_eq!(config.contains("[self_check]\nkernels = \"own\""), on_gpu, "{config}");
    }
    println!("{losses:?}");
    for (name, loss) in &losses {
        // The library's tests check that features agree to 1e-5 of the largest one. Training
        // amplifies the difference over 25 steps of Adam at a learning rate of 1e-3.
        assert!((loss - losses[0].1).abs() < 1e-3, "{name}: {losses:?}");
    }
}

#[test]
fn a_weights_file_with_its_own_fc_layer_predicts_without_training() {
    let folder = photos(1);
    let weights = fixture("narrow.pth");
    let output = run_in(
        folder.path(),
        [
            "predict",
            weights.to_str().unwrap(),
            "photos/val/discs/000.png",
            "--top",
            "10",
            "--json",
            "--device",
            CPU,
        ],
    );
    let line = &json_lines(&stdout(&output))[0];
    let top = line["top"].as_array().unwrap();
    assert_eq!(top.len(), 10);
    let sum: f64 = top.iter().map(|guess| guess["probability"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9);
    assert!(line["class"].as_str().unwrap().starts_with("class "));
}

#[test]
fn a_flat_folder_and_class_folders_train_as_well() {
    let folder = photos(6);
    let place = folder.path();
    fs::create_dir(place.join("flat")).unwrap();
    for class in ["checks", "discs"] {
        for index in 0..6 {
            let from = place.join(format!("photos/train/{class}/{index:03}.png"));
            fs::copy(from, place.join(format!("flat/{class}.{index}.png"))).unwrap();
        }
    }
    for (data, expected) in [
        ("flat", "10 to train on, 2 to validate on, 2 classes"),
        ("photos/train", "15 to train on, 3 to validate on, 3 classes"),
    ] {
        let args = ["train", data, "--epochs", "2", "--out", "run", "--force"].map(String::from);
        let message = stdout(&run_in(place, args.into_iter().chain(narrow())));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn the_compiled_network_and_burns_own_train_the_same_model() {
    let folder = photos(8);
    let place = folder.path();
    let weights = fixture("narrow.pth").to_str().unwrap().to_owned();
    let losses = ["cpu", CPU].map(|device| {
        let message = stdout(&run_in(
            place,
            ["train", "photos", "--weights", &weights, "--device", device, "--out", device],
        ));
        assert!(message.contains(&format!("device    {device} (")), "{message}");
        let summary: Value =
            serde_json::from_slice(&fs::read(place.join(device).join("summary.json")).unwrap())
                .unwrap();
        summary["best_epoch"]["val_loss"].as_f64().unwrap()
    });
    // The features differ by rounding, which fifteen epochs of Adam amplify.
    assert!((losses[0] - losses[1]).abs() < 1e-3, "{losses:?}");
    let auto =
        stdout(&run_in(place, ["predict", "cpu", "photos/val", "--json", "--device", "cpu"]));
    let burn = stdout(&run_in(place, ["predict", "cpu", "photos/val", "--json", "--device", CPU]));
    for (one, other) in json_lines(&auto).iter().zip(json_lines(&burn)) {
        let [one, other] = [one, &other].map(|line| line["probability"].as_f64().unwrap());
        assert!((one - other).abs() < 1e-4, "{one} {other}");
    }
}
