//! `train --fit`, `--image-size` and `--views`, and `--tta` of the commands that predict.

use std::fs;

use crate::errors::assert_error;
use crate::fixtures::{CPU, json, json_lines, narrow, photos, run_in, stderr, stdout};

#[test]
fn a_model_remembers_how_its_photos_are_fitted_wherever_it_goes() {
    let folder = photos(4);
    let place = folder.path();
    let train = |out: &str, more: &[&str]| {
        let args = ["train", "photos", "--out", out, "--epochs", "3", "--lr", "0.03"];
        let args = args.iter().chain(more).map(|word| (*word).to_owned());
        stdout(&run_in(place, args.chain(narrow())))
    };
    for (fit, prepared, seen, card) in [
        (
            "pad",
            "long side 64 (bilinear), centred on 64 x 64 of the colour [124, 116, 104], RGB",
            "the whole photo on a background, 64 × 64 pixels",
            "The long side of each photo is resized to 64 pixels",
        ),
        (
            "stretch",
            "stretched to 64 x 64 (bilinear), RGB",
            "the whole photo, stretched to 64 × 64 pixels",
            "Each photo is stretched to a square of 64 pixels",
        ),
    ] {
        train(fit, &["--fit", fit, "--image-size", "64"]);
        let config: toml::Table =
            fs::read_to_string(place.join(fit).join("config.toml")).unwrap().parse().unwrap();
        assert_eq!(config["preprocessing"]["fit"].as_str(), Some(fit));
        assert_eq!(config["preprocessing"]["crop"].as_integer(), Some(64));
        let report = fs::read_to_string(place.join(fit).join("report.html")).unwrap();
        assert!(report.contains(seen), "{seen}");
        let readme = fs::read_to_string(place.join(fit).join("README.md")).unwrap();
        assert!(readme.contains(card) && !readme.contains("only the centre"), "{readme}");
        // The exported file predicts what the run does.
        let predict = |model: &str| {
            let args = ["predict", model, "photos/val", "--json", "--device", CPU];
            let lines = json_lines(&stdout(&run_in(place, args)));
            lines.into_iter().map(|line| (line["class"].clone(), line["probability"].as_f64()))
        };
        let message = stdout(&run_in(place, ["export", fit, "--out", "m.safetensors", "--force"]));
        assert!(message.contains(prepared), "{message}");
        for ((class, probability), of_run) in predict("m.safetensors").zip(predict(fit)) {
            assert_eq!(class, of_run.0);
            assert!((probability.unwrap() - of_run.1.unwrap()).abs() < 1e-5);
        }
        stdout(&run_in(place, ["export", fit, "--out", "m.onnx", "--force"]));
        let onnx = fs::read(place.join("m.onnx")).unwrap();
        let needle = format!("\"fit\":\"{fit}\"");
        assert!(onnx.windows(needle.len()).any(|bytes| bytes == needle.as_bytes()), "{fit}");
    }
    // The usual way is written as ever.
    train("usual", &["--image-size", "64"]);
    let config = fs::read_to_string(place.join("usual/config.toml")).unwrap();
    let (_, preprocessing) = config.split_once("[preprocessing]\n").unwrap();
    assert!(
        preprocessing.starts_with("resize = 73\nfilter = \"bilinear\"\ncrop = 64\nmean ="),
        "{config}"
    );
    assert!(!preprocessing.contains("fit"), "{config}");
}

#[test]
fn views_are_computed_once_and_cached_and_predictions_can_average_them() {
    let folder = photos(4);
    let place = folder.path();
    let train = |out: &str| {
        let args = ["train", "photos", "--out", out, "--views", "6", "--image-size", "64"];
        let args = args.iter().chain(&["--cache", "kept", "--epochs", "5", "--lr", "0.03"]);
        stdout(&run_in(place, args.map(|word| (*word).to_owned()).chain(narrow())))
    };
    // 12 photos with six views, and 12 with one.
    let first = train("first");
    assert!(first.contains("features  24 photos, 84 views in "), "{first}");
    assert!(first.contains(" views/s)"), "{first}");
    let second = train("second");
    assert!(second.contains(" views/s, from the cache)"), "{second}");
    let model = |run: &str| fs::read(place.join(run).join("model.safetensors")).unwrap();
    assert!(model("first") == model("second"), "the same views, the same model");
    let info = json(&run_in(place, ["cache", "info", "--json", "--cache", "kept"]));
    assert_eq!(info["spaces"].as_array().unwrap().len(), 6);
    assert_eq!(info["photos"], 24 + 5 * 12);

    let with = |command: &[&str]| {
        let args = [command, &["--device", CPU, "--cache", "kept"]].concat();
        run_in(place, args)
    };
    let evaluate = ["evaluate", "first", "photos", "--no-report", "--json"];
    let plain = json(&with(&evaluate));
    let averaged = json(&with(&[&evaluate[..], &["--tta", "6"]].concat()));
    assert!(plain.get("tta").is_none());
    assert_eq!(averaged["tta"], 6);
    assert_ne!(plain["loss"], averaged["loss"]);
    let shown = stdout(&with(&["evaluate", "first", "photos", "--tta", "6"]));
    assert!(shown.contains("views     6 of each photo, averaged"), "{shown}");
    let report = fs::read_to_string(place.join("first/report.html")).unwrap();
    assert!(report.contains("6 views of each photo, averaged"));
    // Predictions agree with the evaluation, photo by photo.
    let predicted =
        json_lines(&stdout(&with(&["predict", "first", "photos/val", "--tta", "6", "--json"])));
    let right = predicted
        .iter()
        .filter(|line| line["path"].as_str().unwrap().contains(line["class"].as_str().unwrap()))
        .count();
    assert_eq!(averaged["accuracy"].as_f64(), Some(right as f64 / 12.0));
    stdout(&with(&["report", "first", "--tta", "2", "--quiet"]));
}

#[test]
fn sizes_and_views_out_of_range_are_refused_before_any_work() {
    let folder = photos(2);
    let place = folder.path();
    for (option, value, said) in [
        ("--image-size", "16", "16 is not in 32..=1024"),
        ("--image-size", "2000", "2000 is not in 32..=1024"),
        ("--image-size", "224x224", "invalid digit"),
        ("--views", "0", "0 is not in 1..=10"),
        ("--views", "11", "11 is not in 1..=10"),
        ("--fit", "squash", "[possible values: crop, pad, stretch]"),
    ] {
        let args = ["train", "photos", "--out", "run", option, value].map(String::from);
        let refused = run_in(place, args.into_iter().chain(narrow()));
        assert_eq!(refused.status.code(), Some(2), "{option} {value}");
        assert!(stderr(&refused).contains(said), "{}", stderr(&refused));
        assert!(!place.join("run").exists());
    }
    let refused = run_in(place, ["predict", "run", "photos", "--tta", "11"]);
    assert_eq!(refused.status.code(), Some(2));
    // A file that claims a square its photos cannot have.
    let args = ["train", "photos", "--out", "run", "--fit", "pad", "--quiet"].map(String::from);
    stdout(&run_in(place, args.into_iter().chain(narrow())));
    let config = place.join("run/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("resize = 224", "resize = 256")).unwrap();
    assert_error(
        &run_in(place, ["predict", "run", "photos"]),
        &["preprocessing is invalid (pad, resize 256, crop 224", "equal to it"],
    );
}

/// Blocks of random colours: no two seeds look alike.
fn blocks(seed: u32) -> image::RgbImage {
    let size = 4 + seed % 5 * 3;
    image::RgbImage::from_fn(64, 64, |x, y| {
        let cell = x / size * 31 + y / size * 17 + seed * 101;
        let hash = cell.wrapping_mul(2_654_435_761);
        let hash = (hash ^ (hash >> 15)).wrapping_mul(2_246_822_519);
        image::Rgb([8, 16, 24].map(|bits| (hash >> bits) as u8))
    })
}

#[test]
fn photos_that_are_put_together_get_the_views_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    for (class, first) in [("a", 0), ("b", 12)] {
        let part = |part: &str| place.join("photos").join(part).join(class);
        for (name, first) in [("train", first), ("val", first + 6)] {
            fs::create_dir_all(part(name)).unwrap();
            for index in 0..6 {
                let photo = blocks(first + index);
                photo.save(part(name).join(format!("{index}.png"))).unwrap();
            }
        }
        fs::copy(part("val").join("0.png"), part("train").join("copy.png")).unwrap();
    }
    let args = ["train", "photos", "--out", "run", "--views", "3", "--image-size", "64"];
    let network = ["--backbone", "efficientnet-lite0", "--device", CPU];
    let split = ["--split-duplicates", "together", "--epochs", "2", "--cache", "kept"];
    let message = stdout(&run_in(place, args.iter().chain(&network).chain(&split)));
    assert!(message.contains("features  26 photos, 54 views in "), "{message}");
    assert!(message.contains("moved to an earlier part"), "{message}");
    let summary = fs::read_to_string(place.join("run/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let photos = ["train_photos", "val_photos"].map(|key| summary[key].as_u64().unwrap());
    assert!(photos[0] >= 16 && photos[0] + photos[1] == 26, "{photos:?}");
    // Every training photo has three views now; two of them are copies.
    let info = json(&run_in(place, ["cache", "info", "--json", "--cache", "kept"]));
    let spaces = info["spaces"].as_array().unwrap();
    let mut counts: Vec<_> = spaces.iter().map(|space| space["photos"].as_u64()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [Some(photos[0] - 2), Some(photos[0] - 2), Some(24)]);
}
