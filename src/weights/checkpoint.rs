//! An opened weights file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use burn::store::{bridge, burn_pack};
use burn::tensor::{DType, TensorData};

use super::CheckpointError;
use super::containers::{self, Content};
use crate::printable::hexadecimal;
use crate::sha256::Sha256;

/// The named tensors of a weights file.
///
/// Names and shapes are read at once; the values of a PyTorch file are read on demand.
pub struct Checkpoint {
    path: PathBuf,
    content: Content,
}

/// The prefix that `DataParallel` gives each name.
const PARALLEL_PREFIX: &str = "module.";

impl Checkpoint {
    /// Opens `path`.
    ///
    /// # Errors
    /// If it cannot be read or is not a weights file.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let mut start = Vec::new();
        regular_file(path)?
            .take(containers::START)
            .read_to_end(&mut start)
            .map_err(|error| CheckpointError::Read(path.to_owned(), error))?;
        let container = containers::recognised(&start)
            .ok_or_else(|| CheckpointError::UnknownFormat(path.to_owned()))?;
        let mut content = container.read(path)?;
        content.tensors = without_parallel_prefix(content.tensors);
        Ok(Self { path: path.to_owned(), content })
    }

    /// The safetensors file `name`, whose content is `bytes`.
    ///
    /// # Errors
    /// If they are not a safetensors file.
    pub fn from_safetensors(name: &str, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let path = PathBuf::from(name);
        let content = containers::safetensors_content(&path, bytes)?;
        Ok(Self { path, content })
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's description of itself: texts by name, empty if there is none.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.content.metadata
    }

    /// The names of its tensors, in byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.content.tensors.keys().map(String::as_str)
    }

    /// The shape of the tensor `name`, if there is one.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.content.tensors.get(name).map(|tensor| tensor.shape.to_vec())
    }

    /// The values of the tensor `name` as f32, if there is one.
    ///
    /// # Errors
    /// If they cannot be read, are not floating-point numbers, or are NaN or infinite.
    pub fn values(&self, name: &str) -> Result<Option<TensorData>, CheckpointError> {
        let Some(tensor) = self.content.tensors.get(name) else { return Ok(None) };
        if !matches!(tensor.dtype, DType::F32 | DType::F16 | DType::BF16 | DType::F64) {
            return Err(CheckpointError::NumberType {
                path: self.path.clone(),
                name: name.to_owned(),
                found: format!("{:?}", tensor.dtype),
            });
        }
        let data = bridge::to_data(tensor)
            .map_err(|source| CheckpointError::Tensor {
                path: self.path.clone(),
                name: name.to_owned(),
                source,
            })?
            .convert::<f32>();
        let finite = data.iter::<f32>().all(f32::is_finite);
        match finite {
            true => Ok(Some(data)),
            false => {
                Err(CheckpointError::NotFinite { path: self.path.clone(), name: name.to_owned() })
            }
        }
    }
}

/// Removes `DataParallel`'s prefix if every name has it. If only some have it, two names might
/// become equal.
fn without_parallel_prefix(
    tensors: BTreeMap<String, burn_pack::Tensor>,
) -> BTreeMap<String, burn_pack::Tensor> {
    if !tensors.keys().all(|name| name.starts_with(PARALLEL_PREFIX)) {
        return tensors;
    }
    tensors
        .into_iter()
        .map(|(name, tensor)| (name[PARALLEL_PREFIX.len()..].to_owned(), tensor))
        .collect()
}

/// Opens a regular file. A pipe or device might never end, and opening one might never return.
fn regular_file(path: &Path) -> Result<File, CheckpointError> {
    let cannot_read = |error| CheckpointError::Read(path.to_owned(), error);
    match fs::metadata(path).map_err(cannot_read)?.is_file() {
        true => File::open(path).map_err(cannot_read),
        false => Err(CheckpointError::NotAFile(path.to_owned())),
    }
}

/// The SHA-256 of a file's content, in lower-case hexadecimal.
///
/// # Errors
/// If the file cannot be read, or is not a regular file.
pub fn sha256_of_file(path: &Path) -> Result<String, CheckpointError> {
    let mut hasher = Sha256::new();
    io::copy(&mut regular_file(path)?, &mut hasher)
        .map_err(|error| CheckpointError::Read(path.to_owned(), error))?;
    Ok(hexadecimal(&hasher.finalize()))
}

/// The SHA-256 of `bytes`, in lower-case hexadecimal.
pub(super) fn sha256_of(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}
