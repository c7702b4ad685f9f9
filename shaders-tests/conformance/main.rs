//! What the adapter computes is right: the network against PyTorch, each op against f64.

mod adapter;
mod candidates;
mod exact;
mod gradients;
mod launch;
mod network;
mod ops;
mod problem;
#[path = "../../tests/library/reference.rs"]
#[allow(dead_code, reason = "written for the library's tests, which use all of it")]
mod reference;
mod shapes;
mod table;
mod training;
