//! Tests of the command line, run with generated photos and a narrow network, and with real photos
//! if `../shared` has them.

#[cfg(feature = "parquet")]
mod archives;
mod browser;
mod cache;
mod compare;
mod contents;
mod dashboard;
mod demo;
mod devices;
mod errors;
mod exports;
#[cfg(all(target_os = "linux", feature = "wgpu", feature = "flex"))]
mod faults;
mod figures;
mod fixtures;
mod gpus_table;
mod habits;
mod heads;
mod interrupts;
mod job;
mod known_features;
mod layouts;
mod memory;
mod models;
mod multi_label;
mod packed_weights;
#[cfg(feature = "captions")]
mod pictures;
mod predict;
mod readme;
#[path = "../library/reference.rs"]
#[allow(dead_code, reason = "shared with the library's tests, which use all of it")]
mod reference;
mod report;
mod report_layout;
mod robustness;
#[cfg(all(feature = "parquet", unix))]
mod schedulers;
#[path = "../library/server.rs"]
#[allow(dead_code, reason = "shared with the library's tests, which use all of it")]
mod server;
#[cfg(feature = "parquet")]
mod shards;
mod shared;
mod strangers;
mod tables;
#[path = "../library/torch_save.rs"]
#[allow(dead_code, reason = "shared with the library's tests, which use all of it")]
mod torch_save;
mod views;
mod weights;
