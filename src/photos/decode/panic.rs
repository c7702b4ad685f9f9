//! Panics of decoders, which read arbitrary bytes, become errors and print nothing.

use super::DecodeError;
use crate::panics;

/// Runs a decoder. If it panics, the panic hook of the program is not called for it.
pub(super) fn caught<T>(decode: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    panics::caught(decode).unwrap_or(Err(DecodeError::Panic))
}
