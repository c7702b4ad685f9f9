//! safetensors files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::store::burn_pack;
use burn::tensor::DType;
use safetensors::SafeTensors;

use super::{Container, Content};
use crate::weights::CheckpointError;

/// The length of a JSON header, the header, and the tensors' data.
pub(super) struct Safetensors;

impl Container for Safetensors {
    fn recognises(&self, start: &[u8]) -> bool {
        start.get(8) == Some(&b'{')
    }

    fn read(&self, path: &Path) -> Result<Content, CheckpointError> {
        let bytes =
            fs::read(path).map_err(|error| CheckpointError::Read(path.to_owned(), error))?;
        content(path, &bytes)
    }
}

/// The content of a safetensors file; `path` is for error messages.
pub(super) fn content(path: &Path, bytes: &[u8]) -> Result<Content, CheckpointError> {
    let invalid = |error| CheckpointError::Safetensors(path.to_owned(), error);
    let file = SafeTensors::deserialize(bytes).map_err(invalid)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(invalid)?;
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
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
    Ok(Content { tensors, metadata })
}
