//! Counts of tests, read from what the runners print. Adds up; never guesses.

use std::fmt;

/// How many tests passed, failed and were skipped.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    /// Adds the counts of one run.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Adds one check that is not a test runner's: passed or failed.
    pub(crate) fn add_check(&mut self, passed: bool) {
        if passed { self.passed += 1 } else { self.failed += 1 }
    }

    /// Makes sure that a run which failed as a whole is counted as a failure, even if no single test of it was.
    pub(crate) fn or_failed(mut self, succeeded: bool) -> Self {
        if !succeeded && self.failed == 0 {
            self.failed = 1;
        }
        self
    }

    fn of_words<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let mut counts = Self::default();
        for (number, word) in pairs {
            let number: u64 = number.parse().ok()?;
            match word {
                "passed" | "xpassed" => counts.passed += number,
                "failed" | "error" | "errors" => counts.failed += number,
                "skipped" | "ignored" | "xfailed" => counts.skipped += number,
                _ => {}
            }
        }
        Some(counts)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Reads the line with which one of cargo's test binaries ends.
pub(crate) fn cargo_line(line: &str) -> Option<Counts> {
    let rest = line.trim().strip_prefix("test result: ")?.split_once(". ")?.1;
    Counts::of_words(rest.split(';').filter_map(|part| part.trim().split_once(' ')).filter(|(n, _)| *n != "finished"))
}

/// Reads the line with which pytest ends.
pub(crate) fn pytest_line(line: &str) -> Option<Counts> {
    let line = line.trim().trim_matches('=').trim();
    let (counts, time) = line.rsplit_once(" in ")?;
    if !time.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Counts::of_words(counts.split(", ").map(|part| part.split_once(' ').unwrap_or(("", ""))))
}

#[cfg(test)]
mod tests;
