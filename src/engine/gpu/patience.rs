//! How long a driver may take for an answer before it counts as hung.

use std::time::Duration;

use crate::device::Kind;
use crate::engine::EngineError;

/// The environment's variable with a number of seconds.
const TIMEOUT: &str = "KINDLING_GPU_TIMEOUT";

/// The first answer may take this many times as long, because every kernel is compiled.
pub(super) const COMPILING: u32 = 5;

/// How long a driver for hardware of this kind may take for a batch: `KINDLING_GPU_TIMEOUT`
/// seconds, or two minutes on a GPU, which takes seconds, and twenty on the processor, which takes
/// minutes.
///
/// # Errors
/// If the variable is not a number of seconds.
pub fn patience(kind: Kind) -> Result<Duration, EngineError> {
    let usual = if kind.is_gpu() { 120 } else { 1200 };
    let seconds = match std::env::var_os(TIMEOUT) {
        None => usual,
        Some(text) => seconds(&text.to_string_lossy())?,
    };
    Ok(Duration::from_secs(seconds))
}

/// How long a driver for hardware of this kind may take for its first answer, for which it compiles
/// every kernel: five times as long as for others.
///
/// # Errors
/// If `KINDLING_GPU_TIMEOUT` is not a number of seconds.
pub fn first_patience(kind: Kind) -> Result<Duration, EngineError> {
    Ok(COMPILING * patience(kind)?)
}

fn seconds(text: &str) -> Result<u64, EngineError> {
    // A week, so that no multiple overflows.
    match text.trim().parse() {
        Ok(seconds @ 1..=604_800) => Ok(seconds),
        _ => Err(EngineError::Timeout(text.chars().take(40).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_a_whole_number_of_seconds_from_one_to_a_week() {
        assert_eq!(seconds("300").unwrap(), 300);
        for text in ["", "0", "-1", "1.5", "soon", "604801", "99999999999999999999"] {
            assert!(matches!(seconds(text), Err(EngineError::Timeout(_))), "{text}");
        }
    }
}
