//! safetensors files. The header is read at once; a tensor's values are read when they are needed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::store::burn_pack;
use burn::tensor::DType;
use safetensors::tensor::Metadata;
use safetensors::{SafeTensorError, SafeTensors};

use super::{Container, Content};
use crate::regular_file;
use crate::weights::{CheckpointError, ClassNames};

/// The length of a JSON header, the header, and the tensors' data.
pub(super) struct Safetensors;

/// Bytes of the header's length.
const LENGTH: usize = 8;

impl Container for Safetensors {
    fn recognises(&self, start: &[u8]) -> bool {
        // The length of the header has eight bytes, and no header has 2^40.
        start.get(8) == Some(&b'{') && start[5..8] == [0; 3]
    }

    fn read(&self, path: &Path, _: &[u8]) -> Result<Content, CheckpointError> {
        let cannot_read = |error| CheckpointError::Read(path.to_owned(), error);
        let (mut file, length) = regular_file::open(path).map_err(cannot_read)?;
        let head = head(&mut file, length).map_err(cannot_read)?;
        content(path, &head, length, &Source::File(Arc::new(Mutex::new(file))))
    }
}

/// The header with its length, as far as the file of `length` bytes has them.
fn head(file: &mut File, length: u64) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.take(LENGTH as u64).read_to_end(&mut head)?;
    let claimed = head.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    file.take(claimed.min(length)).read_to_end(&mut head)?;
    Ok(head)
}

/// Opens a file, and returns it with its checked header and the place where its data begin.
///
/// # Errors
/// If it cannot be read, or is not a valid safetensors file.
pub(crate) fn open_safetensors(path: &Path) -> io::Result<(File, u64, Metadata)> {
    let (mut file, length) = regular_file::open(path)?;
    let head = head(&mut file, length)?;
    let (data, metadata) =
        header(&head, length).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok((file, data as u64, metadata))
}

/// Where the bytes of a file are.
#[derive(Clone)]
pub(in crate::weights) enum Source {
    File(Arc<Mutex<File>>),
    Memory(Arc<[u8]>),
    BuiltIn(&'static [u8]),
}

impl Source {
    /// Reads the bytes in `range` into `into`, which is as long.
    fn read(&self, range: Range<usize>, into: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => into.copy_from_slice(&bytes[range]),
            Self::BuiltIn(bytes) => into.copy_from_slice(&bytes[range]),
            Self::File(file) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(range.start as u64))?;
                file.read_exact(into)?;
            }
        }
        Ok(())
    }

    /// The values in `range`, of type `dtype`.
    fn values(&self, range: Range<usize>, dtype: DType) -> io::Result<burn_pack::Bytes> {
        // Engines take f32 as they are, if they lie where f32 may lie.
        if dtype == DType::F32 {
            let mut values = vec![0.0_f32; range.len() / size_of::<f32>()];
            self.read(range, bytemuck::cast_slice_mut(&mut values))?;
            return Ok(burn_pack::Bytes::from_elems(values));
        }
        let mut bytes = vec![0; range.len()];
        self.read(range, &mut bytes)?;
        Ok(burn_pack::Bytes::from_bytes_vec(bytes))
    }

    /// A safetensors file that is in memory; `path` is for error messages.
    ///
    /// # Errors
    /// If it is not a valid safetensors file.
    pub(in crate::weights) fn content(self, path: &Path) -> Result<Content, CheckpointError> {
        let bytes: &[u8] = match &self {
            Self::Memory(bytes) => bytes,
            Self::BuiltIn(bytes) => bytes,
            Self::File(_) => &[],
        };
        content(path, bytes, bytes.len() as u64, &self)
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

/// The checked header of a file of `length` bytes that begins with `head`, and where the data
/// begin.
fn header(head: &[u8], length: u64) -> Result<(usize, Metadata), SafeTensorError> {
    let length = usize::try_from(length).map_err(|_| SafeTensorError::ValidationOverflow)?;
    let (size, metadata) = if head.len() >= length {
        SafeTensors::read_metadata(head)?
    } else {
        // It checks the header against the length of what it gets, and reads no data: pages of
        // zeros, which the system provides when they are read.
        let mut file = bytemuck::zeroed_vec(length);
        file[..head.len()].copy_from_slice(head);
        SafeTensors::read_metadata(&file)?
    };
    Ok((LENGTH + size, metadata))
}

/// The content of a safetensors file of `length` bytes that begins with `head`; `path` is for error
/// messages.
fn content(
    path: &Path,
    head: &[u8],
    length: u64,
    source: &Source,
) -> Result<Content, CheckpointError> {
    let (data, header) = header(head, length)
        .map_err(|error| CheckpointError::Safetensors(path.to_owned(), error))?;
    let metadata: BTreeMap<String, String> =
        header.metadata().clone().unwrap_or_default().into_iter().collect();
    let mut tensors = BTreeMap::new();
    for (name, info) in header.tensors() {
        use safetensors::Dtype;
        let dtype = match info.dtype {
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
        let (start, end) = info.data_offsets;
        let (source, range) = (source.clone(), data + start..data + end);
        let tensor = burn_pack::Tensor::deferred(
            name.clone(),
            dtype,
            info.shape.clone(),
            None,
            range.len(),
            move || {
                source
                    .values(range.clone(), dtype)
                    .map_err(|error| burn_pack::Error::IoError(error.to_string()))
            },
        );
        tensors.insert(name, tensor);
    }
    let class_names = class_names(&metadata);
    Ok(Content { tensors, metadata, class_names, ..Content::default() })
}
