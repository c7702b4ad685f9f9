//! `train --features` trains the head that `train` would train on the photos.

use std::fs;
use std::path::Path;
use std::process::Output;

use kindling::features::{FeatureTable, TableFormat};

use crate::errors::assert_error;
use crate::fixtures::{CPU, narrow, photos, run_in, stdout};
use crate::reference::fixture;

fn run(place: &Path, args: &[&str], more: &[String]) -> Output {
    run_in(place, args.iter().map(|arg| (*arg).to_owned()).chain(more.iter().cloned()))
}

/// `train --features` with the narrow network's weights.
fn train(place: &Path, files: &[&str], out: &str, more: &[&str]) -> Output {
    let args = [&["train", "--out", out], more, &["--features"], files].concat();
    run(place, &args, &narrow())
}

fn embed(place: &Path, data: &str, out: &str) -> Output {
    let weights = fixture("narrow.pth");
    run_in(place, ["embed", weights.to_str().unwrap(), data, "--out", out, "--device", CPU])
}

/// The formats that this build reads.
fn formats() -> impl Iterator<Item = TableFormat> {
    TableFormat::ALL.into_iter().filter(|format| format.is_compiled_in())
}

#[test]
fn the_model_is_that_of_the_photos_and_is_used_like_one() {
    let folder = photos(6);
    let place = folder.path();
    stdout(&run(place, &["train", "photos", "--out", "of-photos"], &narrow()));
    let file = |run: &str, name: &str| fs::read(place.join(run).join(name)).unwrap();
    for format in formats() {
        let (table, out) = (format!("t.{format}"), format!("of-{format}"));
        stdout(&embed(place, "photos", &table));
        let text = stdout(&train(place, &[&table], &out, &[]));
        assert!(text.contains("photos    18 to train on, 18 to validate on, 3 classes"), "{text}");
        assert!(text.contains("report    none, for it shows photos"), "{text}");
        let known = match format {
            TableFormat::Npy => "the file does not say by which weights",
            _ => "computed before, by these weights",
        };
        assert!(text.contains(known), "{text}");
        for name in ["model.safetensors", "predictions.csv"] {
            assert!(file(&out, name) == file("of-photos", name), "{format} {name}");
        }
    }
    // The run knows its photos, which are where the files say.
    stdout(&run_in(place, ["report", "of-npy", "--device", CPU]));
    assert!(place.join("of-npy/report.html").exists());
}

#[test]
fn a_part_to_test_on_is_tested_and_a_share_is_held_out_where_there_are_no_parts() {
    let folder = photos(10);
    let place = folder.path();
    stdout(&embed(place, "photos/train", "t.npy"));
    let text = stdout(&train(place, &["t.npy"], "drawn", &["--test-split", "0.2"]));
    assert!(text.contains("18 to train on, 6 to validate on, 6 to test on"), "{text}");
    let csv = fs::read_to_string(place.join("t.csv")).unwrap();
    let parts = ["train", "val", "test"].into_iter().cycle();
    let rows = csv.lines().skip(1).zip(parts).map(|(row, part)| format!("{row},{part}\n"));
    fs::write(place.join("t.csv"), format!("path,label,part\n{}", rows.collect::<String>()))
        .unwrap();
    let text = stdout(&train(place, &["t.npy"], "given", &["--head", "auto"]));
    assert!(text.contains("10 to train on, 10 to validate on, 10 to test on"), "{text}");
    assert!(text.contains("test accuracy"), "{text}");
}

#[cfg(feature = "parquet")]
#[test]
fn a_folder_of_shards_is_one_table_unless_a_shard_is_missing() {
    let folder = photos(4);
    let place = folder.path();
    for part in ["train", "val"] {
        let mut tar =
            tar::Builder::new(fs::File::create(place.join(format!("{part}.tar"))).unwrap());
        for class in ["checks", "discs", "stripes"] {
            for index in 0..4 {
                let photo = place.join(format!("photos/{part}/{class}/{index:03}.png"));
                let key = format!("{class}-{index}");
                tar.append_path_with_name(photo, format!("{key}.png")).unwrap();
                let mut header = tar::Header::new_gnu();
                header.set_size(class.len() as u64);
                header.set_mode(0o644);
                tar.append_data(&mut header, format!("{key}.cls"), class.as_bytes()).unwrap();
            }
        }
        tar.finish().unwrap();
    }
    stdout(&embed(place, "*.tar", "shards"));
    let text = stdout(&train(place, &["shards"], "run", &[]));
    assert!(text.contains("table     24 photos of 32 features: shards"), "{text}");
    stdout(&run_in(place, ["predict", "run", "photos/val/discs/001.png", "--device", CPU]));
    // The photos are in the archives, as long as these are there.
    stdout(&run_in(place, ["report", "run", "--device", CPU]));
    fs::rename(place.join("train.tar"), place.join("other.tar")).unwrap();
    fs::rename(place.join("val.tar"), place.join("another.tar")).unwrap();
    let report = run_in(place, ["report", "run", "--device", CPU]);
    assert_error(&report, &["could be decoded"]);
    let text = stdout(&train(place, &["shards/{train,val}.parquet"], "other", &[]));
    assert!(text.contains("table     24 photos"), "{text}");
    fs::remove_file(place.join("shards/val.parquet")).unwrap();
    let missing = train(place, &["shards"], "third", &[]);
    assert_error(&missing, &["no features of the shard `val.tar`", "embed"]);
}

#[test]
fn features_of_another_network_are_refused() {
    let folder = photos(3);
    let place = folder.path();
    stdout(&embed(place, "photos", "t.safetensors"));
    let rest = ["--device", CPU, "--out", "run", "--features", "t.safetensors"];
    let with = |more: &[&str]| run_in(place, [&["train"], more, &rest].concat());
    assert_error(
        &with(&["--backbone", "efficientnet-lite0"]),
        &["computed by resnet18-w4, and the weights are those of efficientnet-lite0"],
    );
    let narrow_file = fixture("narrow.pth");
    let weights = ["--weights", narrow_file.to_str().unwrap()];
    let padded = [&weights[..], &["--fit", "pad"]].concat();
    assert_error(&with(&padded), &["were not computed by resnet18-w4", "--fit"]);
    // Weights of the same form and other values.
    let other = fixture("narrow_f16.safetensors");
    let other = ["--weights", other.to_str().unwrap()];
    assert_error(&with(&other), &["were not computed by resnet18-w4", "narrow_f16"]);
    stdout(&with(&weights));

    stdout(&embed(place, "photos", "t.npy"));
    let unnamed = run_in(place, ["train", "--features", "t.npy", "--out", "other"]);
    assert_error(&unnamed, &["does not say which network", "--backbone NAME"]);
    fs::remove_file(place.join("t.csv")).unwrap();
    assert_error(&train(place, &["t.npy"], "other", &[]), &["has no labels", ".csv"]);
    let columns = train(place, &["t.safetensors"], "other", &["--label-column", "species"]);
    assert_error(&columns, &["--label-column is for tables of photos"]);
    let both = run_in(place, ["train", "photos", "--features", "t.npy"]);
    assert_eq!(both.status.code(), Some(2));
    assert!(!place.join("other").exists());
}

#[test]
fn photos_without_a_label_are_passed_over_and_said() {
    let folder = photos(4);
    let place = folder.path();
    stdout(&embed(place, "photos", "t.safetensors"));
    let mut table = FeatureTable::read(&place.join("t.safetensors")).unwrap();
    table.photos[2].label = None;
    table.photos[9].part = None;
    let mut bytes = Vec::new();
    table.write(TableFormat::Safetensors, &mut bytes).unwrap();
    fs::write(place.join("t.safetensors"), bytes).unwrap();
    let output = train(place, &["t.safetensors"], "run", &[]);
    let warnings = crate::fixtures::stderr(&output);
    assert!(
        warnings.contains("it has no label") && warnings.contains("it has no part"),
        "{warnings}"
    );
    let text = stdout(&output);
    assert!(text.contains("10 to train on, 12 to validate on"), "{text}");
    assert!(text.contains("skipped   2 files"), "{text}");
}

#[test]
fn features_that_do_not_fit_are_in_a_file_and_what_needs_them_all_says_so() {
    let folder = photos(8);
    let place = folder.path();
    stdout(&embed(place, "photos", "t.npy"));
    let small = ["--features-memory", "1KiB", "--features-dir", "elsewhere"];
    let of_photos = [&["train", "photos", "--out", "of-photos"], &small[..]].concat();
    let outputs =
        [run(place, &of_photos, &narrow()), train(place, &["t.npy"], "of-features", &small)];
    for (output, out) in outputs.iter().zip(["of-photos", "of-features"]) {
        let text = stdout(output);
        assert!(text.contains("in a temporary file, so photos that are nearly the same"), "{text}");
        stdout(&run_in(place, ["predict", out, "photos/val/discs/001.png", "--device", CPU]));
    }
    // The model does not depend on where the features were.
    stdout(&run(place, &["train", "photos", "--out", "in-memory"], &narrow()));
    let file = |out: &str, name: &str| fs::read(place.join(out).join(name)).unwrap();
    for name in ["model.safetensors", "predictions.csv"] {
        assert!(file("of-photos", name) == file("in-memory", name), "{name}");
        assert!(file("of-features", name) == file("in-memory", name), "{name}");
    }
    assert_eq!(fs::read_dir(place.join("elsewhere")).unwrap().count(), 0);
    for asked in [&["--head", "auto"][..], &["--refit"], &["--folds", "3"]] {
        let output = train(place, &["t.npy"], "no", &[&small[..4], asked].concat());
        assert_error(
            &output,
            &[asked[0], "needs all features in memory", "--features-memory 6KiB"],
        );
    }
    let nowhere = ["--features-memory", "1KiB", "--features-dir", "t.csv"];
    assert_error(&train(place, &["t.npy"], "no", &nowhere), &["`t.csv` cannot be created"]);
    assert!(!place.join("no").exists());
}
