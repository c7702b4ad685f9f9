//! Promises of the command line, kept with photos drawn here and a narrow network, and on the real
//! photos where `../shared` has them.

mod errors;
mod fixtures;
mod job;
mod robustness;
mod shared;
