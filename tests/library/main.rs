//! Promises of the library, kept on the processor from committed fixtures, and on the real weights
//! and photos where `../shared` has them.

mod architectures;
mod backbone;
mod checkpoints;
mod compiled;
mod decoding;
mod downloads;
mod exports;
mod folders;
#[cfg(feature = "captions")]
mod gallery;
#[cfg(feature = "parquet")]
mod parquet_tables;
mod plans;
mod preprocessing;
mod reference;
mod reports;
mod run_folder;
mod server;
mod shared;
mod stages;
mod tables;
mod training;
mod unsupported;
