//! All formats of weight files are read strictly, and no code in them is executed.

use std::fs;
use std::path::Path;

use kindling::backbone::Backbone;
use kindling::export::{self, Parts, Precision};
use kindling::head::Head;
use kindling::weights::{self, Checkpoint, Description, ImportError, Task};

use crate::reference::{cpu, fixture, read_numbers, relative_error};

fn logits_of(file: &str) -> burn::tensor::Tensor<2> {
    let device = cpu();
    let reference = read_numbers(&fixture("narrow_reference.safetensors"));
    let checkpoint = Checkpoint::open(&fixture(file)).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, &device).unwrap();
    let head = weights::head(&checkpoint, &architecture, &device).unwrap();
    head.forward(backbone.forward(reference["square"].on(&device)))
}

/// The network as a safetensors file.
fn written(backbone: &Backbone, head: &Head) -> Vec<u8> {
    let architecture = backbone.architecture();
    let description = Description {
        backbone: architecture.to_string(),
        classes: (0..head.classes()).map(|class| format!("class {class}")).collect(),
        preprocessing: architecture.preprocessing(),
        task: Task::SingleLabel,
        temperature: None,
        calibrated_with: None,
    };
    let parts = Parts::new(backbone, head, &description);
    export::safetensors(parts, Precision::Full).unwrap()
}

#[test]
fn zip_legacy_and_half_precision_files_give_pytorchs_logits() {
    let reference = read_numbers(&fixture("narrow_reference.safetensors"));
    for (file, expected) in [
        ("narrow.pth", "square.logits"),
        ("narrow_legacy.pth", "square.logits"),
        ("narrow_f16.safetensors", "square.logits_f16_weights"),
    ] {
        let error = relative_error(logits_of(file), &reference[expected]);
        assert!(error < 1e-5, "{file}: {error}");
    }
}

#[test]
fn written_weights_are_read_back_bit_for_bit() {
    let device = cpu();
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, &device).unwrap();
    let head = weights::head(&checkpoint, &architecture, &device).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    fs::write(&file, written(&backbone, &head)).unwrap();

    let written = Checkpoint::open(&file).unwrap();
    let mut compared = 0;
    for name in checkpoint.names().filter(|name| !name.ends_with("num_batches_tracked")) {
        assert_eq!(written.values(name).unwrap(), checkpoint.values(name).unwrap(), "{name}");
        compared += 1;
    }
    assert_eq!((written.names().count(), compared), (102, 102));
}

#[test]
fn a_file_of_another_network_is_refused_and_the_first_mismatches_are_listed() {
    let checkpoint = Checkpoint::open(&fixture("mismatched.pth")).unwrap();
    let error =
        weights::backbone(&checkpoint, &"resnet18-w4".parse().unwrap(), &cpu()).unwrap_err();
    let message = error.to_string();
    for part in [
        "does not hold resnet18-w4",
        "conv1.weight: expected [4, 3, 7, 7], found [4, 3, 5, 5]",
        "1 tensor missing (layer2.0.downsample.0.weight [8, 4, 1, 1])",
        "1 tensor too many (surprise [7])",
    ] {
        assert!(message.contains(part), "{message}");
    }

    let narrow = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let error = weights::backbone(&narrow, &"resnet34-w4".parse().unwrap(), &cpu()).unwrap_err();
    assert!(error.to_string().contains("missing (layer1.2.bn1.bias [4]"), "{error}");
    let error = weights::backbone(&narrow, &"resnet18".parse().unwrap(), &cpu()).unwrap_err();
    assert!(error.to_string().contains("expected [64], found [4]"), "{error}");
}

#[test]
fn a_head_for_another_number_of_features_is_refused() {
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let error = weights::head(&checkpoint, &"resnet18".parse().unwrap(), &cpu()).unwrap_err();
    assert!(matches!(error, ImportError::NoHead { .. }));
    assert!(error.to_string().contains("found fc.weight [10, 32], fc.bias [10]"), "{error}");
}

#[test]
fn a_malicious_pickle_runs_no_command() {
    let folder = tempfile::tempdir().unwrap();
    let current = std::env::current_dir().unwrap();
    let attack = fixture("attack.pth");
    if let Ok(checkpoint) = Checkpoint::open(&attack) {
        assert!(weights::architecture(&checkpoint).is_err());
    }
    for directory in [folder.path(), current.as_path()] {
        assert!(!directory.join("kindling-executed-a-pickle").exists());
    }
}

#[test]
fn damaged_and_foreign_files_are_errors_that_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let zip = fs::read(fixture("narrow.pth")).unwrap();
    let legacy = fs::read(fixture("narrow_legacy.pth")).unwrap();
    let safetensors = fs::read(fixture("narrow_f16.safetensors")).unwrap();
    for path in [
        write("empty.pth", b""),
        write("text.pth", b"plain text instead of weights"),
        write("cut_zip.pth", &zip[..zip.len() / 2]),
        write("cut_legacy.pth", &legacy[..legacy.len() / 2]),
        write("cut.safetensors", &safetensors[..safetensors.len() / 2]),
        write("header.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}"),
        folder.path().join("absent.pth"),
    ] {
        let error = load(&path).unwrap_err();
        assert!(error.contains(path.file_name().unwrap().to_str().unwrap()), "{error}");
    }
}

/// Opens a file and loads a network from it, as `train` does.
fn load(path: &Path) -> Result<(), String> {
    let checkpoint = Checkpoint::open(path).map_err(|error| error.to_string())?;
    let architecture = weights::architecture(&checkpoint).map_err(|error| error.to_string())?;
    weights::backbone(&checkpoint, &architecture, &cpu()).map_err(|error| error.to_string())?;
    Ok(())
}

#[test]
fn nan_weights_are_refused() {
    let device = cpu();
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, &device).unwrap();
    let mut bytes = written(&backbone, &Head::zeros(32, 2, &device));
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nan.safetensors");
    fs::write(&path, bytes).unwrap();
    let error = load(&path).unwrap_err();
    assert!(error.contains("NaN or infinite"), "{error}");
}

/// Writes a safetensors file with these tensors, all zeros.
fn zeros(path: &Path, tensors: &[(String, Vec<usize>)]) {
    let values = vec![0u8; 4 * 64 * 1024];
    let views = tensors.iter().map(|(name, shape)| {
        let bytes = &values[..4 * shape.iter().product::<usize>()];
        (
            name,
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes)
                .unwrap(),
        )
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_common_prefix_is_dropped_and_a_partial_one_is_an_extra_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let narrow = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let tensors: Vec<(String, Vec<usize>)> = narrow
        .names()
        .filter(|name| !name.ends_with("num_batches_tracked"))
        .map(|name| (name.to_owned(), narrow.shape(name).unwrap()))
        .collect();
    let all = folder.path().join("all.safetensors");
    let prefixed: Vec<_> =
        tensors.iter().map(|(name, shape)| (format!("module.{name}"), shape.clone())).collect();
    zeros(&all, &prefixed);
    load(&all).unwrap();
    let some = folder.path().join("some.safetensors");
    zeros(&some, &[tensors, prefixed[..1].to_vec()].concat());
    assert!(load(&some).unwrap_err().contains("too many (module."));
}

#[test]
fn tensors_of_odd_shapes_and_empty_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for (name, tensors, expected) in [
        ("scalar", vec![("conv1.weight".to_owned(), vec![])], "its conv1.weight has the shape []"),
        ("empty", vec![], "it holds no tensors"),
        ("other", vec![("weight".to_owned(), vec![3])], "its first tensors are weight"),
    ] {
        let path = folder.path().join(name);
        zeros(&path, &tensors);
        let error = load(&path).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
