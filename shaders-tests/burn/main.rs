//! Checks Burn's operations on the adapter: each operation against f64, and the networks against
//! PyTorch.

mod candidates;
mod counts;
mod gradients;
mod launch;
mod network;
mod ops;
mod problem;
#[path = "../../tests/library/reference.rs"]
#[allow(dead_code, reason = "written for the library's tests, which use all of it")]
mod reference;
mod shapes;
mod training;
