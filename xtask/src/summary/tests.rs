//! The runners' closing lines are read as they print them.

use super::{Counts, cargo_line, pytest_line};

fn counts(passed: u64, failed: u64, skipped: u64) -> Option<Counts> {
    Some(Counts { passed, failed, skipped })
}

#[test]
fn cargos_line_is_read() {
    let line = "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 7 filtered out; finished in 0.31s";
    assert_eq!(cargo_line(line), counts(12, 0, 3));
    let line = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
    assert_eq!(cargo_line(line), counts(1, 2, 0));
    assert_eq!(cargo_line("test it::works ... ok"), None);
}

#[test]
fn pytests_line_is_read() {
    assert_eq!(pytest_line("12 passed in 3.21s"), counts(12, 0, 0));
    assert_eq!(
        pytest_line("== 1 failed, 3 passed, 2 skipped, 4 warnings, 1 error in 61.20s (0:01:01) =="),
        counts(3, 2, 2)
    );
    assert_eq!(pytest_line("no tests ran in 0.01s"), None);
    assert_eq!(pytest_line("FAILED conformance/test_x.py::test - found 2 rows in t"), None);
}

#[test]
fn a_run_that_fails_without_a_failed_test_counts_as_one_failure() {
    assert_eq!(Counts::default().or_failed(false), Counts { failed: 1, ..Counts::default() });
    assert_eq!(Counts::default().or_failed(true), Counts::default());
    assert_eq!(Counts { failed: 3, ..Counts::default() }.or_failed(false).failed, 3);
}
