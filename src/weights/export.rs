//! Backbone and head as one safetensors file, with the names that the backbone's published files have.

use std::collections::HashMap;

use burn::store::{bridge, burn_pack};
use burn::tensor::DType;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, TensorView};

use crate::backbone::{Backbone, Tensors};
use crate::head::Head;

/// Why the network could not be written down.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The device did not give the values back.
    #[error("the values of `{name}` could not be read from the device")]
    Device {
        /// The tensor.
        name: String,
        /// What the device said.
        #[source]
        source: burn_pack::Error,
    },
    /// The container could not be made.
    #[error("the safetensors file could not be made")]
    Safetensors(#[from] SafeTensorError),
}

/// The whole network as the bytes of a safetensors file, f32, so that for a ResNet
/// `torchvision.models.resnet18(num_classes=N).load_state_dict(load_file(...), strict=True)` takes it.
///
/// # Errors
/// Where the device does not give the values back.
pub fn safetensors(backbone: &Backbone, head: &Head) -> Result<Vec<u8>, ExportError> {
    let naming = backbone.architecture().naming();
    let mut values = Vec::new();
    for tensor in backbone.tensors().into_iter().chain(head.tensors()) {
        let data = bridge::to_data(&tensor)
            .map_err(|source| ExportError::Device { name: tensor.name.clone(), source })?
            .convert_dtype(DType::F32);
        values.push((naming.published(&tensor.name), data));
    }
    let views = values
        .iter()
        .map(|(name, data)| {
            Ok((name, TensorView::new(Dtype::F32, data.shape().to_vec(), data.as_bytes())?))
        })
        .collect::<Result<Vec<_>, SafeTensorError>>()?;
    // What Hugging Face's loaders look for.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    Ok(safetensors::serialize(views, Some(metadata))?)
}
