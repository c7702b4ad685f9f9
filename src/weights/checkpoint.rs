//! A weights file, opened: PyTorch's containers, safetensors and burnpack, told apart by their content.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use burn::store::{bridge, burn_pack, pytorch_reader};
use burn::tensor::{DType, TensorData};
use pytorch_reader::{PytorchError, PytorchReader};
use safetensors::{SafeTensorError, SafeTensors};

use super::burnpack;
use crate::printable::hexadecimal;
use crate::sha256::Sha256;

/// The named tensors of a weights file.
///
/// Shapes and names are there at once; from a PyTorch file the values are read when they are asked
/// for. Nothing in a pickle is executed: it is parsed as data, and what is not a tensor is ignored.
pub struct Checkpoint {
    path: PathBuf,
    content: Content,
}

/// What is in a weights file.
#[derive(Default)]
pub(super) struct Content {
    /// The tensors by their published names.
    pub(super) tensors: BTreeMap<String, burn_pack::Tensor>,
    /// Texts by name, where the format has such.
    pub(super) metadata: BTreeMap<String, String>,
}

/// Why a weights file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Nothing is there, or it cannot be read.
    #[error("the weights file `{}` cannot be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// It is a folder, a pipe or a device.
    #[error("the weights `{}` are no regular file", .0.display())]
    NotAFile(PathBuf),
    /// It looks like a PyTorch file and is none.
    #[error("`{}` is no PyTorch checkpoint that can be read", .0.display())]
    Pytorch(PathBuf, #[source] Box<PytorchError>),
    /// It looks like a safetensors file and is none.
    #[error("`{}` is no safetensors file that can be read", .0.display())]
    Safetensors(PathBuf, #[source] SafeTensorError),
    /// It looks like a burnpack file and is none.
    #[error("`{}` is no burnpack file that can be read", .0.display())]
    Burnpack(PathBuf, #[source] burn_pack::Error),
    /// It looks like nothing known.
    #[error(
        "`{}` is no weights file: expected a PyTorch checkpoint (.pth, .pt), safetensors or burnpack \
         (.bpk)", .0.display()
    )]
    UnknownFormat(PathBuf),
    /// A tensor's values are not there, or not numbers that can be taken.
    #[error("the tensor `{name}` in `{}` cannot be read", .path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong with it.
        #[source]
        source: burn_pack::Error,
    },
    /// A type of numbers that is not taken.
    #[error(
        "the tensor `{name}` in `{}` holds {found}; f32, f16, bf16 and f64 can be used", .path.display()
    )]
    NumberType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What it holds.
        found: String,
    },
    /// Infinities or NaN among the weights.
    #[error("the tensor `{name}` in `{}` holds values that are no finite numbers", .path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
}

/// Keys under which training scripts nest a state dict.
const NESTED_UNDER: [&str; 3] = ["state_dict", "model", "model_state_dict"];
/// What `DataParallel` puts before each name.
const PARALLEL_PREFIX: &str = "module.";

impl Checkpoint {
    /// Opens `path`.
    ///
    /// # Errors
    /// Where it cannot be read or is no weights file.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let mut start = Vec::new();
        regular_file(path)?
            .take(512)
            .read_to_end(&mut start)
            .map_err(|error| CheckpointError::Read(path.to_owned(), error))?;
        let read = || fs::read(path).map_err(|error| CheckpointError::Read(path.to_owned(), error));
        let mut content = match Container::of(&start) {
            Some(Container::Pytorch) => {
                Content { tensors: read_pytorch(path)?, ..Content::default() }
            }
            Some(Container::Safetensors) => safetensors(path, &read()?)?,
            Some(Container::Burnpack) => burnpack::read(read()?)
                .map_err(|error| CheckpointError::Burnpack(path.to_owned(), error))?,
            None => return Err(CheckpointError::UnknownFormat(path.to_owned())),
        };
        content.tensors = without_parallel_prefix(content.tensors);
        Ok(Self { path: path.to_owned(), content })
    }

    /// The safetensors file `name`, whose content is `bytes`.
    ///
    /// # Errors
    /// Where they are no safetensors file.
    pub fn from_safetensors(name: &str, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let path = PathBuf::from(name);
        let content = safetensors(&path, bytes)?;
        Ok(Self { path, content })
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says about itself, where it says something: texts by name.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.content.metadata
    }

    /// The names of its tensors, in byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.content.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor, where there is one of this name.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.content.tensors.get(name).map(|tensor| tensor.shape.to_vec())
    }

    /// The values of a tensor as f32, where there is one of this name.
    ///
    /// # Errors
    /// Where they cannot be read, are no floating-point numbers, or not all finite.
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

enum Container {
    Pytorch,
    Safetensors,
    Burnpack,
}

impl Container {
    /// By the first bytes: a zip archive, a pickle of protocol 2 or later, or a tar archive
    /// (PyTorch's three containers); burnpack's magic number; or the eight-byte length of a JSON object
    /// (safetensors).
    fn of(start: &[u8]) -> Option<Self> {
        let is_tar = start.get(257..262) == Some(b"ustar".as_slice());
        if start.starts_with(b"PK\x03\x04")
            || start.starts_with(&[0x80]) && start.get(8) != Some(&b'{')
            || is_tar
        {
            Some(Self::Pytorch)
        } else if start.starts_with(&burnpack::MAGIC) {
            Some(Self::Burnpack)
        } else if start.get(8) == Some(&b'{') {
            Some(Self::Safetensors)
        } else {
            None
        }
    }
}

fn read_pytorch(path: &Path) -> Result<BTreeMap<String, burn_pack::Tensor>, CheckpointError> {
    let no_checkpoint = |error| CheckpointError::Pytorch(path.to_owned(), Box::new(error));
    let mut reader = PytorchReader::new(path).map_err(no_checkpoint)?;
    let nested =
        |name: &str, key: &str| name.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
    if let Some(key) =
        NESTED_UNDER.into_iter().find(|key| reader.keys().iter().any(|name| nested(name, key)))
    {
        reader = PytorchReader::with_top_level_key(path, key).map_err(no_checkpoint)?;
    }
    let tensors = reader.into_tensors().into_iter();
    Ok(tensors.map(|(name, tensor)| (name, bridge::from_pytorch(tensor))).collect())
}

/// The names without `DataParallel`'s prefix, where every one has it. Where only some have it they
/// are left alone: stripped, two might be called the same.
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

fn safetensors(path: &Path, bytes: &[u8]) -> Result<Content, CheckpointError> {
    let no_safetensors = |error| CheckpointError::Safetensors(path.to_owned(), error);
    let file = SafeTensors::deserialize(bytes).map_err(no_safetensors)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(no_safetensors)?;
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

/// Opens a file, and no pipe or device: those might never end, and opening one might never return.
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
/// Where the file cannot be read, or is none that ends.
pub fn sha256_of_file(path: &Path) -> Result<String, CheckpointError> {
    let mut hasher = Sha256::new();
    io::copy(&mut regular_file(path)?, &mut hasher)
        .map_err(|error| CheckpointError::Read(path.to_owned(), error))?;
    Ok(hexadecimal(&hasher.finalize()))
}

/// The SHA-256 of `bytes`, likewise.
pub(super) fn sha256_of(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}
