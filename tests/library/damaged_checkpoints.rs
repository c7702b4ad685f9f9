//! Weights files that lie, exhaust memory or are something else: one line says what they are.

use std::fs;
use std::path::Path;

use kindling::run::Model;
use kindling::weights::{self, Checkpoint};

use crate::reference::{cpu, fixture};
use crate::torch_save::{Py, Save, dict};

/// The error of opening the file and loading its network. It is one short line.
#[track_caller]
fn refusal(path: &Path) -> String {
    let error = match Model::open(path, &cpu()) {
        Ok(_) => panic!("{} was read", path.display()),
        Err(error) => error.to_string(),
    };
    assert!(error.chars().count() <= 300 && !error.contains('\n'), "{error}");
    error
}

/// The narrow network as a Python dictionary, to which tensors can be added.
fn narrow(save: &mut Save) -> Vec<(String, Py)> {
    save.narrow(0.0)
}

fn root(tensors: &[(String, Py)]) -> Py {
    dict(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())))
}

fn replace(tensors: &mut [(String, Py)], name: &str, tensor: Py) {
    tensors.iter_mut().find(|(known, _)| known == name).unwrap().1 = tensor;
}

#[test]
fn storages_longer_or_shorter_than_declared_or_missing_are_refused_as_torch_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.pth");
    let mut save = Save::default();
    let tensors = root(&narrow(&mut save));
    for (change, reason) in [(-1, "instead of"), (1, "instead of")] {
        let length = save.storages[5].0.len() as i64;
        save.storages[5].1 = Some((length + change) as usize);
        save.write(&path, &tensors);
        let error = refusal(&path);
        assert!(error.contains("storage") && error.contains(reason) || error.contains("needs"));
    }
    save.storages[5].1 = None;
    save.missing = vec![5];
    save.write(&path, &tensors);
    assert!(refusal(&path).contains("its storage `5` is missing"));
    save.missing.clear();
    save.write(&path, &tensors);
    assert!(Model::open(&path, &cpu()).is_ok());
}

#[test]
fn tensors_that_are_stored_with_the_other_sign_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut save = Save { negated: true, ..Save::default() };
    let tensors = narrow(&mut save);
    let path = folder.path().join("f.pth");
    save.write(&path, &root(&tensors));
    assert!(refusal(&path).contains("is a negated or conjugated view"), "{}", refusal(&path));
}

#[test]
fn a_storage_that_no_network_uses_is_checked_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.pth");
    let mut save = Save::default();
    let mut tensors = narrow(&mut save);
    tensors.push(("optimizer.step".into(), save.tensor(&[2], vec![0.0; 2])));
    let last = save.storages.len() - 1;
    save.storages[last].0.push(0.0);
    save.storages[last].1 = Some(2);
    save.write(&path, &root(&tensors));
    assert!(refusal(&path).contains("has 12 bytes instead of 8"));
}

#[test]
fn tensors_that_repeat_few_values_into_gigabytes_are_refused_before_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.pth");
    for rows in [1 << 24, 1 << 26, 1 << 40] {
        let mut save = Save::default();
        let mut tensors = narrow(&mut save);
        replace(&mut tensors, "fc.weight", save.repeated(&[rows, 32]));
        replace(&mut tensors, "fc.bias", save.repeated(&[rows]));
        save.write(&path, &root(&tensors));
        let error = refusal(&path);
        assert!(error.contains(&format!("has the shape [{rows}")), "{error}");
    }
    // A stem of a wide network, and nothing else of it.
    let mut save = Save::default();
    let mut tensors = narrow(&mut save);
    replace(&mut tensors, "conv1.weight", save.repeated(&[256, 3, 7, 7]));
    save.write(&path, &root(&tensors));
    let error = refusal(&path);
    assert!(error.contains("its stem has 256 channels, and its layer4.0.conv2.weight"), "{error}");
    // A buffer that repeats its value is a tensor like any other.
    let mut save = Save::default();
    let mut tensors = narrow(&mut save);
    replace(&mut tensors, "bn1.running_var", save.repeated(&[4]));
    save.write(&path, &root(&tensors));
    let checkpoint = Checkpoint::open(&path).unwrap();
    let values = checkpoint.values("bn1.running_var").unwrap().unwrap();
    assert_eq!(values.iter::<f32>().collect::<Vec<_>>(), [0.5; 4]);
}

#[test]
fn compressed_zeros_that_would_take_gigabytes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.pth");
    let mut save = Save { deflated: true, ..Save::default() };
    let mut tensors = narrow(&mut save);
    save.write(&path, &root(&tensors));
    assert!(Model::open(&path, &cpu()).is_ok(), "a compressed file is read");
    let rows = 1 << 20;
    replace(&mut tensors, "fc.weight", save.tensor(&[rows, 32], vec![0.0; rows * 32]));
    replace(&mut tensors, "fc.bias", save.tensor(&[rows], vec![0.0; rows]));
    save.write(&path, &root(&tensors));
    assert!(refusal(&path).contains("would take 134217728 bytes of memory"));
    let flood = [b"\x80\x02".as_slice(), &vec![b'N'; 20 << 20], b"."].concat();
    save.write_pickle(&path, &flood);
    assert!(refusal(&path).contains("more Python objects than a checkpoint has"));
}

#[test]
fn names_and_shapes_without_end_are_refused_in_a_short_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.pth");
    let mut save = Save::default();
    let long = "a.".repeat(100_000);
    let tensors: Vec<(String, Py)> =
        (0..100).map(|index| (format!("{index}"), save.tensor(&[1], vec![0.0]))).collect();
    save.write(&path, &dict([(long.as_str(), root(&tensors))]));
    assert!(refusal(&path).contains("its names are longer or more than a network's"));
    let mut save = Save::default();
    let mut tensors = narrow(&mut save);
    replace(&mut tensors, "bn1.bias", save.tensor(&[1; 500], vec![0.0]));
    save.write(&path, &root(&tensors));
    assert!(refusal(&path).contains("bn1.bias: expected [4], found [1, 1, 1"));
}

#[test]
fn two_tensors_of_one_name_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.pth");
    let mut save = Save::default();
    let mut tensors = narrow(&mut save);
    let bias = save.tensor(&[4], vec![1.0; 4]);
    tensors.push(("bn1".into(), dict([("bias", bias)])));
    save.write(&path, &root(&tensors));
    assert!(refusal(&path).contains("two tensors are called `bn1.bias`"));
}

#[test]
fn nan_in_a_head_is_reported_with_the_tensors_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.pth");
    for value in [f32::NAN, f32::INFINITY] {
        let mut save = Save::default();
        let mut tensors = narrow(&mut save);
        replace(&mut tensors, "fc.bias", save.tensor(&[10], vec![value; 10]));
        save.write(&path, &root(&tensors));
        let error = refusal(&path);
        assert!(error.contains("`fc.bias`") && error.contains("NaN or infinite"), "{error}");
    }
}

#[test]
fn what_holds_no_readable_weights_is_named_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut save = Save::default();
    let tensors = root(&narrow(&mut save));
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let saved =
        |name: &str, save: &Save, object: &Py| save.write(&folder.path().join(name), object);

    let arrays = b"\x80\x02}X\x01\x00\x00\x00acnumpy._core.multiarray\n_reconstruct\n)Rs.";
    save.write_pickle(&folder.path().join("arrays.pth"), arrays);
    let script = Save { files: vec![("constants.pkl", b"\x80\x02).".to_vec())], ..Save::default() };
    saved("script.pt", &script, &dict([]));
    saved("list.pth", &save, &Py::List(vec![Py::Int(1), tensors.clone()]));
    let values = Py::List(vec![save.tensor(&[2], vec![0.0; 2])]);
    saved("values.pth", &save, &values);
    let single = save.tensor(&[2], vec![0.0; 2]);
    saved("single.pth", &save, &single);
    let learner = Py::Object("fastai.learner", "Learner", Box::new(dict([("model", tensors)])));
    saved("learner.pkl", &save, &learner);
    fs::copy(fixture("narrow.pth"), folder.path().join("m-00001-of-00002.bin")).unwrap();
    write("plain.pkl", b"\x80\x02}X\x01\x00\x00\x00aK\x01s.");
    write("model.onnx", b"\x08\x08\x12\x07pytorch\x1a\x05");
    write("model.h5", b"\x89HDF\r\n\x1a\n\0\0\0\0");
    write("empty.pth", b"");
    write("page.pth", b"<!DOCTYPE html><html><body>404</body></html>");
    write("pointer.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
    write("m.index.json", b"{\n  \"metadata\": {},\n  \"weight_map\": {\"a\": \"b\"}\n}");

    for (name, what, way_out) in [
        (
            "script.pt",
            "is a TorchScript archive",
            "torch.save(torch.jit.load('script.pt').state_dict(), 'script.pth')",
        ),
        (
            "list.pth",
            "is a Python list of 2 entries",
            "torch.save(torch.load('list.pth')[1], 'list-weights.pth')",
        ),
        ("values.pth", "is a Python list of 1 entries", "tensors need names"),
        (
            "arrays.pth",
            "is a dictionary of NumPy arrays",
            "torch.tensor(v) for k, v in torch.load('arrays.pth', weights_only=False).items()",
        ),
        ("single.pth", "is a single tensor", "state_dict()"),
        (
            "learner.pkl",
            "is a pickled `fastai.learner.Learner`",
            "torch.load('learner.pkl', weights_only=False).model.state_dict()",
        ),
        ("m-00001-of-00002.bin", "is file 1 of 2 of one network", "glob.glob('*-of-*.bin')"),
        ("plain.pkl", "is a Python pickle of a dictionary", "torch.save"),
        ("model.onnx", "is an ONNX model", "state_dict()"),
        ("model.h5", "is an HDF5 file (Keras or TensorFlow)", "state_dict()"),
        ("empty.pth", "is an empty file", "download it again"),
        ("page.pth", "is a web page", "download the file itself"),
        ("pointer.pth", "is a Git LFS pointer", "git lfs pull"),
        ("m.index.json", "is an index of weights in several files", "joined.pth"),
    ] {
        let error = refusal(&folder.path().join(name));
        assert!(error.contains(what) && error.contains(way_out), "{error}");
    }
}

#[test]
fn an_unknown_network_is_one_short_line_however_many_tensors_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.pth");
    let mut save = Save::default();
    let long = "a_module_with_a_long_name.".repeat(8);
    let tensors: Vec<(String, Py)> = (0..500)
        .map(|index| (format!("{long}{index}.weight"), save.tensor(&[1], vec![0.0])))
        .collect();
    save.write(&path, &root(&tensors));
    assert!(refusal(&path).contains("its first tensors are a_module"));
    // The same under a prefix that a known family has, with another depth.
    let mut save = Save::default();
    let mut tensors = narrow(&mut save);
    tensors.push(("layer1.0.conv3.weight".into(), save.tensor(&[1], vec![0.0])));
    let tensors: Vec<(String, Py)> =
        tensors.into_iter().map(|(name, tensor)| (format!("model.{name}"), tensor)).collect();
    save.write(&path, &root(&tensors));
    assert!(refusal(&path).contains("three convolutions (ResNet-50 and deeper)"));
}

#[test]
fn a_legacy_file_is_held_to_its_declarations_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.pth");
    let bytes = fs::read(fixture("narrow_legacy.pth")).unwrap();
    // The last storage: the number of its values, then as many values up to the end.
    let starts_at = |values: &usize| bytes.len() - 8 - 4 * values;
    let values = (1..2000).find(|values| {
        let start = starts_at(values);
        bytes[start..start + 8] == (*values as u64).to_le_bytes()
    });
    let values = values.unwrap();
    let (count, more) = (starts_at(&values), values as u64 + 1);
    let other_count = [&bytes[..count], &more.to_le_bytes(), &bytes[count + 8..]].concat();
    let cut = bytes[..bytes.len() - 4].to_vec();
    for (changed, reason) in [
        (other_count, format!("{more} values, not {values}")),
        (cut, "ends before its last storage".to_owned()),
    ] {
        fs::write(&path, changed).unwrap();
        let error = refusal(&path);
        assert!(error.contains(&reason), "{error}");
    }
    let checkpoint = Checkpoint::open(&fixture("narrow_legacy.pth")).unwrap();
    assert!(weights::architecture(&checkpoint).is_ok());
}
