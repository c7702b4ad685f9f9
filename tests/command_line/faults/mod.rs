//! Faults that drivers make, injected by a Vulkan layer around the real driver
//! (`tests/faulty_vulkan`): each is an error in words, a smaller batch or a failed check, never a
//! panic's text, a hang or a wrong number, and nothing wrong is in the feature cache.
//!
//! | file | |
//! | --- | --- |
//! | `driver` | runs the program under the layer |
//! | `lost` | the device is lost, gone, or refuses to open or to compile |
//! | `memory` | memory is short |
//! | `hanging` | the driver does not answer |
//! | `wrong_numbers` | the driver computes or copies something else |

mod driver;
mod hanging;
mod lost;
mod memory;
mod wrong_numbers;
