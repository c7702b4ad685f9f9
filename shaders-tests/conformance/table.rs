//! The table of results fails when it must.

use kindling::kernels::reference::Worst;
use shaders_tests::table::{KnownWrong, Table};

fn table(error: f64) -> Table {
    let mut table = Table::new("Nothing that was run");
    table.row("one", "add", "2x3", Worst { error: 0.5, bound: 1.0, at: 0 });
    table.row("another", "add", "2x3", Worst { error, bound: 1.0, at: 5 });
    table
}

const KNOWN: KnownWrong =
    KnownWrong { kernel: "another", wrong_at: |op, _| op == "add", why: "for the test" };

#[test]
#[should_panic = "another is wrong at add 2x3"]
fn a_wrong_kernel_is_named() {
    table(2.0).finish(&[]);
}

#[test]
#[should_panic = "another is wrong at add 2x3"]
fn nan_is_wrong() {
    table(f64::NAN).finish(&[]);
}

#[test]
#[should_panic = "another is no longer wrong"]
fn a_kernel_that_is_no_longer_wrong_is_named() {
    table(0.5).finish(&[KNOWN]);
}

#[test]
fn a_kernel_that_is_known_to_be_wrong_is_no_failure() {
    table(2.0).finish(&[KNOWN]);
}
