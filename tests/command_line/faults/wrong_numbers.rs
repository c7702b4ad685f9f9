//! Drivers that compute or copy something else.

use super::driver::{FaultyDriver, cache, each};
use crate::fixtures::stderr;

const CHECK: &str = "failed the self-check";
const SPOT: &str = "computes wrong numbers";

#[test]
fn memory_that_holds_nan_changes_no_bit() {
    let Some(driver) = FaultyDriver::of_this_machine() else { return };
    let right = driver.embed("");
    assert_eq!(driver.embed("poison").features(), right.features());
}

#[test]
fn a_wrong_tile_of_any_launch_fails_the_self_check_which_names_the_layer() {
    let Some(driver) = FaultyDriver::of_this_machine() else { return };
    // Two batches.
    let launches = driver.embed("").events("dispatch") / 2;
    let mut named = 0;
    for at in each(launches) {
        let run = driver.train(&format!("wrong-tile@dispatch:{at}.."), cache);
        run.assert_error(&[CHECK, "computes wrong numbers", "--device cpu"]);
        named += usize::from(stderr(&run.output).contains("first wrong layer"));
        assert!(!driver.place().join("run").exists());
    }
    assert!(named > 0);
    assert!(!driver.place().join("cache").exists(), "nothing is cached");
}

#[test]
fn reads_that_give_zeros_fail_the_self_check() {
    let Some(driver) = FaultyDriver::of_this_machine() else { return };
    let run = driver.train("zeros@read:1..", cache);
    run.assert_error(&[CHECK, "--device cpu"]);
    assert!(!driver.place().join("cache").exists(), "nothing is cached");
}

#[test]
fn what_goes_wrong_later_and_stays_wrong_is_found_before_it_is_cached() {
    let Some(driver) = FaultyDriver::of_this_machine() else { return };
    let healthy = driver.embed("");
    let dispatches = healthy.events("dispatch");
    for faults in [
        format!("wrong-tile@dispatch:{}..", dispatches / 2 + 1),
        format!("wrong-tile@dispatch:{dispatches}.."),
        "zeros@read:2..".into(),
        "lost@read:2..".into(),
    ] {
        let run = driver.embed_with(&faults, cache);
        assert!(run.is_faulty(), "{}", run.log);
        run.assert_error(&[SPOT, "not cached", "--device cpu"]);
        driver.assert_cache_is_right(healthy.features());
    }
}
