//! Safetensors files with features and labels.

use std::io::{self, Write};

use ::safetensors::Dtype;

use super::FeatureTable;
use crate::weights::safetensors_header;

/// Writes `labels`, if the photos have labels, then `features`.
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
    for label in table.photos.iter().filter_map(|photo| photo.label) {
        out.write_all(&(label as i64).to_le_bytes())?;
    }
    for value in &table.features {
        out.write_all(&value.to_le_bytes())?;
    }
    Ok(())
}
