//! `cargo xtask test`: every test of the repository behind one command, and one closing line with the real counts.

use crate::process::{cargo, run_seen};
use crate::summary::{Counts, cargo_line};
use crate::{conformance, repo, soak, tidy, trace};

/// Runs cargo's tests, tidy, trace, the conformance suite and the short proofs under faults; true when nothing failed.
///
/// # Errors
/// Tools that cannot be started, files that cannot be read.
pub(crate) fn command() -> Result<bool, String> {
    let mut total = Counts::default();
    let mut skipped = Vec::new();
    if !has_postgres() {
        println!("SKIPPED the tests over PostgreSQL: its server is not installed (Debian's package `postgresql`)");
        skipped.push("postgres::");
    }
    let weed = conformance::object_store();
    if let Err(why) = &weed {
        println!("SKIPPED the tests of S3: {why}");
        skipped.push("s3::");
    }
    let mut arguments = vec!["test", "--workspace", "--all-targets", "--no-fail-fast", "--"];
    for module in skipped {
        arguments.extend(["--skip", module]);
        total.add(Counts { skipped: 1, ..Counts::default() });
    }
    let mut tests = cargo(&arguments);
    if let Ok(weed) = weed {
        tests.env("WEED_BIN", weed);
    }
    total.add(counted(tests)?);
    // The policy kernel proves with documentation tests that nobody else can make a permit.
    total.add(cargo_tests(&["test", "--workspace", "--doc"])?);
    total.add_check(tidy::command()?);
    total.add_check(trace::command(&[])?);
    total.add(conformance::suite(&repo::target_dir().join("debug/polder"), &[])?);
    total.add(soak::short(&repo::target_dir().join("debug"))?);
    println!("{total}");
    Ok(total.failed == 0)
}

/// True if PostgreSQL's server programs are where Debian's package puts them.
fn has_postgres() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    versions.is_ok_and(|versions| versions.flatten().any(|version| version.path().join("bin/initdb").exists()))
}

/// Runs cargo with these arguments and counts its tests.
///
/// # Errors
/// Cargo cannot be started.
pub(crate) fn cargo_tests(args: &[&str]) -> Result<Counts, String> {
    counted(cargo(args))
}

fn counted(command: std::process::Command) -> Result<Counts, String> {
    let mut counts = Counts::default();
    let succeeded = run_seen(command, |line| {
        if let Some(found) = cargo_line(line) {
            counts.add(found);
        }
    })?;
    Ok(counts.or_failed(succeeded))
}
