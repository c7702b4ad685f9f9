//! Exports backbone and head to one file in Burn's own format, burnpack.

use burn::store::burn_pack;
use burn::tensor::DType;

use super::numbers::{bytes, values};
use super::{ExportError, Parts, Precision};
use crate::backbone::Tensors;

/// Returns the whole network as the bytes of a burnpack file.
///
/// Tensors are named after the modules' fields and have Burn's layouts; the head's are under `fc`.
/// [`BurnpackStore`](burn::store::BurnpackStore) loads the file into any module with these fields,
/// such as [`ResNet`](crate::backbone::architectures::ResNet) and [`Head`](crate::head::Head). The
/// metadata are the entries of the [`Description`](crate::weights::Description). The same network
/// always gives the same bytes.
///
/// # Errors
/// If the values cannot be read from the device, or the precision cannot represent them.
pub fn burnpack(parts: Parts, precision: Precision) -> Result<Vec<u8>, ExportError> {
    let dtype = match precision {
        Precision::Full => DType::F32,
        Precision::Half => DType::F16,
    };
    let mut tensors = Vec::new();
    for tensor in parts.backbone.burn_tensors().into_iter().chain(parts.head.burn_tensors()) {
        let bytes = bytes(&tensor.name, &values(&tensor)?, precision)?;
        // No parameter id: Burn draws a new one for each module, so files would differ each time.
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
