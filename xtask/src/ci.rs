//! `cargo xtask ci`: formatting, lints, licences, then the README's test command. Vulnerability advisories need a
//! database that is not in the repository; where cargo-deny is installed it is asked for its other checks.

use crate::process::{cargo, output, run};
use crate::{licences, test};

/// Runs everything that CI runs; true when nothing failed. Stops at the first step that fails.
///
/// # Errors
/// Tools that cannot be started.
pub(crate) fn command() -> Result<bool, String> {
    let lints =
        [&["fmt", "--all", "--check"][..], &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"][..]];
    for args in lints {
        if !run(cargo(args))? {
            return Ok(false);
        }
    }
    Ok(licences::command()? && deny()? && test::command()?)
}

fn deny() -> Result<bool, String> {
    if output(cargo(&["deny", "--version"])).is_err() {
        println!("SKIPPED cargo-deny: not installed; licences, bans and sources were checked by xtask");
        return Ok(true);
    }
    run(cargo(&["deny", "check", "licenses", "bans", "sources"]))
}
