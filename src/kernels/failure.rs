//! Device errors: a one-line message, and whether memory ran out.

use cubecl::server::{IoError, ServerError};

/// The root cause of `error` on one line, without its backtrace.
pub fn reason(error: &ServerError) -> String {
    match error {
        ServerError::Unwritten { root, .. } => reason(root),
        ServerError::Several { errors, .. } if !errors.is_empty() => reason(&errors[0]),
        ServerError::DevicePoisoned(lost) => {
            // wgpu gives no reason of its own (`Unknown`), and its error.
            let error = lost.reason.strip_prefix("Unknown: ").unwrap_or(&lost.reason);
            format!("its driver lost it ({error})")
        }
        _ => {
            let text = error.to_string();
            let message = text.split("Backtrace").next().unwrap_or(&text);
            let message = message.split("\n   0:").next().unwrap_or(message);
            message.split_whitespace().collect::<Vec<_>>().join(" ")
        }
    }
}

/// Whether `error` means that the device ran out of memory. wgpu does not report the failed
/// allocation itself; the buffer is then missing when it is used, which is `NotFound`.
pub fn is_out_of_memory(error: &ServerError) -> bool {
    match error {
        ServerError::Io(
            IoError::OutOfMemory { .. } | IoError::BufferTooBig { .. } | IoError::NotFound { .. },
        ) => true,
        ServerError::Unwritten { root, .. } => is_out_of_memory(root),
        ServerError::Several { errors, .. } => errors.iter().any(is_out_of_memory),
        _ => false,
    }
}
