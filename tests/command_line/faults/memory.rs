//! Memory that is short.

use super::driver::{FaultyDriver, cache, each};
use crate::fixtures::stderr;

/// What the program says if batches were halved.
const HALVED: &str = "warning: the device's memory is too small for whole batches: used";

#[test]
fn an_allocation_that_fails_gives_smaller_batches_or_one_line_of_words() {
    let Some(driver) = FaultyDriver::of_this_machine() else { return };
    let healthy = driver.embed("");
    let right = healthy.features();
    let mut halved = 0;
    for event in ["buffer", "memory"] {
        for at in each(healthy.events(event)) {
            let run = driver.embed_with(&format!("out-of-memory@{event}:{at}"), cache);
            assert!(run.is_faulty(), "{}", run.log);
            run.assert_right_or_error(right, &["memory", "--device"]);
            halved += usize::from(stderr(&run.output).contains(HALVED));
            driver.assert_cache_is_right(right);
        }
    }
    assert!(halved > 0, "no batch was halved");
}

#[test]
fn a_device_with_little_memory_gives_the_same_features_or_an_error() {
    let Some(driver) = FaultyDriver::of_this_machine() else { return };
    let healthy = driver.embed("");
    let mut enough = 0;
    for megabytes in [1, 8, 24, 64] {
        let run = driver.embed(&format!("memory:{}", megabytes << 20));
        run.assert_right_or_error(healthy.features(), &["memory", "--device"]);
        enough += usize::from(run.output.status.success());
    }
    assert!((1..4).contains(&enough), "{enough}");
}
