//! Weights that stay in their file until they are needed are the same weights.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use kindling::backbone::{Architecture, Backbone, Tensors};
use kindling::engine::{CpuEngine, Engine, PackedCache, Workload};
use kindling::plan::Planned;
use kindling::weights::{self, Checkpoint, Reading};

use crate::reference::{cpu, fixture};

fn narrow() -> Architecture {
    "resnet18-w4".parse().unwrap()
}

fn later(path: &Path, cache: Option<&PackedCache>) -> Backbone {
    let checkpoint = Checkpoint::open(path).unwrap();
    weights::backbone_with(&checkpoint, &narrow(), &cpu(), Reading::Later(cache)).unwrap()
}

fn now(path: &Path) -> Backbone {
    weights::backbone(&Checkpoint::open(path).unwrap(), &narrow(), &cpu()).unwrap()
}

/// Where the first weight of the stem is in a safetensors file.
fn first_weight(file: &[u8]) -> usize {
    let (length, rest) = file.split_first_chunk().unwrap();
    let length = u64::from_le_bytes(*length) as usize;
    let header: serde_json::Value = serde_json::from_slice(&rest[..length]).unwrap();
    8 + length + header["conv1.weight"]["data_offsets"][0].as_u64().unwrap() as usize
}

/// Names, shapes and bytes in the order of the names.
fn contents(backbone: &Backbone) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let mut tensors: Vec<_> = backbone
        .tensors()
        .into_iter()
        .map(|tensor| {
            let bytes = tensor.to_bytes().unwrap().to_vec();
            (tensor.name, tensor.shape.to_vec(), bytes)
        })
        .collect();
    tensors.sort();
    tensors
}

#[test]
fn deferred_weights_are_those_of_the_file_in_every_container() {
    for file in ["narrow.pth", "narrow_legacy.pth", "narrow_f16.safetensors"] {
        let (deferred, loaded) = (later(&fixture(file), None), now(&fixture(file)));
        assert_eq!(deferred.plan().unwrap(), loaded.plan().unwrap());
        assert_eq!(deferred.sha256().unwrap(), loaded.sha256().unwrap(), "{file}");
        assert_eq!(contents(&deferred), contents(&loaded), "{file}");
        // Whoever needs the module gets it.
        deferred.loaded().unwrap();
        assert_eq!(contents(&deferred), contents(&loaded), "{file}");
        assert_eq!(deferred.burn_tensors().len(), loaded.burn_tensors().len());
    }
}

#[test]
fn every_plan_names_all_tensors_of_its_module() {
    for name in Architecture::names() {
        let backbone = name.parse::<Architecture>().unwrap().init(&cpu());
        let Ok(plan) = backbone.plan() else { continue };
        let mut planned: Vec<(String, Vec<usize>)> =
            plan.tensors().into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect();
        let tensors = backbone.tensors().into_iter();
        let mut all: Vec<_> =
            tensors.map(|tensor| (tensor.name.clone(), tensor.shape.to_vec())).collect();
        planned.sort();
        all.sort();
        assert_eq!(planned, all, "{name}");
    }
}

#[test]
fn weights_that_cannot_be_used_are_refused_before_they_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.safetensors");
    let good = fs::read(fixture("narrow_f16.safetensors")).unwrap();
    let mut nan = good.clone();
    nan[first_weight(&good)..][..2].copy_from_slice(&[0xff, 0x7f]);
    fs::write(&path, nan).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let cache = PackedCache::beside(folder.path());
    for _ in 0..2 {
        let reading = Reading::Later(Some(&cache));
        let error = weights::backbone_with(&checkpoint, &narrow(), &cpu(), reading).unwrap_err();
        assert!(error.to_string().contains("holds NaN or infinite values"), "{error}");
    }
    let other = "resnet34-w4".parse().unwrap();
    let error = weights::backbone_with(&checkpoint, &other, &cpu(), Reading::Later(None));
    let expected = weights::backbone(&checkpoint, &other, &cpu()).unwrap_err().to_string();
    assert_eq!(error.unwrap_err().to_string(), expected);
}

/// Sets the time back, so that the file counts as one that changed long ago where the system lets
/// a program do that, and waits where it does not.
fn settled(path: &Path) {
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    File::options().append(true).open(path).unwrap().set_modified(hour_ago).unwrap();
    std::thread::sleep(Duration::from_millis(3100));
}

#[test]
fn a_file_that_is_written_to_is_noticed_and_one_that_is_deleted_is_still_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.safetensors");
    let good = fs::read(fixture("narrow_f16.safetensors")).unwrap();
    fs::write(&path, &good).unwrap();
    let expected = contents(&now(&path));
    let deleted = later(&path, None);
    fs::remove_file(&path).unwrap();
    assert_eq!(contents(&deleted), expected);

    fs::write(&path, &good).unwrap();
    settled(&path);
    let written = later(&path, None);
    let mut file = File::options().write(true).open(&path).unwrap();
    file.write_all(&good[..100]).unwrap();
    drop(file);
    let error = written.tensors()[0].to_bytes().unwrap_err().to_string();
    assert!(error.contains("changed while it was in use"), "{error}");
    assert!(written.loaded().unwrap_err().contains("changed while it was in use"));
    let engine = CpuEngine::new(&written, narrow().preprocessing());
    let side = narrow().preprocessing().crop as usize;
    let pending = engine.launch(vec![0; side * side * 3], Workload::Few);
    let error = pending.err().unwrap().to_string();
    assert!(error.contains("changed while it was in use"), "{error}");
}

#[test]
fn a_digest_is_remembered_until_the_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (path, cache) = (folder.path().join("f.safetensors"), PackedCache::beside(folder.path()));
    let mut bytes = fs::read(fixture("narrow_f16.safetensors")).unwrap();
    fs::write(&path, &bytes).unwrap();
    let first = later(&path, Some(&cache)).sha256().unwrap();
    assert_eq!(cache.files().unwrap().files, 0, "the file may still change within its clock tick");
    settled(&path);
    assert_eq!(later(&path, Some(&cache)).sha256().unwrap(), first);
    assert_eq!(cache.files().unwrap().files, 1);
    assert_eq!(later(&path, Some(&cache)).sha256().unwrap(), first);
    // A damaged digest is computed again.
    let digest = fs::read_dir(cache.folder()).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&digest).unwrap();
    for damage in [&b""[..], &good[..63], &[&[good[0] ^ 1], &good[1..]].concat()] {
        fs::write(&digest, damage).unwrap();
        assert_eq!(later(&path, Some(&cache)).sha256().unwrap(), first);
        assert_eq!(fs::read(&digest).unwrap(), good);
    }
    let at = first_weight(&bytes);
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let changed = later(&path, Some(&cache)).sha256().unwrap();
    assert_eq!(changed, now(&path).sha256().unwrap());
    assert_ne!(changed, first);
}
