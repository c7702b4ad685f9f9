//! The GPU engine: a plan compiled to Kindling's compute shaders.
//!
//! | file | |
//! | --- | --- |
//! | `network` | the compiled network: its launches, in order |
//! | `step` | one launch |
//! | `forward_cost` | launches, bytes and multiplications of a forward pass |
//! | `engine` | the [`Engine`](crate::engine::Engine) |
//! | `thread`, `request`, `worker` | the thread that calls the driver |

mod engine;
mod forward_cost;
mod network;
mod request;
mod step;
mod thread;
mod worker;

pub use engine::GpuEngine;
pub use forward_cost::{ForwardCost, Launch};
pub use network::GpuNetwork;
