//! What a device's errors say.

use cubecl::server::{IoError, ServerError};

/// The reason at the root of an error, in one line, without the traces that follow.
pub fn reason(error: &ServerError) -> String {
    match error {
        ServerError::Unwritten { root, .. } => reason(root),
        ServerError::Several { errors, .. } if !errors.is_empty() => reason(&errors[0]),
        _ => {
            let text = error.to_string();
            let told = text.split("Backtrace").next().unwrap_or(&text);
            let told = told.split("\n   0:").next().unwrap_or(told);
            told.split_whitespace().collect::<Vec<_>>().join(" ")
        }
    }
}

/// Whether the device's memory was full. wgpu gives no error for that where it happens: the memory is then not there when
/// it is asked for.
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
