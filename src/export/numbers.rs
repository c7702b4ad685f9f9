//! Converts tensor values to little-endian bytes, in full or half precision.

use burn::store::burn_pack;
use half::f16;

use super::{ExportError, Precision};
use crate::plan;

/// Reads the values of a tensor from its device.
pub(super) fn values(tensor: &burn_pack::Tensor) -> Result<Vec<f32>, ExportError> {
    plan::values(tensor).map_err(|source| ExportError::Device { name: tensor.name.clone(), source })
}

/// Encodes `values`; errors refer to the tensor as `name`.
pub(super) fn bytes(
    name: &str,
    values: &[f32],
    precision: Precision,
) -> Result<Vec<u8>, ExportError> {
    if !values.iter().all(|value| value.is_finite()) {
        return Err(ExportError::NotFinite { name: name.to_owned() });
    }
    match precision {
        Precision::Full if cfg!(target_endian = "little") => {
            Ok(bytemuck::cast_slice(values).to_vec())
        }
        Precision::Full => Ok(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Precision::Half => {
            let mut bytes = Vec::with_capacity(2 * values.len());
            for value in values {
                let half = f16::from_f32(*value);
                if !half.is_finite() {
                    return Err(ExportError::HalfRange { name: name.to_owned(), value: *value });
                }
                bytes.extend(half.to_le_bytes());
            }
            Ok(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_half_precision_cannot_hold_names_its_tensor() {
        // 65520 is halfway between f16's largest value, 65504, and the next power of two, 65536,
        // and rounds to infinity.
        assert!(bytes("fc.bias", &[65519.9, -65519.9], Precision::Half).is_ok());
        for value in [65520.0, -1e6] {
            let error = bytes("fc.bias", &[0.0, value], Precision::Half).unwrap_err();
            assert!(matches!(error, ExportError::HalfRange { .. }));
            assert!(error.to_string().starts_with(&format!("`fc.bias` holds {value},")), "{error}");
        }
        assert!(bytes("fc.bias", &[1e6], Precision::Full).is_ok());
        for precision in [Precision::Full, Precision::Half] {
            let error = bytes("fc.bias", &[f32::INFINITY], precision).unwrap_err();
            assert!(matches!(error, ExportError::NotFinite { .. }));
        }
    }
}
