//! Published limits of adapters, to see how Kindling behaves on one that is not there.
//!
//! With `KINDLING_ADAPTER_LIMITS=apple-m1` every wgpu adapter of the machine is opened with the
//! limits of an Apple M1, as far as they are lower than its own. wgpu then refuses whatever an M1
//! would refuse.

mod table;

use super::DeviceError;
use crate::kernels::Limits;

pub use table::PUBLISHED;

/// The environment variable that names the limits to apply.
pub const VARIABLE: &str = "KINDLING_ADAPTER_LIMITS";

/// The published limits of an adapter, or of every adapter with an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedLimits {
    /// The value of `KINDLING_ADAPTER_LIMITS`.
    pub name: &'static str,
    /// The adapters that it stands for.
    pub adapters: &'static str,
    /// Limits of a kernel.
    pub limits: Limits,
    /// Bytes of the largest buffer.
    pub largest_buffer: u64,
    /// Alignment in bytes of a part of a buffer that a kernel reads or writes.
    pub alignment: u32,
    /// Smallest and largest number of units in a sub-group. No kernel of Kindling's uses them.
    pub subgroup: [u32; 2],
    /// Whether shaders compute in 16 bits.
    pub f16: bool,
    /// Where the numbers were published.
    pub source: &'static str,
}

impl PublishedLimits {
    /// The limits of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PUBLISHED.iter().find(|limits| limits.name == name)
    }

    /// The limits that `KINDLING_ADAPTER_LIMITS` names. `None` if the variable is not set or empty.
    ///
    /// # Errors
    /// If there are no limits of that name.
    pub fn asked() -> Result<Option<&'static Self>, DeviceError> {
        match std::env::var(VARIABLE) {
            Err(std::env::VarError::NotPresent) => Ok(None),
            Ok(name) if name.is_empty() => Ok(None),
            Ok(name) => Self::named(&name).map(Some).ok_or(DeviceError::UnknownLimits { name }),
            Err(std::env::VarError::NotUnicode(name)) => {
                Err(DeviceError::UnknownLimits { name: name.to_string_lossy().into_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once_and_every_row_has_a_source() {
        for limits in PUBLISHED {
            assert_eq!(PublishedLimits::named(limits.name), Some(limits), "{}", limits.name);
            assert!(limits.source.contains("http"), "{}", limits.name);
            assert!(limits.subgroup[0] <= limits.subgroup[1], "{}", limits.name);
            assert!(limits.limits.buffer_bytes <= limits.largest_buffer, "{}", limits.name);
            assert!(limits.alignment.is_power_of_two(), "{}", limits.name);
        }
        assert_eq!(PublishedLimits::named("apple"), None);
    }
}
