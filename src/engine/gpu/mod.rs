//! The GPU engine: a plan compiled to Kindling's compute shaders.
//!
//! | file | |
//! | --- | --- |
//! | `schedule` | which kernels run, and on how many photos, by the adapter's limits |
//! | `network` | the compiled network: its launches, in order |
//! | `step` | one step and its launches |
//! | `forward_cost` | launches, bytes and multiplications of a forward pass |
//! | `step_times` | the time of each step |
//! | `engine` | the [`Engine`](crate::engine::Engine) |
//! | `thread`, `request`, `worker`, `patience` | the thread that calls the driver |
//! | `failure` | why work failed |

mod engine;
mod failure;
mod forward_cost;
mod network;
mod patience;
mod request;
mod schedule;
mod step;
mod step_times;
mod thread;
mod worker;

pub use engine::GpuEngine;
pub(crate) use failure::failed;
pub use forward_cost::{ForwardCost, Launch};
pub use network::GpuNetwork;
pub use patience::first_patience;
pub use schedule::{GpuSchedule, ScheduledKernel, ScheduledStep};
pub use step_times::GpuStepTime;
