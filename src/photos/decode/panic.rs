//! Panics of decoders, which read arbitrary bytes, become errors and print nothing.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::DecodeError;

thread_local! {
    /// Whether this thread runs a decoder.
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder. If it panics, the panic hook of the program is not called for it.
pub(super) fn caught<T>(decode: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !DECODING.get() {
                previous(info);
            }
        }));
    });
    let outer = DECODING.replace(true);
    let decoded = panic::catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(outer);
    decoded.unwrap_or(Err(DecodeError::Panic))
}
