//! `kindling export` and `kindling embed`: their files, output and errors.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use kindling::weights::{Checkpoint, safetensors_header};
use safetensors::SafeTensors;

use crate::errors::assert_error;
use crate::fixtures::{CPU, json_lines, narrow, photos, run_in, stderr, stdout};
use crate::reference::{committed, fixture, shared};

/// A folder with photos and a run `run` trained on them.
fn trained() -> tempfile::TempDir {
    let folder = photos(3);
    let args = ["train", "photos", "--out", "run", "--epochs", "3"].map(String::from);
    stdout(&run_in(folder.path(), args.into_iter().chain(narrow())));
    folder
}

#[test]
fn an_exported_model_predicts_what_its_run_does_wherever_it_was_moved_to() {
    let folder = trained();
    let place = folder.path();
    fs::create_dir(place.join("elsewhere")).unwrap();
    // Predictions do not contain the model's path, so they can be compared after it is moved.
    let predictions = |model: &str| {
        let args = ["predict", model, "photos/val", "--json", "--top", "3", "--device", CPU];
        json_lines(&stdout(&run_in(place, args)))
    };
    let mut expected = predictions("run");
    // These formats have no features of training photos, and so no stranger score.
    for line in &mut expected {
        let fields = line.as_object_mut().unwrap();
        for key in ["stranger_score", "stranger_threshold", "unknown"] {
            fields.remove(key).expect("a run has it");
        }
    }
    assert!(["checks", "discs", "stripes"].contains(&expected[0]["class"].as_str().unwrap()));
    for (out, format) in [("m.safetensors", "safetensors"), ("m.bpk", "burnpack")] {
        let message = stdout(&run_in(place, ["export", "run", "--out", out]));
        assert!(message.contains(&format!("model     {out} ({format}, f32, ")), "{message}");
        assert_eq!(message.lines().count(), 3, "{message}");
        // ImageNet's preprocessing, as the file's metadata and PyTorch's documentation have it.
        let photos = "photos:   short side 256 (bilinear), centre 224 x 224, RGB from 0 to 1, \
                      minus [0.485, 0.456, 0.406], divided by [0.229, 0.224, 0.225]";
        assert!(message.lines().nth(2).unwrap().starts_with(photos), "{message}");
        assert!(message.lines().nth(1).unwrap().starts_with("load it:  "), "{message}");
        fs::rename(place.join(out), place.join("elsewhere/moved")).unwrap();
        assert_eq!(predictions("elsewhere/moved"), expected, "{format}");
        // Half precision changes probabilities slightly.
        stdout(&run_in(place, ["export", "elsewhere/moved", "--f16", "--out", out]));
        let close = predictions(out).into_iter().zip(&expected).all(|(half, full)| {
            let [half, full] = [&half, full].map(|line| line["probability"].as_f64().unwrap());
            (half - full).abs() < 1e-2
        });
        assert!(close, "{format}");
    }
    let run = fs::read(place.join("run/model.safetensors")).unwrap();
    stdout(&run_in(place, ["export", "run", "--out", "again.safetensors"]));
    assert!(
        run == fs::read(place.join("again.safetensors")).unwrap(),
        "identical to the run's weights"
    );
}

#[test]
fn the_ending_or_format_decides_and_an_existing_file_is_refused_without_force() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let weights = fixture("narrow.pth");
    let weights = weights.to_str().unwrap();
    let export = |more: &[&str]| run_in(place, [&["export", weights], more].concat());
    let message = stdout(&export(&["--out", "deep/m.ONNX"]));
    assert!(
        message.contains("(onnx, f32, ") && message.contains("onnxruntime.InferenceSession"),
        "{message}"
    );
    let onnx = fs::read(place.join("deep/m.ONNX")).unwrap();
    assert_error(&export(&["--out", "deep/m.ONNX"]), &["`deep/m.ONNX` already exists", "--force"]);
    assert_error(
        &export(&["--out", "deep", "--format", "onnx", "--force"]),
        &["not a regular file"],
    );
    assert!(stdout(&export(&["--out", "model", "--format", "burnpack"])).contains("(burnpack,"));
    stdout(&export(&["--out", "deep/m.ONNX", "--format", "safetensors", "--force"]));
    assert_ne!(fs::read(place.join("deep/m.ONNX")).unwrap(), onnx);

    assert_error(
        &export(&["--out", "m.zip"]),
        &["`m.zip` has no known extension", ".onnx", "--format"],
    );
    assert_error(
        &run_in(place, ["export", "absent", "--out", "m.onnx"]),
        &["there is no model at `absent`"],
    );
    let usage = export(&["--out", "m.onnx", "--format", "tflite"]);
    assert_eq!(usage.status.code(), Some(2), "{}", stderr(&usage));
    let mut names: Vec<_> =
        fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["deep", "model"], "a refusal leaves nothing behind");
}

#[test]
fn a_pickle_is_refused_with_the_command_that_makes_one() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["export", "my run", "--out", "m.pth"][..],
        &["export", "my run", "--out", "m.PT"],
        &["export", "my run", "--out", "m.pth", "--format", "pth"],
    ] {
        assert_error(
            &run_in(folder.path(), args),
            &[
                "pickle files (.pth, .pt) are not supported",
                "export 'my run' --out m.safetensors && python3 -c ",
                "torch.save(s.load_file(sys.argv[1]), sys.argv[2])\" m.safetensors m.",
            ],
        );
    }
    let help = stdout(&run_in(folder.path(), ["export", "--help"]));
    assert!(help.contains("torch.save(s.load_file('model.safetensors'), 'model.pth')"), "{help}");
}

#[test]
fn features_of_divided_photos_are_written_with_labels_and_parts() {
    let folder = trained();
    let place = folder.path();
    fs::write(place.join("photos/val/discs/broken.jpg"), "no image").unwrap();
    let embed = |model: &str, out: &str| {
        run_in(place, ["embed", model, "photos", "--out", out, "--device", CPU])
    };
    let output = embed("run", "f.safetensors");
    let message = stdout(&output);
    assert!(message.contains("18 photos, 3 classes, 1 file skipped"), "{message}");
    assert!(message.contains("features  f.safetensors (32 each, "), "{message}");
    assert!(stderr(&output).contains("broken.jpg`: it is not a JPEG"), "{}", stderr(&output));
    let bytes = fs::read(place.join("f.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("features").unwrap().shape(), [18, 32]);
    let labels: Vec<i64> = file
        .tensor("labels")
        .unwrap()
        .data()
        .chunks(8)
        .map(|label| i64::from_le_bytes(label.try_into().unwrap()))
        .collect();
    assert_eq!(labels, [[0; 3], [1; 3], [2; 3]].concat().repeat(2));
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    let paths: Vec<String> = serde_json::from_str(&metadata["paths"]).unwrap();
    assert_eq!(Path::new(&paths[9]), Path::new("photos/val/checks/000.png"));
    assert_eq!(metadata["classes"], r#"["checks","discs","stripes"]"#);

    // A backbone without an fc layer gives the same features, and so do the other formats.
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let names: Vec<&str> = checkpoint.names().filter(|name| !name.starts_with("fc.")).collect();
    let names: Vec<&str> =
        names.into_iter().filter(|name| !name.ends_with("num_batches_tracked")).collect();
    let tensors: Vec<_> = names
        .iter()
        .map(|name| (*name, safetensors::Dtype::F32, checkpoint.shape(name).unwrap()))
        .collect();
    let mut backbone = safetensors_header(&tensors, &BTreeMap::new());
    for name in names {
        backbone.extend_from_slice(checkpoint.values(name).unwrap().unwrap().as_bytes());
    }
    fs::write(place.join("backbone.safetensors"), backbone).unwrap();
    stdout(&embed("backbone.safetensors", "again.safetensors"));
    assert!(bytes == fs::read(place.join("again.safetensors")).unwrap());
    assert!(stdout(&embed("run", "f.npy")).contains("paths     f.csv"));
    let npy = fs::read(place.join("f.npy")).unwrap();
    let features = file.tensor("features").unwrap();
    assert!(npy.ends_with(features.data()));
    let csv = fs::read_to_string(place.join("f.csv")).unwrap();
    assert!(csv.starts_with("path,label,part\n") && csv.lines().count() == 19, "{csv}");
    assert!(csv.contains("000.png,stripes,val\n"), "{csv}");
    if cfg!(feature = "parquet") {
        stdout(&embed("run", "f.parquet"));
        assert!(fs::read(place.join("f.parquet")).unwrap().ends_with(b"PAR1"));
    }

    // If one of the two files exists, neither is written without `--force`.
    fs::remove_file(place.join("f.npy")).unwrap();
    assert_error(&embed("run", "f.npy"), &["`f.csv` already exists"]);
    assert!(!place.join("f.npy").exists());
    assert_error(&embed("run", "f.safetensors"), &["`f.safetensors` already exists", "--force"]);
    assert_error(&embed("run", "f.txt"), &["`f.txt` has no known extension", ".npy or .parquet"]);
}

#[test]
fn photos_of_no_class_are_written_without_labels_and_that_is_said() {
    let folder = photos(2);
    let place = folder.path();
    let loose = place.join("holiday");
    fs::create_dir(&loose).unwrap();
    for name in ["a.png", "b.png"] {
        fs::copy(place.join("photos/val/discs/000.png"), loose.join(name)).unwrap();
    }
    let weights = fixture("narrow.pth");
    let weights = weights.to_str().unwrap();
    let embed = |data: &str, out: &str| {
        run_in(place, ["embed", weights, data, "--out", out, "--device", CPU])
    };
    let message = stdout(&embed("holiday", "f.npy"));
    assert!(message.contains("2 photos, without labels (no classes found)"), "{message}");
    let csv = fs::read_to_string(place.join("f.csv")).unwrap();
    assert_eq!(csv.replace('\\', "/"), "path,label\nholiday/a.png,\nholiday/b.png,\n");
    stdout(&embed("holiday", "f.safetensors"));
    let bytes = fs::read(place.join("f.safetensors")).unwrap();
    assert!(SafeTensors::deserialize(&bytes).unwrap().tensor("labels").is_err());
    assert!(stdout(&embed("holiday/a.png", "one.safetensors")).contains("1 photo, without labels"));
    fs::write(place.join("empty.png"), "").unwrap();
    assert_error(&embed("empty.png", "none.npy"), &["no photo in `empty.png` could be decoded"]);
    assert_error(&embed("absent", "none.npy"), &["`absent` cannot be opened"]);
    assert!(!place.join("none.npy").exists() && !place.join("none.csv").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_that_is_no_text_is_written_with_escapes_and_warned_about() {
    use std::os::unix::ffi::OsStringExt;
    let folder = photos(1);
    let place = folder.path();
    let name = OsString::from_vec(b"odd-\xff\x1b[31m.png".to_vec());
    fs::create_dir(place.join("odd")).unwrap();
    fs::copy(place.join("photos/val/discs/000.png"), place.join("odd").join(&name)).unwrap();
    let weights = fixture("narrow.pth");
    let args = ["embed", weights.to_str().unwrap(), "odd", "--out", "f.npy", "--device", CPU];
    let output = run_in(place, args);
    stdout(&output);
    assert!(stderr(&output).contains("1 path is not UTF-8"), "{}", stderr(&output));
    assert!(!stderr(&output).contains('\x1b'));
    assert!(fs::read_to_string(place.join("f.csv")).unwrap().contains("odd-\\xff"));
}

/// The Python interpreter, if it has the packages. Otherwise prints that the
/// test is skipped and returns `None`.
pub fn python(packages: &str) -> Option<OsString> {
    let needed = format!("import {packages}");
    let python = std::env::var_os("KINDLING_PYTHON").unwrap_or("python3".into());
    match Command::new(&python).args(["-c", &needed]).output() {
        Ok(output) if output.status.success() => Some(python),
        _ => {
            println!("skipped: {} cannot {needed}", python.display());
            None
        }
    }
}

#[test]
fn other_programs_read_what_was_written_and_get_the_same_numbers() {
    const PACKAGES: &str =
        "numpy, onnx, onnxruntime, pandas, PIL, pyarrow, safetensors, torch, torchvision";
    let Some(python) = python(PACKAGES) else { return };
    let folder = trained();
    let check = |model: &Path, photos: &Path| {
        let output = Command::new(&python)
            .arg(committed("tests/exports_in_python.py"))
            .args([Path::new(env!("CARGO_BIN_EXE_kindling")), model, photos])
            .args(cfg!(feature = "parquet").then_some("--parquet"))
            .env("GOMP_SPINCOUNT", "0")
            .output()
            .unwrap();
        println!("{}", stdout(&output));
    };
    check(&folder.path().join("run"), &folder.path().join("photos/val"));
    let Some(data) = shared("data/cats_dogs/val") else { return };
    let few = folder.path().join("few");
    for class in ["cat", "dog"] {
        fs::create_dir_all(few.join(class)).unwrap();
        for photo in fs::read_dir(data.join(class)).unwrap().take(3) {
            let photo = photo.unwrap();
            fs::copy(photo.path(), few.join(class).join(photo.file_name())).unwrap();
        }
    }
    check(&committed("weights/efficientnet-lite0.safetensors"), &few);
    if let Some(weights) = shared("weights/resnet18-compressed.pth") {
        check(&weights, &few);
    }
}
