//! PyTorch's files until version 1.5: five pickles, then the storages, each after the number of its
//! elements.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use super::inspection::{Inspection, Storage};
use super::{invalid, parsed};
use crate::weights::CheckpointError;
use crate::weights::containers::pickle::Pickle;

/// The number that every such file begins with, as protocols 2 and later write it.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The same number in the decimal digits of the protocols 0 and 1.
const MAGIC_DIGITS: &[u8] = b"119547037146038801333356";
/// Each protocol frames the number differently, in fewer bytes than these.
const SEARCHED: usize = 64;

/// Whether a file that begins with `start` is such a file.
pub(super) fn recognises(start: &[u8]) -> bool {
    let start = &start[..start.len().min(SEARCHED)];
    let has = |magic: &[u8]| start.windows(magic.len()).any(|bytes| bytes == magic);
    has(&MAGIC) || has(MAGIC_DIGITS)
}

/// Checks a file, and returns the pickle of its tensors.
///
/// # Errors
/// If it is something else than a checkpoint, or disagrees with itself.
pub(super) fn inspected(
    path: &Path,
    file: &mut BufReader<File>,
) -> Result<Pickle, CheckpointError> {
    let read = |error| CheckpointError::Read(path.to_owned(), error);
    // The magic number, the version of the format, and what kind of machine wrote it.
    for _ in 0..3 {
        parsed(path, file)?;
    }
    let pickle = parsed(path, file)?;
    let inspection = Inspection { path, pickle: &pickle };
    inspection.of_checkpoint()?;
    let keys = parsed(path, file)?;
    let keys = keys.sequence(keys.root()).unwrap_or_default().iter().map(|key| keys.text(*key));
    let storages = inspection.storages()?;
    let storages: BTreeMap<&str, &Storage> =
        storages.iter().map(|storage| (storage.key.as_str(), storage)).collect();

    let length = file.get_ref().metadata().map_err(read)?.len();
    let mut end = file.stream_position().map_err(read)?;
    let mut found = 0;
    for key in keys {
        let storage = key.as_deref().and_then(|key| storages.get(key));
        let storage = storage.ok_or_else(|| invalid(path, &"it has a storage without a tensor"))?;
        let mut elements = [0; 8];
        file.read_exact(&mut elements)
            .map_err(|_| invalid(path, &"it ends before its last storage"))?;
        let elements = u64::from_le_bytes(elements);
        if elements != storage.elements {
            let (key, declared) = (&storage.key, storage.elements);
            let reason = format!("its storage `{key}` has {elements} values, not {declared}");
            return Err(invalid(path, &reason));
        }
        end = end.saturating_add(8).saturating_add(storage.bytes);
        let skipped = i64::try_from(storage.bytes).ok().filter(|_| end <= length);
        let skipped = skipped.ok_or_else(|| invalid(path, &"it ends before its last storage"))?;
        file.seek_relative(skipped).map_err(read)?;
        found += 1;
    }
    match found == storages.len() {
        true => Ok(pickle),
        false => Err(invalid(path, &"one of its storages is missing")),
    }
}
