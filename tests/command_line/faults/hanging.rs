//! Drivers that do not answer.

use std::process::Command;

use super::driver::{FaultyDriver, cache};

/// Two seconds, and ten for the first batch.
fn impatient(command: &mut Command) -> &mut Command {
    command.env("KINDLING_GPU_TIMEOUT", "2")
}

#[test]
fn a_driver_that_hangs_ends_the_command_with_an_error() {
    let Some(driver) = FaultyDriver::of_this_machine() else { return };
    let healthy = driver.embed("");
    let submits = healthy.events("submit");
    // In the first batch, and in the second one.
    for at in [2, submits / 2 + 4] {
        let run = driver.embed_with(&format!("hang@submit:{at}"), |it| impatient(cache(it)));
        assert!(run.is_faulty(), "{}", run.log);
        run.assert_error(&["has not answered for", "its driver may have hung", "--device cpu"]);
        driver.assert_cache_is_right(healthy.features());
    }
    let run = driver.embed_with("hang@pipeline:3", impatient);
    run.assert_error(&["has not answered for 10 s", "--device cpu"]);
}

#[test]
fn train_says_that_the_driver_hangs_before_it_writes_a_run() {
    let Some(driver) = FaultyDriver::of_this_machine() else { return };
    let run = driver.train("hang@submit:5", impatient);
    run.assert_error(&["has not answered for 10 s", "--device cpu"]);
    assert!(!driver.place().join("run").exists());
}

#[test]
fn the_test_of_the_kernels_does_not_wait_for_ever() {
    let Some(driver) = FaultyDriver::of_this_machine() else { return };
    let run = driver.run("hang@submit:9", |it| impatient(it.args(["devices", "--test"])));
    run.assert_error(&["has not answered for 10 s"]);
}

#[test]
fn a_timeout_that_is_no_number_is_refused_by_name() {
    let Some(driver) = FaultyDriver::of_this_machine() else { return };
    for text in ["soon", "0", "-1", ""] {
        let run = driver.embed_with("", |it| it.env("KINDLING_GPU_TIMEOUT", text));
        run.assert_error(&["KINDLING_GPU_TIMEOUT", "seconds"]);
    }
}
