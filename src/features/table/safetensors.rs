//! Safetensors files with features and labels.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use ::safetensors::Dtype;
use ::safetensors::tensor::TensorInfo;

use super::FeatureTable;
use super::content::{Content, Sink};
use super::error::damaged;
use super::floats::FloatType;
use crate::weights::{open_safetensors, safetensors_header};

/// Writes `labels`, if photos have labels, then `features`. The label of a photo without one is -1,
/// which PyTorch's losses can be given as `ignore_index`.
pub(super) fn write(table: &FeatureTable, out: &mut impl Write) -> io::Result<()> {
    let count = table.photos.len();
    let mut tensors = vec![("features", Dtype::F32, vec![count, table.width])];
    if table.has_labels() {
        tensors.insert(0, ("labels", Dtype::I64, vec![count]));
    }
    let paths: Vec<&str> = table.photos.iter().map(|photo| photo.path.as_str()).collect();
    let mut metadata = table.metadata.clone();
    metadata.insert("backbone".to_owned(), table.backbone.clone());
    metadata.insert("classes".to_owned(), serde_json::to_string(&table.classes)?);
    metadata.insert("paths".to_owned(), serde_json::to_string(&paths)?);
    if table.has_parts() {
        let parts: Vec<_> = table.photos.iter().map(|photo| photo.part).collect();
        metadata.insert("parts".to_owned(), serde_json::to_string(&parts)?);
    }
    out.write_all(&safetensors_header(&tensors, &metadata))?;
    for photo in table.photos.iter().filter(|_| table.has_labels()) {
        out.write_all(&photo.label.map_or(-1, |label| label as i64).to_le_bytes())?;
    }
    for value in &table.features {
        out.write_all(&value.to_le_bytes())?;
    }
    Ok(())
}

/// Reads the tensors `features` and `labels`, and the lists in the metadata, those that there are.
/// Without a list of classes, labels are called by their numbers.
pub(super) fn read(path: &Path, sink: &mut Sink) -> io::Result<Content> {
    let (mut file, data, header) = open_safetensors(path)?;
    let tensors = header.tensors();
    let features = tensors.get("features").ok_or_else(|| {
        let names: Vec<String> = tensors.keys().map(|name| format!("`{name}`")).take(8).collect();
        damaged(format!("no tensor `features` among {}", names.join(", ")))
    })?;
    let [rows, width] = features.shape[..] else {
        let shape = &features.shape;
        return Err(damaged(format!("`features` has the shape {shape:?}, not [photos, features]")));
    };
    let kind = match features.dtype {
        Dtype::F16 => FloatType::F16,
        Dtype::BF16 => FloatType::Bf16,
        Dtype::F32 => FloatType::F32,
        Dtype::F64 => FloatType::F64,
        other => return Err(damaged(format!("`features` has numbers of type {other:?}"))),
    };
    let mut metadata: BTreeMap<String, String> =
        header.metadata().clone().unwrap_or_default().into_iter().collect();
    let classes = list::<String>(&mut metadata, "classes")?.unwrap_or_default();
    let labels = tensors.get("labels").map(|info| labels(&mut file, data, info)).transpose()?;
    let labels = labels.map(|labels| {
        labels.into_iter().map(|label| class_of(label, &classes)).collect::<io::Result<Vec<_>>>()
    });
    file.seek(SeekFrom::Start(data + features.data_offsets.0 as u64))?;
    kind.read(&mut file, rows * width, |features| sink.add(features))?;
    Ok(Content {
        width,
        paths: list(&mut metadata, "paths")?,
        labels: labels.transpose()?,
        parts: list(&mut metadata, "parts")?,
        metadata,
    })
}

/// Takes a list out of the metadata.
fn list<T: serde::de::DeserializeOwned>(
    metadata: &mut BTreeMap<String, String>,
    key: &str,
) -> io::Result<Option<Vec<T>>> {
    let list = metadata.remove(key).map(|text| serde_json::from_str(&text)).transpose();
    list.map_err(|error| damaged(format!("`{key}` is no list: {error}")))
}

fn labels(file: &mut (impl Read + Seek), data: u64, info: &TensorInfo) -> io::Result<Vec<i64>> {
    let (start, end) = info.data_offsets;
    file.seek(SeekFrom::Start(data + start as u64))?;
    // The header was compared with the length of the file.
    let mut bytes = vec![0; end - start];
    file.read_exact(&mut bytes)?;
    match info.dtype {
        Dtype::I64 => Ok(bytes.as_chunks().0.iter().map(|it| i64::from_le_bytes(*it)).collect()),
        Dtype::I32 => {
            let numbers = bytes.as_chunks().0.iter();
            Ok(numbers.map(|it| i64::from(i32::from_le_bytes(*it))).collect())
        }
        other => Err(damaged(format!("`labels` has numbers of type {other:?}, not I64"))),
    }
}

/// The name of a class. A negative label is none.
fn class_of(label: i64, classes: &[String]) -> io::Result<Option<String>> {
    let Ok(index) = usize::try_from(label) else { return Ok(None) };
    match classes.get(index) {
        Some(class) => Ok(Some(class.clone())),
        None if classes.is_empty() => Ok(Some(label.to_string())),
        None => Err(damaged(format!("the label {label} is not one of {} classes", classes.len()))),
    }
}
