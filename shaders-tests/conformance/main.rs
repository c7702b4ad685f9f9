//! What the adapter computes is right: the network against PyTorch, each op against the processor.

mod adapter;
mod compiled;
mod network;
mod ops;
#[path = "../../tests/library/reference.rs"]
#[allow(dead_code, reason = "written for the library's tests, which use all of it")]
mod reference;
mod training;
