//! A Vulkan layer that makes the faults which drivers make: it stands between a program and the
//! real driver, so that wgpu, CubeCL and Kindling meet each fault exactly as from a driver.
//!
//! The Vulkan loader opens this library if a manifest of the layer [`NAME`] is in one of the
//! folders of `VK_LAYER_PATH` and `VK_INSTANCE_LAYERS` has its name. `FAULTY_VULKAN` says what goes
//! wrong and when (see [`faults`]); `FAULTY_VULKAN_LOG` names a file that gets a line for each
//! event and each fault, so that a test can tell that its fault has happened.
//!
//! | file | |
//! | --- | --- |
//! | `faults` | the language of `FAULTY_VULKAN`, the counters of events, the log |
//! | `chain` | the loader's interface: how a layer finds the next one |
//! | `instance` | instances, physical devices, and the creation of a device |
//! | `device` | devices, and which of their functions are this layer's own |
//! | `memory`, `commands`, `queue` | those functions, with their faults |

mod chain;
mod commands;
mod device;
pub mod faults;
mod instance;
mod memory;
mod queue;

use std::path::{Path, PathBuf};

pub use chain::vkNegotiateLoaderLayerInterfaceVersion;

/// The name of the layer.
pub const NAME: &str = "VK_LAYER_KINDLING_faulty";

/// The layer's manifest, which the loader reads, for the library in `file`.
pub fn manifest(file: &Path) -> String {
    // Quotes and backslashes are escaped as in JSON.
    let file = format!("{:?}", file.to_string_lossy());
    include_str!("../manifest.json").replace("\"LIBRARY\"", &file)
}

/// The library, in the folder that cargo builds the executable of a test in.
///
/// # Errors
/// If the executable's path is unknown.
pub fn library() -> std::io::Result<PathBuf> {
    let name =
        format!("{}faulty_vulkan{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    Ok(std::env::current_exe()?.with_file_name(name))
}
