//! Proof under faults: builds the program and its harness (`crates/soak`) and lets the one drive the other. The short forms
//! are part of `cargo xtask test`: what was told at each failing step is what happened (F3), a client that hangs up leaves
//! nothing half-done (F7), kills lose nothing.

use std::path::Path;

use crate::process::{cargo, command as process, run, run_seen};
use crate::repo;
use crate::summary::{Counts, cargo_line};

/// Builds both and runs one proof; true when it found nothing.
///
/// # Errors
/// Tools that cannot be started.
pub(crate) fn command(name: &str, args: &[String]) -> Result<bool, String> {
    let release = args.first().is_some_and(|flag| flag == "--release");
    let args = args.get(usize::from(release)..).unwrap_or_default();
    let profile = if release { "release" } else { "debug" };
    if !run(cargo(&repo::build_bins(release)))? {
        return Ok(false);
    }
    let folder = repo::target_dir().join(profile);
    let mut command = process(folder.join("polder-soak"), &[name]);
    command.arg("--bin").arg(folder.join("polder")).args(args);
    run(command)
}

/// Runs the short forms against the debug binary. Builds the harness: tests alone do not build a program that no
/// integration test needs.
///
/// # Errors
/// Cargo or the harness cannot be started.
pub(crate) fn short(folder: &Path) -> Result<Counts, String> {
    if !run(cargo(&repo::build_bins(false)))? {
        return Ok(Counts::default().or_failed(false));
    }
    let mut command = process(folder.join("polder-soak"), &["short"]);
    command.arg("--bin").arg(folder.join("polder"));
    let mut counts = Counts::default();
    let succeeded = run_seen(command, |line| counts.add(cargo_line(line).unwrap_or_default()))?;
    Ok(counts.or_failed(succeeded))
}
