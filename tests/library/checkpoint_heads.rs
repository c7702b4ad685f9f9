//! Heads of other names and forms, and what else lies beside a network in its file.

use kindling::run::Model;
use kindling::weights::{self, Checkpoint, ImportError};

use crate::reference::cpu;
use crate::torch_save::{Save, dict};
use crate::wrapped_checkpoints::{assert_narrow, head_as, joined, prefixed, without_head, written};

#[test]
fn a_linear_head_of_another_name_is_used() {
    let folder = tempfile::tempdir().unwrap();
    for (backbone, layer) in [
        ("", "fc.1"),
        ("", "classifier.1"),
        ("", "heads.head"),
        ("backbone.", "fc"),
        ("backbone.", "head.fc"),
        ("model.backbone.", "model.head"),
        ("model.net.", "classifier"),
    ] {
        let mut save = Save::default();
        let tensors = save.narrow(0.0);
        let bare = prefixed(backbone, &without_head(&tensors));
        let projector = dict([("projector.0.weight", save.tensor(&[2, 32], vec![0.0; 64]))]);
        let parts = match backbone {
            "" => vec![bare, head_as(layer, &tensors)],
            _ => vec![bare, head_as(layer, &tensors), projector],
        };
        let path = written(folder.path(), &save, &joined(&parts));
        assert_narrow(&path, true);
        assert_eq!(Checkpoint::open(&path).unwrap().renamed_head(), Some(layer));
    }
}

#[test]
fn what_training_keeps_beside_a_network_is_no_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut save = Save::default();
    let tensors = save.narrow(0.0);
    // SwAV's heads, MoCo's queue, averaged weights' counter and DeepSpeed's optimiser.
    let beside = dict([
        ("projection_head.0.weight", save.tensor(&[8, 32], vec![0.0; 256])),
        ("prototypes.weight", save.tensor(&[3, 8], vec![0.0; 24])),
        ("queue", save.tensor(&[2, 2], vec![0.0; 4])),
        ("n_averaged", save.tensor(&[], vec![1.0])),
    ]);
    let root = joined(&[prefixed("", &tensors), beside.clone()]);
    assert_narrow(&written(folder.path(), &save, &root), true);
    let optimizer = dict([("exp_avg", save.tensor(&[2], vec![0.0; 2]))]);
    let root = dict([
        ("module", joined(&[prefixed("", &tensors), beside])),
        ("optimizer", dict([("state", optimizer)])),
    ]);
    assert_narrow(&written(folder.path(), &save, &root), true);
    let unknown = dict([("surprise.weight", save.tensor(&[7], vec![0.0; 7]))]);
    let root = joined(&[prefixed("", &tensors), unknown]);
    let error = Model::open(&written(folder.path(), &save, &root), &cpu()).err().unwrap();
    assert!(error.to_string().contains("1 tensor too many (surprise.weight [7])"), "{error}");
}

#[test]
fn a_head_of_several_layers_is_refused_and_its_backbone_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut save = Save::default();
    let tensors = save.narrow(0.0);
    let hidden = dict([
        ("fc.0.weight", save.tensor(&[32, 32], vec![0.0; 1024])),
        ("fc.0.bias", save.tensor(&[32], vec![0.0; 32])),
    ]);
    let bare = prefixed("", &without_head(&tensors));
    let root = joined(&[bare, hidden, head_as("fc.2", &tensors)]);
    let path = written(folder.path(), &save, &root);
    assert_narrow(&path, false);
    let error = Model::open(&path, &cpu()).err().unwrap().to_string();
    assert!(error.contains("not one linear layer") && error.contains("fc.0.weight"), "{error}");
}

/// Which layer such a network ends with is in its code, not in the file.
#[test]
fn of_two_heads_none_is_taken_for_the_networks() {
    let folder = tempfile::tempdir().unwrap();
    for (prefix, outer, inputs) in [
        ("backbone.", "fc", 32),
        ("backbone.", "head", 32),
        ("encoder.", "classifier", 10),
        ("0.", "1", 10),
        ("model.net.", "model.fc2", 32),
        ("", "fc.1", 32),
        ("", "fc2", 10),
    ] {
        let mut save = Save::default();
        let network = prefixed(prefix, &save.narrow(0.0));
        let [weight, bias] = ["weight", "bias"].map(|part| format!("{outer}.{part}"));
        let head = dict([
            (weight.as_str(), save.tensor(&[3, inputs], vec![0.5; 3 * inputs])),
            (bias.as_str(), save.tensor(&[3], vec![0.0; 3])),
        ]);
        let path = written(folder.path(), &save, &joined(&[network, head]));
        assert_narrow(&path, false);
        let error = Model::open(&path, &cpu()).err().unwrap().to_string();
        assert!(error.contains("not one linear layer") && error.contains(&weight), "{error}");
    }
}

#[test]
fn a_head_of_one_logit_is_refused_and_its_backbone_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut save = Save::default();
    let bare = prefixed("", &without_head(&save.narrow(0.0)));
    for layer in ["fc", "fc.1", "head"] {
        let weight = save.tensor(&[1, 32], vec![0.25; 32]);
        let bias = save.tensor(&[1], vec![0.5]);
        let (weight_name, bias_name) = (format!("{layer}.weight"), format!("{layer}.bias"));
        let head = dict([(weight_name.as_str(), weight), (bias_name.as_str(), bias)]);
        let path = written(folder.path(), &save, &joined(&[bare.clone(), head]));
        assert_narrow(&path, false);
        let checkpoint = Checkpoint::open(&path).unwrap();
        let architecture = weights::architecture(&checkpoint).unwrap();
        let error = weights::head(&checkpoint, &architecture, &cpu()).unwrap_err();
        assert!(matches!(error, ImportError::OneLogit { .. }));
        let error = Model::open(&path, &cpu()).err().unwrap().to_string();
        assert!(error.contains(&format!("one output (`{layer}`), a sigmoid")), "{error}");
    }
}
