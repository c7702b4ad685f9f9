//! PyTorch's zip archives: a pickle, `data.pkl`, and a file for each storage.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipResult;

use super::inspection::Inspection;
use super::{invalid, parsed};
use crate::weights::containers::pickle::Pickle;
use crate::weights::{CheckpointError, Foreign};

/// The name of the pickle, in the archive's only folder.
const PICKLE: &str = "data.pkl";

/// Checks an archive, and returns its pickle.
///
/// # Errors
/// If it is something else than a checkpoint, or disagrees with itself.
pub(super) fn inspected(path: &Path, file: BufReader<File>) -> Result<Pickle, CheckpointError> {
    let damaged = |error: &dyn std::fmt::Display| invalid(path, error);
    let foreign = |kind| CheckpointError::Foreign { path: path.to_owned(), kind };
    let mut archive = ZipArchive::new(file).map_err(|error| damaged(&error))?;
    let names: Vec<String> = archive
        .file_names()
        .map(|name| name.map(|name| name.to_string()))
        .collect::<ZipResult<_>>()
        .map_err(|error| damaged(&error))?;
    let root = names
        .iter()
        .filter_map(|name| name.strip_suffix(PICKLE))
        .filter(|root| root.is_empty() || root.ends_with('/'))
        .min_by_key(|root| root.len());
    let Some(root) = root else {
        return Err(foreign(Foreign::zip(names.iter().map(String::as_str))));
    };
    let has = |name: &str| names.iter().any(|found| found.strip_prefix(root) == Some(name));
    let code = format!("{root}code/");
    if has("constants.pkl") || names.iter().any(|name| name.starts_with(&code)) {
        let expression = "torch.jit.load({file}).state_dict()";
        return Err(foreign(Foreign::python("a TorchScript archive", path, expression)));
    }
    let pickle = {
        let entry = archive.by_name(&format!("{root}{PICKLE}")).map_err(|error| damaged(&error))?;
        parsed(path, &mut BufReader::new(entry))?
    };
    let inspection = Inspection { path, pickle: &pickle };
    inspection.of_checkpoint()?;
    for storage in inspection.storages()? {
        let name = format!("{root}data/{}", storage.key);
        let size = match archive.index_for_name(&name) {
            Some(index) => archive.by_index_raw(index).map_err(|error| damaged(&error))?.size(),
            None if storage.bytes == 0 => 0,
            None => return Err(damaged(&format!("its storage `{}` is missing", storage.key))),
        };
        if size != storage.bytes {
            return Err(damaged(&format!(
                "its storage `{}` has {size} bytes instead of {}",
                storage.key, storage.bytes
            )));
        }
    }
    Ok(pickle)
}
