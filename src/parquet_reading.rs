//! Reads Parquet files that may be damaged.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::errors::{ParquetError, Result};

/// Runs a reader of a Parquet file, which does not promise to return an error for every damaged
/// file.
///
/// # Errors
/// If it returns an error or panics.
pub(crate) fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    let read = catch_unwind(AssertUnwindSafe(read));
    read.unwrap_or_else(|_| Err(ParquetError::General("it is damaged".into())))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn damage_is_an_error() {
        let name: HashMap<&str, usize> = HashMap::new();
        assert!(guarded(|| Ok(name["absent"])).is_err());
    }
}
