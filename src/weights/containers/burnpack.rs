//! burnpack, Burn's own container, with its names and layouts converted to those of published
//! files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::store::{bridge, burn_pack};
use burn::tensor::{DType, TensorData};

use super::{Container, Content};
use crate::backbone::Architecture;
use crate::weights::CheckpointError;

/// Burn's own container. The tensors of an unknown network keep their names.
pub(super) struct Burnpack;

/// The first bytes of every burnpack file.
const MAGIC: [u8; 4] = burn_pack::MAGIC_NUMBER.to_le_bytes();

impl Container for Burnpack {
    fn recognises(&self, start: &[u8]) -> bool {
        start.starts_with(&MAGIC)
    }

    fn read(&self, path: &Path, _: &[u8]) -> Result<Content, CheckpointError> {
        let bytes =
            fs::read(path).map_err(|error| CheckpointError::Read(path.to_owned(), error))?;
        content(bytes).map_err(|error| CheckpointError::Burnpack(path.to_owned(), error))
    }
}

fn content(bytes: Vec<u8>) -> Result<Content, burn_pack::Error> {
    let reader = burn_pack::Reader::from_bytes(burn_pack::Bytes::from_bytes_vec(bytes))?;
    let metadata = reader.metadata().clone();
    let mut tensors = BTreeMap::new();
    for tensor in reader.into_tensors()? {
        let tensor = as_in_pytorch(tensor)?;
        // Burn never writes both `gamma` and `weight` for one module.
        if let Some(twice) = tensors.insert(tensor.name.clone(), tensor) {
            let reason = format!("two of its tensors are called `{}`", twice.name);
            return Err(burn_pack::Error::ValidationError(reason));
        }
    }
    Ok(Content { tensors: published_names(tensors), metadata, ..Content::default() })
}

/// Converts a tensor of [`Tensors::burn_tensors`](crate::backbone::Tensors::burn_tensors) to
/// PyTorch's name and layout.
fn as_in_pytorch(mut tensor: burn_pack::Tensor) -> Result<burn_pack::Tensor, burn_pack::Error> {
    let name = match tensor.name.rsplit_once('.') {
        Some((module, "gamma")) => format!("{module}.weight"),
        Some((module, "beta")) => format!("{module}.bias"),
        _ => tensor.name.clone(),
    };
    // A matrix is a fully connected layer's weight: no other tensor of these networks has two axes.
    let floats = matches!(tensor.dtype, DType::F32 | DType::F16 | DType::BF16 | DType::F64);
    match tensor.shape.to_vec()[..] {
        [rows, columns] if floats => {
            let data = transposed(bridge::into_data(tensor)?, rows, columns);
            Ok(bridge::from_data(data, name, None))
        }
        _ => {
            tensor.name = name;
            Ok(tensor)
        }
    }
}

fn transposed(data: TensorData, rows: usize, columns: usize) -> TensorData {
    let (dtype, size) = (data.dtype(), data.dtype().size());
    let bytes = data.as_bytes();
    let mut transposed = Vec::with_capacity(bytes.len());
    // A file may claim any shape for an empty tensor.
    let columns_there = if bytes.is_empty() { 0 } else { columns };
    for column in 0..columns_there {
        for row in 0..rows {
            let start = (row * columns + column) * size;
            transposed.extend_from_slice(&bytes[start..start + size]);
        }
    }
    TensorData::from_bytes_vec(transposed, [columns, rows], dtype)
}

/// Published names, if the tensors belong to a known network.
fn published_names(
    tensors: BTreeMap<String, burn_pack::Tensor>,
) -> BTreeMap<String, burn_pack::Tensor> {
    let families = Architecture::names().filter_map(|name| name.parse::<Architecture>().ok());
    for naming in families.map(|architecture| architecture.naming()) {
        let shape = |published: &str| {
            let tensor = tensors.get(&naming.module(published))?;
            Some(tensor.shape.to_vec())
        };
        if Architecture::recognised(shape).is_some() {
            return tensors
                .into_iter()
                .map(|(name, tensor)| (naming.published(&name), tensor))
                .collect();
        }
    }
    tensors
}
