//! `spirv-val`, Khronos' validator of SPIR-V (Debian's package `spirv-tools`).

use std::io::Write;
use std::process::{Command, Stdio};

/// Whether `spirv-val` is installed. Prints a line if it is not.
///
/// # Panics
/// If it is not, and `KINDLING_REQUIRE_ADAPTER` is set.
pub fn is_installed() -> bool {
    let installed = Command::new("spirv-val").arg("--version").output().is_ok();
    if !installed {
        assert!(
            std::env::var_os("KINDLING_REQUIRE_ADAPTER").is_none(),
            "no spirv-val: install spirv-tools"
        );
        println!("skipped: spirv-val is not installed (Debian's package spirv-tools)");
    }
    installed
}

/// The bytes of a SPIR-V file.
pub fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Validates a module for a target environment, such as `vulkan1.1`.
///
/// # Errors
/// The validator's message.
pub fn validate(words: &[u32], environment: &str) -> Result<(), String> {
    let mut child = Command::new("spirv-val")
        .args(["--target-env", environment, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("spirv-val: {error}"))?;
    // The validator may stop reading a damaged module.
    let _ = child.stdin.take().expect("a pipe").write_all(&bytes(words));
    let output = child.wait_with_output().map_err(|error| format!("spirv-val: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Capabilities that Vulkan 1.1 has without a feature (`Shader`), and those for f16 that wgpu asks
/// for where it offers `SHADER_F16`: `Float16`, `StorageBuffer16BitAccess`,
/// `UniformAndStorageBuffer16BitAccess`, `StorageInputOutput16`.
pub const ALLOWED: [u32; 5] = [1, 9, 4433, 4434, 4436];

/// The numbers of the capabilities that a module declares.
pub fn capabilities(words: &[u32]) -> Vec<u32> {
    /// `OpCapability`.
    const OP_CAPABILITY: u32 = 17;
    let mut capabilities = Vec::new();
    // A header of five words, then instructions: length and code in the first word.
    let mut rest = words.get(5..).unwrap_or_default();
    while let [first, ..] = *rest {
        if let [_, capability, ..] = *rest
            && first & 0xffff == OP_CAPABILITY
        {
            capabilities.push(capability);
        }
        rest = rest.get(((first >> 16) as usize).max(1)..).unwrap_or_default();
    }
    capabilities
}
