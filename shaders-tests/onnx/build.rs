//! burn-import's reading of narrow.onnx, as Rust code and its weights.

#![allow(deprecated, reason = "burn-import is a shim over burn-onnx, and marks all it offers so")]

use burn_import::onnx::{LoadStrategy, ModelGen};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=narrow.onnx");
    ModelGen::new()
        .input("narrow.onnx")
        .out_dir("generated/")
        // Nothing to find at run time.
        .load_strategy(LoadStrategy::Embedded)
        .run_from_script();
}
