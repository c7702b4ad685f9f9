//! Checks Kindling's kernels: each kernel against f64, and the networks compiled to them against
//! PyTorch.

mod adapters;
mod compiled;
mod counts;
mod kernels;
mod limits;
mod limits_tables;
#[path = "../../tests/library/reference.rs"]
#[allow(dead_code, reason = "written for the library's tests, which use all of it")]
mod reference;
mod schedules;
mod self_check;
mod shaders;
mod table;
