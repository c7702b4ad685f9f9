//! Converts narrow.onnx to Rust code and weights with burn-import.

#![allow(deprecated, reason = "burn-import is a deprecated shim over burn-onnx")]

use burn_import::onnx::{LoadStrategy, ModelGen};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=narrow.onnx");
    ModelGen::new()
        .input("narrow.onnx")
        .out_dir("generated/")
        // The weights are part of the program, so no file has to be found at run time.
        .load_strategy(LoadStrategy::Embedded)
        .run_from_script();
}
