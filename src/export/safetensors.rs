//! Backbone and head as one safetensors file, with the names that the backbone's published files have.

use ::safetensors::Dtype;

use super::numbers::{bytes, values};
use super::{ExportError, Parts, Precision};
use crate::backbone::Tensors;
use crate::weights::safetensors_header;

/// The whole network as the bytes of a safetensors file, so that for a ResNet
/// `torchvision.models.resnet18(num_classes=N).load_state_dict(load_file(...), strict=True)` takes it.
/// Its metadata are the [`Description`](crate::weights::Description)'s entries. The same network gives the same bytes.
///
/// # Errors
/// Where the device does not give the values back, or the precision cannot hold them.
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
    // What Hugging Face's loaders look for.
    metadata.insert("format".to_owned(), "pt".to_owned());
    let named: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), dtype, tensor.shape.to_vec()))
        .collect();
    let mut file = safetensors_header(&named, &metadata);
    for (name, tensor) in &tensors {
        file.extend(bytes(name, &values(tensor)?, precision)?);
    }
    Ok(file)
}
