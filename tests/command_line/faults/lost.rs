//! Devices that are lost, gone, or refuse.

use super::driver::{FaultyDriver, cache, each};
use crate::fixtures::stderr;

const REMEDY: &str = "--device cpu";

#[test]
fn without_a_fault_the_layer_changes_nothing() {
    let Some(driver) = FaultyDriver::of_this_machine() else { return };
    let layered = driver.embed("");
    let plain = driver.embed_with("", |command| command.env("FAULTY_VULKAN_LOG", "elsewhere.log"));
    assert!(!layered.is_faulty());
    assert_eq!(layered.features(), plain.features());
}

#[test]
fn a_lost_device_is_an_error_of_one_line_at_every_launch() {
    let Some(driver) = FaultyDriver::of_this_machine() else { return };
    let healthy = driver.embed("");
    let right = healthy.features();
    let lost = |fault: String| {
        // If CubeCL's own thread meets the loss first, it ends without answering. Without the
        // driver's report of the loss, the program would wait longer than this test.
        let run = driver.embed_with(&fault, |it| cache(it).env("KINDLING_GPU_TIMEOUT", "60"));
        if run.is_faulty() && !run.output.status.success() {
            run.assert_error(&["lost", REMEDY]);
        }
        driver.assert_cache_is_right(right);
        run
    };
    // The last submission is not in every run.
    for at in each(healthy.events("submit") - 1) {
        let run = lost(format!("device-lost@submit:{at}"));
        assert!(run.is_faulty() && !run.output.status.success(), "{}", run.log);
    }
    // How often the driver's threads wait differs from run to run.
    let waits = [1, 2, 4].map(|at| lost(format!("device-lost@wait:{at}")));
    assert!(waits.iter().any(|run| run.is_faulty()));
    for run in waits.iter().filter(|run| run.output.status.success()) {
        assert!(run.features() == right, "{}", run.log);
    }
}

#[test]
fn a_device_that_is_gone_or_refuses_to_open_is_named() {
    let Some(driver) = FaultyDriver::of_this_machine() else { return };
    driver.embed("gone@instance:1..").assert_error(&["there is no wgpu device", "cpu"]);
    driver.embed("refused@device:1").assert_error(&["wgpu:0", "cannot be opened", "--device"]);
    // The first shader that wgpu compiles for itself, and the first buffer.
    driver.embed("refused@pipeline:1").assert_error(&["wgpu:0", "cannot be opened", "--device"]);
    driver.embed("out-of-memory@buffer:1").assert_error(&["cannot be opened", "memory"]);
}

#[test]
fn a_kernel_that_the_driver_does_not_compile_ends_the_command_with_an_error() {
    let Some(driver) = FaultyDriver::of_this_machine() else { return };
    let healthy = driver.embed("");
    for (fault, word) in [("refused", "lost"), ("out-of-memory", "memory")] {
        for at in each(healthy.events("pipeline")) {
            let run = driver.embed_with(&format!("{fault}@pipeline:{at}"), cache);
            assert!(run.is_faulty(), "{}", run.log);
            let is_open = !stderr(&run.output).contains("cannot be opened");
            run.assert_error(&[if is_open { word } else { "cannot be opened" }, "--device"]);
            driver.assert_cache_is_right(healthy.features());
        }
    }
}
