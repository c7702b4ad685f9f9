//! safetensors files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::store::burn_pack;
use burn::tensor::DType;
use safetensors::SafeTensors;

use super::{Container, Content};
use crate::weights::{CheckpointError, ClassNames};

/// The length of a JSON header, the header, and the tensors' data.
pub(super) struct Safetensors;

impl Container for Safetensors {
    fn recognises(&self, start: &[u8]) -> bool {
        // The length of the header has eight bytes, and no header has 2^40.
        start.get(8) == Some(&b'{') && start[5..8] == [0; 3]
    }

    fn read(&self, path: &Path, _: &[u8]) -> Result<Content, CheckpointError> {
        let bytes =
            fs::read(path).map_err(|error| CheckpointError::Read(path.to_owned(), error))?;
        content(path, &bytes)
    }
}

/// The class names in the metadata of other programs' files: JSON arrays of texts.
fn class_names(metadata: &BTreeMap<String, String>) -> Vec<ClassNames> {
    let list = |(key, text): (&String, &String)| {
        let names = serde_json::from_str(text).ok().filter(|_| ClassNames::is_key(key))?;
        Some(ClassNames { key: key.clone(), names })
    };
    metadata.iter().filter_map(list).collect()
}

/// The content of a safetensors file; `path` is for error messages.
pub(super) fn content(path: &Path, bytes: &[u8]) -> Result<Content, CheckpointError> {
    let invalid = |error| CheckpointError::Safetensors(path.to_owned(), error);
    let file = SafeTensors::deserialize(bytes).map_err(invalid)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(invalid)?;
    let metadata: BTreeMap<String, String> =
        header.metadata().clone().unwrap_or_default().into_iter().collect();
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        use safetensors::Dtype;
        let dtype = match view.dtype() {
            Dtype::F64 => DType::F64,
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::I64 => DType::I64,
            Dtype::I32 => DType::I32,
            Dtype::I16 => DType::I16,
            Dtype::I8 => DType::I8,
            Dtype::U64 => DType::U64,
            Dtype::U32 => DType::U32,
            Dtype::U16 => DType::U16,
            Dtype::U8 => DType::U8,
            found => {
                return Err(CheckpointError::NumberType {
                    path: path.to_owned(),
                    name,
                    found: format!("{found:?}"),
                });
            }
        };
        let bytes = burn_pack::Bytes::from_bytes_vec(view.data().to_vec());
        let tensor =
            burn_pack::Tensor::new(name.clone(), dtype, view.shape().to_vec(), None, bytes);
        tensors.insert(name, tensor);
    }
    let class_names = class_names(&metadata);
    Ok(Content { tensors, metadata, class_names, ..Content::default() })
}
