//! Weights as training scripts save them: wrapped, nested, beside each other, with other heads.

use std::path::{Path, PathBuf};

use kindling::run::Model;
use kindling::weights::{self, Checkpoint};

use crate::reference::{cpu, fixture};
use crate::torch_save::{Py, Save, dict, text, texts};

pub type Named = Vec<(String, Py)>;

/// A Python dictionary of tensors, with `prefix` before each name.
pub fn prefixed(prefix: &str, tensors: &Named) -> Py {
    let named = tensors.iter().map(|(name, tensor)| (text(&format!("{prefix}{name}")), tensor));
    Py::Dict(named.map(|(name, tensor)| (name, tensor.clone())).collect())
}

/// The entries of all these dictionaries.
pub fn joined(dictionaries: &[Py]) -> Py {
    let entries = dictionaries.iter().flat_map(|dictionary| match dictionary {
        Py::Dict(entries) => entries.clone(),
        _ => Vec::new(),
    });
    Py::Dict(entries.collect())
}

pub fn without_head(tensors: &Named) -> Named {
    tensors.iter().filter(|(name, _)| !name.starts_with("fc.")).cloned().collect()
}

/// The head's tensors as those of `layer`.
pub fn head_as(layer: &str, tensors: &Named) -> Py {
    let head = tensors.iter().filter_map(|(name, tensor)| {
        let part = name.strip_prefix("fc.")?;
        Some((text(&format!("{layer}.{part}")), tensor.clone()))
    });
    Py::Dict(head.collect())
}

pub fn written(folder: &Path, save: &Save, root: &Py) -> PathBuf {
    let path = folder.join("f.pth");
    save.write(&path, root);
    path
}

/// Asserts that the file's network is the narrow one, with its head or without.
#[track_caller]
pub fn assert_narrow(path: &Path, with_head: bool) {
    let (device, plain) = (cpu(), Checkpoint::open(&fixture("narrow.pth")).unwrap());
    let found = Checkpoint::open(path).unwrap();
    let architecture = weights::architecture(&found).unwrap();
    assert_eq!(architecture.to_string(), "resnet18-w4");
    weights::backbone(&found, &architecture, &device).unwrap();
    assert_eq!(weights::head(&found, &architecture, &device).is_ok(), with_head);
    for name in plain.names().filter(|name| !name.ends_with("num_batches_tracked")) {
        if with_head || !name.starts_with("fc.") {
            assert_eq!(found.values(name).unwrap(), plain.values(name).unwrap(), "{name}");
        }
    }
}

/// zip 9.1 to 9.8.2 take the second file's header for the first if the first has 76 bytes.
#[test]
fn a_checkpoint_reads_whatever_the_length_of_its_file_name_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut save = Save::default();
    let root = prefixed("", &save.narrow(0.0));
    for name in ["f", "narrow-network-number", "narrow-network-number-2"] {
        save.folder = Some(name);
        assert_narrow(&written(folder.path(), &save, &root), true);
    }
}

#[test]
fn whatever_a_networks_names_begin_with_it_reads_as_the_plain_file() {
    let folder = tempfile::tempdir().unwrap();
    for prefix in [
        "model.",
        "module.",
        "backbone.",
        "encoder.",
        "net.",
        "_orig_mod.",
        "module.model.",
        "model._orig_mod.module.",
        "a.b.c.",
    ] {
        let mut save = Save::default();
        let tensors = save.narrow(0.0);
        assert_narrow(&written(folder.path(), &save, &prefixed(prefix, &tensors)), true);
        // torch.compile of a part, and what is nested in dictionaries.
        let inside = |(name, tensor): &(String, Py)| {
            (name.replace("layer2.", "layer2._orig_mod."), tensor.clone())
        };
        let compiled = tensors.iter().map(inside).collect();
        let nested = dict([("epoch", Py::Int(3)), ("params", prefixed(prefix, &compiled))]);
        assert_narrow(&written(folder.path(), &save, &nested), true);
        let bare = without_head(&tensors);
        assert_narrow(&written(folder.path(), &save, &prefixed(prefix, &bare)), false);
    }
}

#[test]
fn a_lightning_checkpoint_is_read_with_its_class_names() {
    let folder = tempfile::tempdir().unwrap();
    let mut save = Save::default();
    let tensors = save.narrow(0.0);
    let names: Vec<String> = (0..10).map(|class| format!("kind {class}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let state = Py::List(vec![dict([("exp_avg", save.tensor(&[2], vec![0.0; 2]))])]);
    let root = dict([
        ("pytorch-lightning_version", text("2.4.0")),
        ("state_dict", prefixed("model.", &tensors)),
        ("hyper_parameters", dict([("classes", texts(&names))])),
        ("optimizer_states", state),
    ]);
    let path = written(folder.path(), &save, &root);
    assert_narrow(&path, true);
    assert_eq!(Model::open(&path, &cpu()).unwrap().classes, names);
}

#[test]
fn class_names_of_every_form_are_used_and_contradictions_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut save = Save::default();
    let tensors = prefixed("", &save.narrow(0.0));
    let names: Vec<String> = (0..10).map(|class| format!("kind {class}")).collect();
    let list = |reversed: bool| {
        let mut list: Vec<Py> = names.iter().map(|name| text(name)).collect();
        if reversed {
            list.reverse();
        }
        Py::List(list)
    };
    let indexed = (0..10i32).zip(&names).rev();
    let class_to_idx =
        indexed.clone().map(|(index, name)| (text(name), Py::Int(index.into()))).collect();
    let class_to_idx = Py::Dict(class_to_idx);
    let idx_to_class =
        Py::Dict(indexed.map(|(index, name)| (Py::Int(index.into()), text(name))).collect());
    let open = |more: &[(&str, Py)]| {
        let entries = [&[("model", tensors.clone())], more].concat();
        let path = written(folder.path(), &save, &dict(entries));
        Model::open(&path, &cpu()).map_err(|error| error.to_string()).map(|model| model.classes)
    };
    for found in [
        open(&[("class_to_idx", class_to_idx.clone())]),
        open(&[("idx_to_class", idx_to_class.clone())]),
        open(&[("names", idx_to_class)]),
        open(&[("classes", list(false)), ("class_to_idx", class_to_idx.clone())]),
        open(&[("meta", dict([("CLASSES", list(false))]))]),
        open(&[("meta", dict([("dataset_meta", dict([("classes", list(false))]))]))]),
        open(&[("classes", list(false)), ("names", texts(&["of", "something"]))]),
    ] {
        assert_eq!(found.unwrap(), names);
    }
    assert_eq!(open(&[("names", texts(&["of", "something"]))]).unwrap()[3], "class 3");
    let differ = open(&[("classes", list(true)), ("class_to_idx", class_to_idx)]).unwrap_err();
    assert!(differ.contains("`classes` and its `class_to_idx` name different"), "{differ}");
    let fewer = open(&[("classes", texts(&["a", "b"]))]).unwrap_err();
    assert!(fewer.contains("`classes` names 2 classes, but it has 10 logits"), "{fewer}");
}

#[test]
fn of_equal_networks_one_is_read_and_different_ones_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut save = Save::default();
    let (tensors, copy, others) = (save.narrow(0.0), save.narrow(0.0), save.narrow(0.25));
    for (one, other) in [(&tensors, &tensors), (&tensors, &copy)] {
        let root = dict([
            ("state_dict", prefixed("module.", one)),
            ("state_dict_ema", prefixed("", other)),
        ]);
        let path = written(folder.path(), &save, &root);
        assert_narrow(&path, true);
        assert_eq!(Checkpoint::open(&path).unwrap().choice(), None);
    }
    let root = dict([("model", prefixed("", &tensors)), ("state_dict", prefixed("", &others))]);
    let path = written(folder.path(), &save, &root);
    let error = Checkpoint::open(&path).err().unwrap().to_string();
    assert!(error.contains("different networks, `model.` and `state_dict.`"), "{error}");
    assert!(error.contains("torch.load('f.pth')['model']"), "{error}");
    let root = joined(&[prefixed("left.", &tensors), prefixed("right.", &others)]);
    let error = Checkpoint::open(&written(folder.path(), &save, &root)).err().unwrap().to_string();
    assert!(error.contains("torch.load('f.pth').items() if 'left.' in k"), "{error}");
}

#[test]
fn among_different_networks_the_averaged_query_online_or_teacher_one_is_read_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut save = Save::default();
    let (taken, left) = (save.narrow(0.0), save.narrow(0.25));
    for (first, second) in [
        ("ema_model.", "model."),
        ("state_dict_ema.", "state_dict.module."),
        ("module.encoder_q.", "module.encoder_k."),
        ("base_encoder.", "momentum_encoder."),
        ("online_network.encoder.", "target_network.encoder."),
        ("teacher.backbone.", "student.module.backbone."),
        ("backbone.", "backbone_momentum."),
    ] {
        let root = joined(&[prefixed(second, &left), prefixed(first, &taken)]);
        let path = written(folder.path(), &save, &root);
        assert_narrow(&path, true);
        let choice = Model::open(&path, &cpu()).unwrap().notes;
        assert!(choice[0].contains(&format!("`{first}` is used")), "{choice:?}");
    }
}

#[test]
fn hugging_faces_names_and_those_of_a_sequential_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut save = Save::default();
    let tensors = save.narrow(0.0);
    let hugging_face = |name: &str| {
        let parts: Vec<&str> = name.split('.').collect();
        let kind = |module: &str| match module.starts_with("conv") {
            true => "convolution",
            false => "normalization",
        };
        match parts[..] {
            [module, rest] => format!("resnet.embedder.embedder.{}.{rest}", kind(module)),
            [layer, block, module, rest] => {
                let number = |name: &str| name[name.len() - 1..].parse::<usize>().unwrap() - 1;
                let (stage, index) = (number(layer), number(module));
                let kind = kind(module);
                format!("resnet.encoder.stages.{stage}.layers.{block}.layer.{index}.{kind}.{rest}")
            }
            [layer, block, _, index, rest] => {
                let stage = layer[5..].parse::<usize>().unwrap() - 1;
                let kind = ["convolution", "normalization"][index.parse::<usize>().unwrap()];
                format!("resnet.encoder.stages.{stage}.layers.{block}.shortcut.{kind}.{rest}")
            }
            _ => panic!("{name}"),
        }
    };
    let sequential = |name: &str| {
        let modules = [("conv1", "0"), ("bn1", "1"), ("layer1", "4"), ("layer2", "5")];
        let modules = [&modules[..], &[("layer3", "6"), ("layer4", "7")]].concat();
        let (module, rest) = name.split_once('.').unwrap();
        let index = modules.iter().find(|(known, _)| *known == module).unwrap().1;
        format!("features.{index}.{rest}")
    };
    for rename in [&hugging_face as &dyn Fn(&str) -> String, &sequential] {
        let bare = without_head(&tensors);
        let renamed = bare.into_iter().map(|(name, tensor)| (rename(&name), tensor)).collect();
        let root = joined(&[prefixed("", &renamed), head_as("classifier.1", &tensors)]);
        assert_narrow(&written(folder.path(), &save, &root), true);
    }
}

#[test]
fn a_pickled_module_is_read_as_its_state_dict() {
    let folder = tempfile::tempdir().unwrap();
    let mut save = Save::default();
    let mut tree = Tree::default();
    for (name, tensor) in save.narrow(0.0) {
        tree.insert(&name, tensor);
    }
    let path = written(folder.path(), &save, &tree.module());
    assert_narrow(&path, true);
    let path = written(folder.path(), &save, &dict([("model", tree.module())]));
    assert_narrow(&path, true);
}

/// A network's modules and tensors.
#[derive(Default)]
struct Tree {
    modules: Vec<(String, Tree)>,
    tensors: Named,
}

impl Tree {
    fn insert(&mut self, name: &str, tensor: Py) {
        let Some((module, rest)) = name.split_once('.') else {
            return self.tensors.push((name.to_owned(), tensor));
        };
        let found = self.modules.iter().position(|(known, _)| known == module);
        let index = found.unwrap_or_else(|| {
            self.modules.push((module.to_owned(), Tree::default()));
            self.modules.len() - 1
        });
        self.modules[index].1.insert(rest, tensor);
    }

    fn module(&self) -> Py {
        let modules = self.modules.iter().map(|(name, tree)| (text(name), tree.module()));
        let attributes = dict([
            ("training", Py::Int(0)),
            ("_parameters", prefixed("", &self.tensors)),
            ("_buffers", Py::Dict(Vec::new())),
            ("_modules", Py::Dict(modules.collect())),
        ]);
        Py::Object("my.networks", "Net", Box::new(attributes))
    }
}
