//! Backbone and head as one file of Burn's own format.

use burn::store::burn_pack;
use burn::tensor::DType;

use super::numbers::{bytes, values};
use super::{ExportError, Parts, Precision};
use crate::backbone::Tensors;

/// The whole network as the bytes of a burnpack file: tensors with the names of the modules' own fields and
/// with Burn's layouts, the head's under `fc`. [`BurnpackStore`](burn::store::BurnpackStore) loads it into
/// any module with these fields, such as [`ResNet`](crate::backbone::ResNet) and [`Head`](crate::head::Head). Its metadata are the
/// [`Description`](crate::weights::Description)'s entries. The same network gives the same bytes.
///
/// # Errors
/// Where the device does not give the values back, or the precision cannot hold them.
pub fn burnpack(parts: Parts, precision: Precision) -> Result<Vec<u8>, ExportError> {
    let dtype = match precision {
        Precision::Full => DType::F32,
        Precision::Half => DType::F16,
    };
    let mut tensors = Vec::new();
    for tensor in parts.backbone.burn_tensors().into_iter().chain(parts.head.burn_tensors()) {
        let bytes = bytes(&tensor.name, &values(&tensor)?, precision)?;
        // Parameters' ids are drawn anew for each module: they would make every file another one.
        let (bytes, id) = (burn_pack::Bytes::from_bytes_vec(bytes), None);
        tensors.push(burn_pack::Tensor::new(tensor.name, dtype, tensor.shape, id, bytes));
    }
    let writer = burn_pack::Writer::new(tensors).with_metadata("format", "burnpack");
    let writer = parts
        .description
        .entries()
        .iter()
        .fold(writer, |writer, (key, value)| writer.with_metadata(key, value));
    Ok(writer.into_bytes().map_err(ExportError::Burnpack)?.to_vec())
}
