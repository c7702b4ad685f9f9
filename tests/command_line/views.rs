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
            json_lines(&stdout(&run_in(place, args)))
        };
        let message = stdout(&run_in(place, ["export", fit, "--out", "m.safetensors", "--force"]));
        assert!(message.contains(prepared), "{message}");
        assert_eq!(predict("m.safetensors"), predict(fit));
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

#[test]
fn photos_that_are_put_together_get_the_views_of_the_others() {
    let folder = photos(4);
    let place = folder.path();
    // Each class folder holds a validation photo twice, under two names.
    for class in ["checks", "discs", "stripes"] {
        let part = |part: &str| place.join("photos").join(part).join(class);
        let pair = image::open(part("val").join("000.png")).unwrap();
        pair.save(part("train").join("copy.png")).unwrap();
    }
    let train = |out: &str, more: &[&str]| {
        let args = ["train", "photos", "--out", out, "--views", "3", "--image-size", "32"];
        let args = args.iter().chain(more).chain(&["--epochs", "2", "--cache", "kept"]);
        run_in(place, args.map(|word| (*word).to_owned()).chain(narrow()))
    };
    let message = stdout(&train("together", &["--split-duplicates", "together"]));
    assert!(message.contains("features  27 photos, 57 views in "), "{message}");
    assert!(message.contains("moved to an earlier part"), "{message}");
    let summary = fs::read_to_string(place.join("together/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let photos = [&summary["train_photos"], &summary["val_photos"]].map(|n| n.as_u64().unwrap());
    assert!(photos[0] > 15 && photos[0] + photos[1] == 27, "{photos:?}");
    // Every training photo has three views now.
    let info = json(&run_in(place, ["cache", "info", "--json", "--cache", "kept"]));
    let mut counts: Vec<u64> = info["spaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|space| space["photos"].as_u64().unwrap())
        .collect();
    counts.sort_unstable();
    assert!(counts.len() == 3 && counts[0] == counts[1], "{counts:?}");
}
