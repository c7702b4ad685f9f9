//! Files that `torch.save` wrote. Nothing in a pickle is executed: it is parsed as data.
//!
//! A file is inspected first: its kind, its storages against what the pickle declares, and the
//! sizes of its tensors. Only then are the tensors read.

mod archive;
mod inspection;
mod legacy;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use burn::store::{bridge, pytorch_reader::PytorchReader};

use super::pickle::{Pickle, PickleError};
use super::{Container, Content};
use crate::printable::shortened;
use crate::weights::{CheckpointError, Foreign};
use inspection::Inspection;

/// PyTorch's three containers: a zip archive, a bare pickle, a tar archive.
pub(super) struct Pytorch;

/// The most characters of a reader's error that a message repeats.
const REASON: usize = 160;

impl Container for Pytorch {
    fn recognises(&self, start: &[u8]) -> bool {
        // Protocol 2 or later. The length at the start of a safetensors file may begin with the
        // same byte, but then `{` follows the length.
        let is_pickle = start.starts_with(&[0x80]) && start.get(8) != Some(&b'{');
        is_zip(start) || is_pickle || is_tar(start) || legacy::recognises(start)
    }

    fn read(&self, path: &Path, start: &[u8]) -> Result<Content, CheckpointError> {
        let pickle = inspected(path, start)?;
        let reader = PytorchReader::new(path).map_err(|error| match is_tar(start) {
            true => {
                let kind = Foreign::new("a tar archive without PyTorch's tensors", "unpack it");
                CheckpointError::Foreign { path: path.to_owned(), kind }
            }
            false => invalid(path, &error),
        })?;
        let tensors = reader.into_tensors().into_iter();
        let tensors = tensors.map(|(name, tensor)| (name, bridge::from_pytorch(tensor))).collect();
        let class_names = pickle.as_ref().map(Pickle::class_names).unwrap_or_default();
        let dictionaries = pickle.as_ref().map(Pickle::dictionaries).unwrap_or_default();
        Ok(Content { tensors, metadata: BTreeMap::new(), class_names, dictionaries })
    }
}

fn is_zip(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04")
}

fn is_tar(start: &[u8]) -> bool {
    start.get(257..262) == Some(b"ustar".as_slice())
}

/// Inspects the file before a tensor is read, and returns its pickle, if it has only one.
fn inspected(path: &Path, start: &[u8]) -> Result<Option<Pickle>, CheckpointError> {
    let read = |error| CheckpointError::Read(path.to_owned(), error);
    if is_tar(start) {
        // From before 2017. Its reader holds the storages to the archive.
        return Ok(None);
    }
    let mut file = BufReader::new(File::open(path).map_err(read)?);
    if is_zip(start) {
        return archive::inspected(path, file).map(Some);
    }
    if legacy::recognises(start) {
        return legacy::inspected(path, &mut file).map(Some);
    }
    let pickle = parsed(path, &mut file)?;
    Err(Inspection { path, pickle: &pickle }.of_plain_pickle())
}

fn parsed(path: &Path, input: &mut impl std::io::BufRead) -> Result<Pickle, CheckpointError> {
    Pickle::parse(input).map_err(|error| match error {
        PickleError::Read(error) => CheckpointError::Read(path.to_owned(), error),
        error => invalid(path, &error),
    })
}

fn invalid(path: &Path, reason: &dyn std::fmt::Display) -> CheckpointError {
    let reason = shortened(&reason.to_string(), REASON);
    CheckpointError::Pytorch { path: path.to_owned(), reason }
}
