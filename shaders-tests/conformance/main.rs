//! What the adapter computes is right: the network against PyTorch, each op against f64.

use kindling::kernels::exact;

mod adapter;
mod candidates;
mod compiled;
mod counts;
mod gradients;
mod kernels;
mod launch;
mod network;
mod ops;
mod problem;
#[path = "../../tests/library/reference.rs"]
#[allow(dead_code, reason = "written for the library's tests, which use all of it")]
mod reference;
mod self_check;
mod shapes;
mod table;
mod training;
