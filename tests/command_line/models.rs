//! Every command refuses a model whose parts do not fit, in one line, and exits with 1.

use std::fs;
use std::path::Path;

use crate::errors::assert_error;
use crate::fixtures::{CPU, photos, run_in, stderr, stdout, trained};
use crate::reference::fixture;
use crate::torch_save::{Py, Save, dict, text};

/// Runs each command that opens `model`, which must refuse it with these parts of a line.
fn assert_refused(place: &Path, model: &str, parts: &[&str]) {
    for args in [
        &["predict", model, "photos/val", "--device", CPU][..],
        &["evaluate", model, "photos", "--device", CPU, "--no-report"],
        &["report", model, "photos", "--out", "page.html", "--device", CPU],
        &["export", model, "--out", "out.onnx"],
    ] {
        let output = run_in(place, args);
        assert_error(&output, parts);
        let line = stderr(&output).lines().map(|line| line.chars().count()).max();
        assert!(line.unwrap() <= 300 + "error: ".len(), "{}", stderr(&output));
    }
    assert!(!place.join("out.onnx").exists() && !place.join("page.html").exists());
}

#[test]
fn a_run_with_another_runs_model_or_class_names_is_refused_by_every_command() {
    let folder = trained(2);
    let place = folder.path();
    let names = fs::read_to_string(place.join("run/classes.txt")).unwrap();
    assert_eq!(names, "checks\ndiscs\nstripes\n");
    fs::write(place.join("run/classes.txt"), "discs\nchecks\nstripes\n").unwrap();
    let parts =
        ["do not belong together", "class 1 is `checks` in model.safetensors and `discs` in"];
    assert_refused(place, "run", &parts);
    assert_error(
        &run_in(place, ["embed", "run", "photos", "--out", "f.npy", "--device", CPU]),
        &parts,
    );
    // The model alone has its own class names.
    let args = ["predict", "run/model.safetensors", "photos/val/discs", "--device", CPU];
    stdout(&run_in(place, args));
    fs::write(place.join("run/classes.txt"), names).unwrap();
    stdout(&run_in(place, ["evaluate", "run", "photos", "--device", CPU, "--no-report"]));
}

/// Writes `f.pth`: the narrow network, with other values for the fc layer.
fn with_head(place: &Path, classes: usize, bias: f32) {
    let mut save = Save::default();
    let mut tensors = save.narrow(0.0);
    tensors.retain(|(name, _)| !name.starts_with("fc."));
    tensors.push(("fc.weight".into(), save.tensor(&[classes, 32], vec![0.5; 32 * classes])));
    tensors.push(("fc.bias".into(), save.tensor(&[classes], vec![bias; classes])));
    let named = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.clone()));
    save.write(&place.join("f.pth"), &dict(named));
}

#[test]
fn a_head_of_one_logit_is_refused_by_every_command_and_its_backbone_can_be_trained_on() {
    let folder = photos(2);
    let place = folder.path();
    with_head(place, 1, 0.5);
    let parts = ["has one output (`fc`), a sigmoid or a regression", "train --weights"];
    assert_refused(place, "f.pth", &parts);
    assert_error(&run_in(place, ["weights", "check", "f.pth"]), &parts);
    let train = ["train", "photos", "--weights", "f.pth", "--epochs", "1", "--device", CPU];
    assert!(stdout(&run_in(place, train)).contains("resnet18-w4 from f.pth"));
}

#[test]
fn nan_in_a_head_is_an_error_of_every_command_that_names_the_tensor() {
    let folder = photos(2);
    let place = folder.path();
    with_head(place, 3, f32::NAN);
    let parts = ["the tensor `fc.bias` in `f.pth` holds NaN or infinite values"];
    assert_refused(place, "f.pth", &parts);
    assert_error(&run_in(place, ["weights", "check", "f.pth"]), &parts);
}

#[test]
fn a_file_that_holds_no_readable_weights_is_named_by_every_command() {
    let folder = photos(2);
    let place = folder.path();
    let narrow = fixture("narrow.pth");
    let args = ["export", narrow.to_str().unwrap(), "--out", "model.onnx"];
    stdout(&run_in(place, args));
    assert_refused(place, "model.onnx", &["`model.onnx` is an ONNX model", "state_dict()"]);
    let train = ["train", "photos", "--weights", "model.onnx", "--device", CPU];
    assert_error(&run_in(place, train), &["`model.onnx` is an ONNX model"]);
}

#[test]
fn a_check_tells_where_the_network_the_head_and_the_class_names_are() {
    let folder = photos(2);
    let place = folder.path();
    let mut save = Save::default();
    let prefixed = |save: &mut Save, prefix: &str, change: f32| {
        let named = save.narrow(change).into_iter().map(|(name, tensor)| {
            (text(&format!("{prefix}{}", name.replace("fc.", "fc.1."))), tensor)
        });
        Py::Dict(named.collect())
    };
    let names = (0..10).map(|class| text(&format!("kind {class}"))).collect();
    let root = dict([
        ("state_dict", prefixed(&mut save, "model.", 0.25)),
        ("state_dict_ema", prefixed(&mut save, "model.", 0.0)),
        ("hyper_parameters", dict([("classes", Py::List(names))])),
    ]);
    save.write(&place.join("f.ckpt"), &root);
    let message = stdout(&run_in(place, ["weights", "check", "f.ckpt"]));
    for part in [
        "100 tensors, and an fc layer for 10 classes (`state_dict_ema.model.fc.1`)",
        "names      begin with `state_dict_ema.model.`",
        "classes    kind 0, kind 1, kind 2, kind 3, kind 4, ... (from `classes`)",
        "unused     102 other tensors: ",
        "`state_dict_ema.model.` is used and `state_dict.model.` is not",
    ] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    let output = run_in(place, ["predict", "f.ckpt", "photos/val", "--device", CPU]);
    assert!(stdout(&output).contains("kind "));
    let warning = stderr(&output);
    assert!(warning.contains("`state_dict.model.` is not") && warning.lines().count() == 1);
    let train = ["train", "photos", "--weights", "f.ckpt", "--epochs", "1", "--device", CPU];
    assert!(stderr(&run_in(place, train)).contains("`state_dict.model.` is not"));
}
