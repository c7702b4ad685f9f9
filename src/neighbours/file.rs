//! The file of a run that holds its neighbours: `neighbours.safetensors`.
//!
//! One tensor, `features`, f16 `[photos, width]`, and metadata: the number of nearest photos, the
//! threshold, the digest of the model that the file belongs to, and a digest of all of that.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use half::f16;
use safetensors::{Dtype, SafeTensors};

use super::{KEPT_VALUES, Neighbours};
use crate::head::Head;
use crate::printable::{PathText, hexadecimal};
use crate::regular_file;
use crate::sha256::Sha256;
use crate::weights::safetensors_header;

/// Name of the tensor.
const FEATURES: &str = "features";
/// Key of the number of nearest photos that are averaged.
const NEAREST: &str = "nearest";
/// Key of the threshold.
const THRESHOLD: &str = "stranger_threshold";
/// Key of the digest of the model.
const MODEL: &str = "model_sha256";
/// Key of the digest of the content.
const CONTENT: &str = "content_sha256";
/// The longest file that is read: the values, and their description.
const LIMIT: u64 = 2 * KEPT_VALUES as u64 + (1 << 20);

/// Why the neighbours of a run cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NeighboursError {
    /// The file cannot be read.
    #[error("`{}` cannot be read: {error}", .file.shown())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The file is not what was written.
    #[error("`{}` is damaged ({reason}): train again, or delete it", .file.shown())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file belongs to another model.
    #[error("`{}` belongs to another model: train again, or delete it", .0.shown())]
    OtherModel(PathBuf),
    /// The rows have another width than the model's features.
    #[error(
        "`{}` holds rows of {found} features, but the model computes {expected}: train again, or delete it",
        .file.shown()
    )]
    Width {
        /// The file.
        file: PathBuf,
        /// Width of its rows.
        found: usize,
        /// Number of features of the model.
        expected: usize,
    },
}

/// Identifies the model of a run: the SHA-256 of its last layer, which differs whenever the
/// photos, the backbone or the options differ.
pub fn model_digest(head: &Head) -> String {
    let mut digest = Sha256::new();
    for values in [head.weight(), head.bias()] {
        let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        digest.update(bytes);
    }
    hexadecimal(&digest.finalize())
}

impl Neighbours {
    /// The neighbours as the bytes of a safetensors file, for the model with this
    /// [digest](model_digest).
    pub fn to_bytes(&self, model: &str) -> Vec<u8> {
        let data: Vec<u8> = self.rows.iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut metadata = BTreeMap::from([
            (NEAREST.to_owned(), self.nearest.to_string()),
            (THRESHOLD.to_owned(), self.threshold.to_string()),
            (MODEL.to_owned(), model.to_owned()),
        ]);
        let digest = content_digest(&metadata, self.width, &data);
        metadata.insert(CONTENT.to_owned(), digest);
        let shape = vec![self.photos(), self.width];
        let mut file = safetensors_header(&[(FEATURES, Dtype::F16, shape)], &metadata);
        file.extend(data);
        file
    }

    /// Reads the neighbours of the model with this [digest](model_digest) and `width` features.
    /// Returns `None` if there is no file.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or belongs to another model.
    pub fn read(file: &Path, model: &str, width: usize) -> Result<Option<Self>, NeighboursError> {
        let bytes = match regular_file::read(file, LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(NeighboursError::Read { file: file.to_owned(), error }),
        };
        let damaged = |reason: &str| NeighboursError::Damaged {
            file: file.to_owned(),
            reason: reason.to_owned(),
        };
        let no_safetensors = |_| damaged("it is not a safetensors file");
        let tensors = SafeTensors::deserialize(&bytes).map_err(no_safetensors)?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(no_safetensors)?;
        let mut metadata: BTreeMap<String, String> =
            header.metadata().clone().unwrap_or_default().into_iter().collect();
        let features = tensors.tensor(FEATURES).map_err(|_| damaged("it has no features"))?;
        let (photos, found) = match (features.dtype(), features.shape()) {
            (Dtype::F16, &[photos, width]) if tensors.len() == 1 => (photos, width),
            _ => return Err(damaged("its features are not one table in f16")),
        };
        let content = metadata.remove(CONTENT);
        if content != Some(content_digest(&metadata, found, features.data())) {
            return Err(damaged("its content does not match its digest"));
        }
        if metadata.get(MODEL).map(String::as_str) != Some(model) {
            return Err(NeighboursError::OtherModel(file.to_owned()));
        }
        if found != width {
            return Err(NeighboursError::Width { file: file.to_owned(), found, expected: width });
        }
        let nearest = metadata.get(NEAREST).and_then(|text| text.parse().ok());
        let nearest = nearest.filter(|nearest| (1..photos).contains(nearest));
        let threshold = metadata.get(THRESHOLD).and_then(|text| text.parse::<f64>().ok());
        let threshold = threshold.filter(|threshold| threshold.is_finite());
        let (Some(nearest), Some(threshold)) = (nearest, threshold) else {
            return Err(damaged("its threshold or number of neighbours is not usable"));
        };
        let values = features.data().chunks_exact(2);
        let rows: Vec<f16> = values.map(|bytes| f16::from_le_bytes([bytes[0], bytes[1]])).collect();
        if !rows.iter().all(|value| value.is_finite()) {
            return Err(damaged("it holds NaN or infinite values"));
        }
        Ok(Some(Self { width, rows, nearest, threshold, tensor: OnceLock::new() }))
    }
}

/// The SHA-256 of the metadata, the width and the values.
fn content_digest(metadata: &BTreeMap<String, String>, width: usize, data: &[u8]) -> String {
    let mut digest = Sha256::new();
    for (key, value) in metadata {
        digest.update(format!("{key}={value}\n"));
    }
    digest.update(format!("width={width}\n"));
    digest.update(data);
    hexadecimal(&digest.finalize())
}
