//! `cargo xtask bench`: builds the release binary and the bench, and lets the bench write its rows into the page.

use crate::process::{cargo, command as program, run};
use crate::{conformance, repo};

/// Where the rows go.
const PAGE: &str = "docs/performance.md";

/// Measures; true when every row was measured. Arguments go to the bench.
///
/// # Errors
/// Cargo cannot be started.
pub(crate) fn command(args: &[String]) -> Result<bool, String> {
    if !run(cargo(&repo::build_bins(true)))? {
        return Ok(false);
    }
    let built = repo::target_dir().join("release");
    let polder = built.join("polder").display().to_string();
    let mut given: Vec<&str> = args.iter().map(String::as_str).collect();
    let prints = given.iter().any(|arg| matches!(*arg, "--quick" | "--print"));
    given.retain(|arg| *arg != "--print");
    given.extend(["--polder", &polder]);
    if !prints {
        given.extend(["--write", PAGE]);
    }
    let mut bench = program(built.join("polder-bench"), &given);
    // Only the row of vended keys needs an object store, and says so without one.
    if !args.iter().any(|arg| arg == "--row") || args.iter().any(|arg| arg == "vending") {
        match conformance::object_store() {
            Ok(weed) => drop(bench.env("WEED_BIN", weed)),
            Err(why) => println!("SKIPPED the row `vending`: {why}"),
        }
    }
    run(bench)
}
