//! Exports backbone and head to one safetensors file, with the tensor names of the backbone's
//! published weights.

use std::iter;

use ::safetensors::Dtype;
use burn::store::burn_pack;

use super::numbers::{bytes, values};
use super::{ExportError, Parts, Precision};
use crate::backbone::Tensors;
use crate::weights::safetensors_header;

/// Returns the whole network as the bytes of a safetensors file.
///
/// A ResNet loads in PyTorch with
/// `torchvision.models.resnet18(num_classes=N).load_state_dict(load_file(...), strict=True)`. The
/// metadata are the entries of the [`Description`](crate::weights::Description). The same network
/// always gives the same bytes.
///
/// # Errors
/// If the values cannot be read from the device, or the precision cannot represent them.
pub fn safetensors(parts: Parts, precision: Precision) -> Result<Vec<u8>, ExportError> {
    let Pieces { bytes, pieces } = laid_out(parts, precision);
    // Grown step by step, it would be in memory twice.
    let mut file = Vec::with_capacity(bytes);
    for piece in pieces {
        file.extend(piece?);
    }
    Ok(file)
}

/// The bytes of [`safetensors()`] in pieces: the header, then each tensor.
pub fn safetensors_pieces(
    parts: Parts,
    precision: Precision,
) -> impl Iterator<Item = Result<Vec<u8>, ExportError>> + Send + use<> {
    laid_out(parts, precision).pieces
}

/// A file in pieces.
struct Pieces<I> {
    /// The size of the file.
    bytes: usize,
    pieces: I,
}

fn laid_out(
    parts: Parts,
    precision: Precision,
) -> Pieces<impl Iterator<Item = Result<Vec<u8>, ExportError>> + Send + use<>> {
    let naming = parts.backbone.architecture().naming();
    let dtype = match precision {
        Precision::Full => Dtype::F32,
        Precision::Half => Dtype::F16,
    };
    let mut tensors: Vec<_> = parts
        .backbone
        .tensors()
        .into_iter()
        .chain(parts.head.tensors())
        .map(|tensor| (naming.published(&tensor.name), tensor))
        .collect();
    tensors.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut metadata = parts.description.entries();
    // Hugging Face's loaders require this entry.
    metadata.insert("format".to_owned(), "pt".to_owned());
    let named: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), dtype, tensor.shape.to_vec()))
        .collect();
    let header = safetensors_header(&named, &metadata);
    let values_in_all: usize =
        named.iter().map(|(_, _, shape)| shape.iter().product::<usize>()).sum();
    let file_bytes = header.len() + values_in_all * dtype.bitsize() / 8;
    let piece = move |(name, tensor): (String, burn_pack::Tensor)| {
        bytes(&name, &values(&tensor)?, precision)
    };
    let pieces = iter::once(Ok(header)).chain(tensors.into_iter().map(piece));
    Pieces { bytes: file_bytes, pieces }
}
