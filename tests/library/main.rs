//! Tests of the library, run on the CPU with committed fixtures, and with the real weights and
//! photos if `../shared` has them.

mod architectures;
mod backbone;
mod bmp_files;
mod bottlenecks;
mod calibrated_exports;
mod checkpoint_heads;
mod checkpoints;
mod compiled;
mod damaged_checkpoints;
mod decode_memory;
mod decoding;
mod deferred_weights;
mod downloads;
mod exports;
mod feature_tables;
mod folders;
#[cfg(feature = "captions")]
mod gallery;
mod gif_files;
mod heads;
mod jpeg_encoder;
mod jpeg_forms;
#[cfg(feature = "jpeg-xl")]
mod jpeg_xl;
mod layouts;
mod mixed_runs;
mod neighbours;
mod orientations;
#[cfg(feature = "parquet")]
mod parquet_tables;
mod photo_tables;
mod plans;
mod png_files;
mod preprocessing;
mod random_plans;
mod reference;
mod reports;
mod run_folder;
mod server;
mod shared;
mod shown;
mod stages;
mod stem;
mod tables;
mod tiff_files;
mod torch_save;
mod training;
mod unsupported;
mod views;
mod wrapped_checkpoints;
