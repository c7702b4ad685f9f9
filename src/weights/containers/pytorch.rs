//! Files that `torch.save` wrote. Nothing in a pickle is executed: it is parsed as data.

use std::collections::BTreeMap;
use std::path::Path;

use burn::store::{bridge, pytorch_reader::PytorchReader};

use super::{Container, Content};
use crate::weights::CheckpointError;

/// PyTorch's three containers: a zip archive, a bare pickle, a tar archive.
pub(super) struct Pytorch;

/// Keys under which training scripts nest a state dict.
const NESTED_UNDER: [&str; 3] = ["state_dict", "model", "model_state_dict"];

impl Container for Pytorch {
    fn recognises(&self, start: &[u8]) -> bool {
        let is_zip = start.starts_with(b"PK\x03\x04");
        // Protocol 2 or later. The length at the start of a safetensors file may begin with the
        // same byte, but then `{` follows the length.
        let is_pickle = start.starts_with(&[0x80]) && start.get(8) != Some(&b'{');
        let is_tar = start.get(257..262) == Some(b"ustar".as_slice());
        is_zip || is_pickle || is_tar
    }

    fn read(&self, path: &Path) -> Result<Content, CheckpointError> {
        let invalid = |error| CheckpointError::Pytorch(path.to_owned(), Box::new(error));
        let mut reader = PytorchReader::new(path).map_err(invalid)?;
        let is_under = |name: &str, key: &str| {
            name.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'))
        };
        let nested = NESTED_UNDER
            .into_iter()
            .find(|key| reader.keys().iter().any(|name| is_under(name, key)));
        if let Some(key) = nested {
            reader = PytorchReader::with_top_level_key(path, key).map_err(invalid)?;
        }
        let tensors = reader.into_tensors().into_iter();
        let tensors = tensors.map(|(name, tensor)| (name, bridge::from_pytorch(tensor))).collect();
        Ok(Content { tensors, metadata: BTreeMap::new() })
    }
}
