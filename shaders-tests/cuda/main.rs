//! Compiles every kernel for NVIDIA GPUs with the real NVRTC, on a machine without one.
//!
//! ```sh
//! cargo test --release --features shaders-tests/cuda --test cuda
//! ```
//!
//! A driver that computes nothing (`stand_in_driver.c`) takes the place of NVIDIA's. CubeCL then
//! generates the kernels and calls NVRTC exactly as it does on a card: same source, same options,
//! same headers. For each compute capability this program starts itself again with that driver
//! (`launches`), which launches every kernel of both networks with every tile; what the driver
//! recorded becomes the table (`findings`). `docs/cuda.md` has the results.

mod findings;
mod launches;
mod tools;

use std::path::Path;
use std::process::{Command, ExitCode};

use findings::Findings;
use tools::{DRIVER, Tools};

/// The compute capability of the stand-in driver's device; unset in the process that users start.
const CAPABILITY: &str = "KINDLING_STAND_IN_CAPABILITY";
/// Where the stand-in driver writes modules and its log.
const FOLDER: &str = "KINDLING_STAND_IN_FOLDER";
/// The smallest that CUDA 13 supports (Turing), then Ampere and Hopper.
const CAPABILITIES: [u32; 3] = [75, 80, 90];

fn main() -> ExitCode {
    let done = match std::env::var_os(FOLDER) {
        Some(folder) => launches::all(Path::new(&folder)),
        None => check(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Compiles the kernels for each capability and prints the table.
fn check() -> Result<(), String> {
    let tools = Tools::find()?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    tools.build_driver(&folder.path().join(DRIVER))?;
    let mut findings = Findings::default();
    for capability in CAPABILITIES {
        let modules = folder.path().join(format!("sm_{capability}"));
        std::fs::create_dir(&modules).map_err(|error| error.to_string())?;
        launch(&tools, folder.path(), &modules, capability)?;
        findings.add(&tools, &modules)?;
    }
    findings.finish()
}

/// Launches every kernel on a stand-in device, in a process of its own: the loader reads the
/// library path when a process starts, and the driver is loaded once.
fn launch(tools: &Tools, driver: &Path, modules: &Path, capability: u32) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let libraries =
        std::env::join_paths([driver, tools.nvrtc.as_path()]).map_err(|error| error.to_string())?;
    let ended = Command::new(program)
        // A cubecl.toml of the user's, which may turn on a cache of compiled kernels, is not read.
        .current_dir(modules)
        .env("LD_LIBRARY_PATH", libraries)
        .env("CUDA_PATH", &tools.toolkit)
        .env(CAPABILITY, capability.to_string())
        .env(FOLDER, modules)
        .status()
        .map_err(|error| error.to_string())?;
    match ended.success() {
        true => Ok(()),
        false => Err(format!("the launches for sm_{capability} stopped early: {ended}")),
    }
}
