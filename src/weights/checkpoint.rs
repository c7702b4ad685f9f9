//! An opened weights file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::store::{bridge, burn_pack};
use burn::tensor::{DType, TensorData};

use super::containers::{self, Content, Source};
use super::head_layer::HeadForm;
use super::layout::{Ambiguous, Layout};
use super::{CheckpointError, ClassNames, Foreign};
use crate::file_stamp::FileStamp;
use crate::printable::hexadecimal;
use crate::sha256::Sha256;

/// The named tensors of a weights file.
///
/// Names and shapes are read at once; the values of a PyTorch or safetensors file are read on
/// demand. Tensors of a known network have their published names, whatever prefixes the file gives
/// them.
pub struct Checkpoint {
    origin: Arc<Origin>,
    metadata: BTreeMap<String, String>,
    class_names: Vec<ClassNames>,
    layout: Layout,
}

/// Where a checkpoint comes from.
struct Origin {
    path: PathBuf,
    /// The open file, and its stamp. `None` if the content was in memory.
    file: Option<(File, FileStamp)>,
    /// What identifies weights that are part of the program.
    built_in: bool,
}

/// The tensors of a network may take this many bytes of memory for each byte of their file, which
/// may be compressed ...
const MEMORY_PER_BYTE: u128 = 16;
/// ... and this many bytes whatever the file's size.
const MEMORY: u128 = 64 << 20;

impl Checkpoint {
    /// Opens `path`.
    ///
    /// # Errors
    /// If it cannot be read or is not a weights file.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let mut start = Vec::new();
        let cannot_read = |error| CheckpointError::Read(path.to_owned(), error);
        let mut file = regular_file(path)?;
        let metadata = file.metadata().map_err(cannot_read)?;
        let stamp = FileStamp::of(&metadata);
        file.by_ref().take(containers::START).read_to_end(&mut start).map_err(cannot_read)?;
        if let Some(kind) = Foreign::shard(path) {
            return Err(CheckpointError::Foreign { path: path.to_owned(), kind });
        }
        let Some(container) = containers::recognised(&start) else {
            let path = path.to_owned();
            return Err(match Foreign::by_first_bytes(&path, &start) {
                Some(kind) => CheckpointError::Foreign { path, kind },
                None => CheckpointError::UnknownFormat(path),
            });
        };
        let content = container.read(path, &start)?;
        // The container opened the file again.
        if FileStamp::at(path).map_err(cannot_read)? != stamp {
            return Err(CheckpointError::Changed(path.to_owned()));
        }
        let origin = Origin { path: path.to_owned(), file: Some((file, stamp)), built_in: false };
        Self::of(origin, content, metadata.len())
    }

    /// The safetensors file `name`, whose content is `bytes`.
    ///
    /// # Errors
    /// If they are not a safetensors file.
    pub fn from_safetensors(name: &str, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let origin = Origin { path: PathBuf::from(name), file: None, built_in: false };
        let content = Source::Memory(bytes.into()).content(&origin.path)?;
        Self::of(origin, content, bytes.len() as u64)
    }

    /// The safetensors file `name`, whose content is part of the program.
    ///
    /// # Errors
    /// If it is not a safetensors file.
    pub fn built_in(name: &str, bytes: &'static [u8]) -> Result<Self, CheckpointError> {
        let origin = Origin { path: PathBuf::from(name), file: None, built_in: true };
        let content = Source::BuiltIn(bytes).content(&origin.path)?;
        Self::of(origin, content, bytes.len() as u64)
    }

    /// The content of a file of `size` bytes.
    fn of(origin: Origin, content: Content, size: u64) -> Result<Self, CheckpointError> {
        let path = &origin.path;
        let limit = MEMORY + MEMORY_PER_BYTE * u128::from(size);
        let affordable = |bytes: u128| match bytes <= limit {
            true => Ok(()),
            false => Err(CheckpointError::TooLarge { path: path.clone(), bytes, size }),
        };
        let Content { tensors, metadata, class_names, dictionaries } = content;
        affordable(tensors.values().map(memory).max().unwrap_or(0))?;
        let layout = Layout::of(tensors).map_err(|Ambiguous(prefixes)| {
            let python = python_for(prefixes.first().map_or("", String::as_str), &dictionaries);
            CheckpointError::SeveralNetworks { path: path.clone(), prefixes, python }
        })?;
        affordable(layout.tensors.values().map(memory).sum())?;
        Ok(Self { origin: Arc::new(origin), metadata, class_names, layout })
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.origin.path
    }

    /// The file's description of itself: texts by name, empty if there is none.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// What the names of the network's tensors begin with in the file, such as
    /// `state_dict.model.`; empty if they have their published names.
    pub fn prefix(&self) -> &str {
        &self.layout.prefix
    }

    /// The name of the head's layer in the file, if it is not the published one.
    pub fn renamed_head(&self) -> Option<&str> {
        match &self.layout.head {
            HeadForm::Renamed(name) => Some(name),
            _ => None,
        }
    }

    /// The tensors of a head that is not one linear layer. `None` if the head is one, or absent.
    pub(super) fn other_head(&self) -> Option<&[String]> {
        match &self.layout.head {
            HeadForm::Other(tensors) => Some(tensors),
            _ => None,
        }
    }

    /// The names of the tensors that are not part of the network.
    pub fn unused(&self) -> &[String] {
        &self.layout.unused
    }

    /// Why this network was taken, if the file holds several that differ: a sentence.
    pub fn choice(&self) -> Option<&str> {
        self.layout.choice.as_deref()
    }

    /// The class names that the file gives for a network with `logits` logits.
    ///
    /// # Errors
    /// If they are for another number of classes, or contradict each other.
    pub fn class_names(&self, logits: usize) -> Result<Option<&ClassNames>, CheckpointError> {
        ClassNames::of(&self.class_names, logits)
            .map_err(|reason| CheckpointError::ClassNames { path: self.path().to_owned(), reason })
    }

    /// The names of its tensors, in byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.layout.tensors.keys().map(String::as_str)
    }

    /// The shape of the tensor `name`, if there is one.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.layout.tensors.get(name).map(|tensor| tensor.shape.to_vec())
    }

    /// Whether the tensor `name` is a single number, such as the `n_averaged` of averaged weights.
    pub(super) fn is_scalar(&self, name: &str) -> bool {
        self.shape(name).is_some_and(|shape| shape.is_empty())
    }

    /// The values of the tensor `name` as f32, if there is one.
    ///
    /// # Errors
    /// If they cannot be read, are not floating-point numbers, or are NaN or infinite; or if the
    /// file changed since it was opened.
    pub fn values(&self, name: &str) -> Result<Option<TensorData>, CheckpointError> {
        self.layout.tensors.get(name).map(|tensor| self.origin.values(name, tensor)).transpose()
    }

    /// The tensor `name` as f32, if there is one, under the name `renamed`. Its values are read
    /// when they are needed, each time, with the errors of [`values`](Self::values).
    pub(super) fn deferred(&self, name: &str, renamed: &str) -> Option<burn_pack::Tensor> {
        let tensor = self.layout.tensors.get(name)?.clone();
        let (origin, name, shape) = (self.origin.clone(), name.to_owned(), tensor.shape.clone());
        let renamed = renamed.to_owned();
        Some(bridge::deferred(renamed, DType::F32, shape, None, move || {
            origin
                .values(&name, &tensor)
                .map_err(|error| burn_pack::Error::IoError(error.to_string()))
        }))
    }

    /// Identifies the content for this program alone, without reading it: which file it is and when
    /// that last changed. `None` if this is unknown, or if a change may still go unnoticed.
    pub(super) fn identity(&self) -> Option<[u8; 32]> {
        let Origin { path, file, built_in } = &*self.origin;
        let mut identity = Sha256::new_with_prefix(b"kindling weights\n");
        match file {
            Some((_, stamp)) if stamp.is_settled() => {
                identity.update(path.canonicalize().ok()?.as_os_str().as_encoded_bytes());
                identity.update(format!("\n{stamp:?}"));
            }
            None if *built_in => identity.update(path.as_os_str().as_encoded_bytes()),
            _ => return None,
        }
        Some(identity.finalize())
    }
}

impl Origin {
    /// The values of its tensor `name` as f32.
    fn values(
        &self,
        name: &str,
        tensor: &burn_pack::Tensor,
    ) -> Result<TensorData, CheckpointError> {
        let (path, name) = (|| self.path.clone(), || name.to_owned());
        if !matches!(tensor.dtype, DType::F32 | DType::F16 | DType::BF16 | DType::F64) {
            let found = format!("{:?}", tensor.dtype);
            return Err(CheckpointError::NumberType { path: path(), name: name(), found });
        }
        let data = bridge::to_data(tensor).map_err(|source| CheckpointError::Tensor {
            path: path(),
            name: name(),
            source,
        });
        // A file that was written to is reported as such, whatever could be read of it. One that
        // was replaced or deleted is still there for those who opened it.
        if let Some((file, stamp)) = &self.file
            && !file.metadata().is_ok_and(|now| stamp.has_content_of(&FileStamp::of(&now)))
        {
            return Err(CheckpointError::Changed(path()));
        }
        let data = data?.convert::<f32>();
        let finite = match data.as_slice::<f32>() {
            Ok(values) => values.iter().all(|value| value.is_finite()),
            // Bytes that are not aligned.
            Err(_) => data.iter::<f32>().all(f32::is_finite),
        };
        match finite {
            true => Ok(data),
            false => Err(CheckpointError::NotFinite { path: path(), name: name() }),
        }
    }
}

/// The bytes of memory that a tensor takes, as f32 and before that.
fn memory(tensor: &burn_pack::Tensor) -> u128 {
    let elements = tensor
        .shape
        .to_vec()
        .iter()
        .fold(1u128, |product, side| product.saturating_mul(*side as u128));
    elements.saturating_mul(tensor.dtype.size().max(4) as u128)
}

/// The line of Python that saves the network with this prefix alone. `dictionaries` are the keys of
/// the dictionaries in the file.
fn python_for(prefix: &str, dictionaries: &[String]) -> String {
    let plain = |text: &str| {
        text.len() <= 40 && text.chars().all(|it| it.is_ascii_alphanumeric() || "._-".contains(it))
    };
    let prefix = if plain(prefix) { prefix } else { "PREFIX." };
    match prefix.split_once('.') {
        Some((key, _)) if dictionaries.iter().any(|known| known == key) => {
            format!("torch.save(torch.load('f.pth')['{key}'], 'g.pth')")
        }
        _ => format!(
            "torch.save({{k: v for k, v in torch.load('f.pth').items() if '{prefix}' in k}}, 'g.pth')"
        ),
    }
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
