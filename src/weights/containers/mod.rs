//! The containers that weights files come in, one file each, recognised by their first bytes.

mod burnpack;
mod pickle;
mod pytorch;
mod safetensors;

use std::collections::BTreeMap;
use std::path::Path;

use burn::store::burn_pack;

use super::{CheckpointError, ClassNames};
use burnpack::Burnpack;
use pytorch::Pytorch;
use safetensors::Safetensors;
pub(super) use safetensors::Source;
pub(crate) use safetensors::open_safetensors;

/// The content of a weights file.
#[derive(Default)]
pub(super) struct Content {
    /// The tensors by name, those of nested dictionaries with the dictionaries' keys before them.
    pub(super) tensors: BTreeMap<String, burn_pack::Tensor>,
    /// Texts by name, if the format has them.
    pub(super) metadata: BTreeMap<String, String>,
    /// Lists of class names, if the format has them beside the metadata.
    pub(super) class_names: Vec<ClassNames>,
    /// The keys of the dictionaries that tensors may be nested in.
    pub(super) dictionaries: Vec<String>,
}

/// A file format.
pub(super) trait Container {
    /// Whether a file that begins with `start` has this format.
    fn recognises(&self, start: &[u8]) -> bool;

    /// Reads the file `path`, which begins with `start`.
    ///
    /// # Errors
    /// If it cannot be read, or is not a valid file of this format.
    fn read(&self, path: &Path, start: &[u8]) -> Result<Content, CheckpointError>;
}

/// The formats, in the order in which they are tried.
const CONTAINERS: [&dyn Container; 3] = [&Pytorch, &Burnpack, &Safetensors];

/// How many bytes of a file [`recognised`] needs: a tar archive's magic number ends at 262.
pub(super) const START: u64 = 512;

/// The format of a file that begins with `start`.
pub(super) fn recognised(start: &[u8]) -> Option<&'static dyn Container> {
    CONTAINERS.into_iter().find(|container| container.recognises(start))
}
