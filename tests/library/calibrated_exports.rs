//! A temperature travels with a model file, and is part of the weights of an exported one.

use std::fs;

use kindling::export::onnx::proto::ModelProto;
use kindling::export::{Format, Parts, Precision};
use kindling::head::Head;
use kindling::run::Model;
use kindling::weights::{Checkpoint, Description};
use prost::Message;

use crate::reference::{cpu, fixture};

const TEMPERATURE: f64 = 1.7;

/// The narrow network with a temperature.
fn calibrated() -> Model {
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    Model { temperature: Some(TEMPERATURE), ..Model::from_weights(&checkpoint, &cpu()).unwrap() }
}

fn written(model: &Model, head: &Head, description: &Description, format: Format) -> Vec<u8> {
    let parts = Parts::new(&model.backbone, head, description);
    format.write(parts, Precision::Full).unwrap()
}

fn read(bytes: &[u8]) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model");
    fs::write(&file, bytes).unwrap();
    Model::open(&file, &cpu()).unwrap()
}

/// The calibrated logits of three rows of features.
fn logits(model: &Model) -> Vec<f32> {
    let width = model.head.features();
    let rows: Vec<f32> = (0..3 * width).map(|index| (index as f32 * 0.37).sin()).collect();
    model.calibrated(model.logits(&rows, &cpu()).unwrap())
}

fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{found} {expected}");
    }
}

#[test]
fn a_model_file_keeps_its_temperature_beside_raw_weights() {
    let model = calibrated();
    for format in [Format::Safetensors, Format::Burnpack] {
        let bytes = written(&model, &model.head, &model.description(), format);
        let found = read(&bytes);
        assert_eq!((found.temperature, found.calibrated_with), (Some(TEMPERATURE), None));
        assert_eq!(found.head.weight(), model.head.weight());
        assert_eq!(logits(&found), logits(&model));
        let raw = found.without_calibration();
        let expected: Vec<f32> =
            logits(&model).iter().map(|logit| (f64::from(*logit) * TEMPERATURE) as f32).collect();
        assert_close(&logits(&raw), &expected);
    }
}

#[test]
fn an_exported_file_has_the_temperature_in_its_weights_and_is_not_calibrated_twice() {
    let model = calibrated();
    let (head, description) = model.folded();
    assert_eq!((description.temperature, description.calibrated_with), (None, Some(TEMPERATURE)));
    for format in [Format::Safetensors, Format::Burnpack] {
        let found = read(&written(&model, &head, &description, format));
        assert_eq!((found.temperature, found.calibrated_with), (None, Some(TEMPERATURE)));
        assert_close(&logits(&found), &logits(&model));
        // Exported again, it stays as it is.
        let (again, description) = found.folded();
        assert_eq!(again.weight(), head.weight());
        assert_eq!(description.calibrated_with, Some(TEMPERATURE));
        assert_close(&logits(&found.without_calibration()), &logits(&calibrated_raw()));
    }
    let bytes = written(&model, &head, &description, Format::Onnx);
    let onnx = ModelProto::decode(bytes.as_slice()).unwrap();
    let entry = |key: &str| {
        let entries = onnx.metadata_props.iter();
        entries.clone().find(|entry| entry.key() == key).map(|entry| entry.value().to_owned())
    };
    assert_eq!((entry("calibrated_with"), entry("temperature")), (Some("1.7".into()), None));
    let graph = onnx.graph.as_ref().unwrap();
    let weight = graph.initializer.iter().find(|tensor| tensor.name() == "fc.weight").unwrap();
    let bytes = weight.raw_data.as_ref().unwrap();
    let values: Vec<f32> =
        bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(values, head.weight());
}

#[test]
fn a_model_without_a_temperature_is_exported_bit_for_bit() {
    let model = calibrated_raw();
    let (head, description) = model.folded();
    assert_eq!(head.weight(), model.head.weight());
    assert_eq!((description.temperature, description.calibrated_with), (None, None));
}

fn calibrated_raw() -> Model {
    calibrated().without_calibration()
}
