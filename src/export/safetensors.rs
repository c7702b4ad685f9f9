//! Exports backbone and head to one safetensors file, with the tensor names of the backbone's
//! published weights.

use ::safetensors::Dtype;

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
    let mut file = safetensors_header(&named, &metadata);
    // Grown step by step, it would be in memory twice.
    let values_in_all: usize =
        named.iter().map(|(_, _, shape)| shape.iter().product::<usize>()).sum();
    file.reserve_exact(values_in_all * dtype.bitsize() / 8);
    for (name, tensor) in &tensors {
        file.extend(bytes(name, &values(tensor)?, precision)?);
    }
    Ok(file)
}
