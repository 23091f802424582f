//! Long runs on demand: the attack corpus against a chosen binary, the two-world fuzz with a chosen seed.

use crate::process::{cargo, run, run_seen};
use crate::repo;
use crate::summary::{Counts, cargo_line};

/// A fuzz that is bounded by its number of queries still ends within a day.
const FUZZ_SECONDS_MAX: &str = "86400";

/// Builds the debug or release binary and runs the SQL attack corpus against it; true when nothing failed.
///
/// # Errors
/// Cargo cannot be started, an unknown argument, no test that matches.
pub(crate) fn attacks(args: &[String]) -> Result<bool, String> {
    let release = match args {
        [] => false,
        [flag] if flag == "--release" => true,
        _ => return Err("usage: cargo xtask attacks [--release]".to_owned()),
    };
    if !run(cargo(&repo::build_bins(release)))? {
        return Ok(false);
    }
    let binary = repo::target_dir().join(if release { "release" } else { "debug" }).join("polder");
    let mut test = cargo(&["test", "--workspace", "--test", "it", "attacks::", "--", "--nocapture"]);
    test.env("POLDER_BIN", &binary);
    println!("attacks: against `{}`", binary.display());
    tests(test)
}

/// Runs the two-world fuzz, optimised or not, for a number of queries, from a seed if one is given, and
/// from one of its statements on if that is; true when the worlds agreed.
///
/// # Errors
/// Cargo cannot be started, an unknown argument, no test that matches.
pub(crate) fn fuzz(args: &[String]) -> Result<bool, String> {
    let usage = || "usage: cargo xtask fuzz [--release] --queries N [--seed S [--first N]]".to_owned();
    let release = args.first().is_some_and(|flag| flag == "--release");
    let (mut queries, mut seed, mut first) = (None, None, None);
    for pair in args.get(usize::from(release)..).unwrap_or_default().chunks(2) {
        let [flag, value] = pair else { return Err(usage()) };
        value.parse::<u64>().map_err(|_| usage())?;
        match flag.as_str() {
            "--queries" => queries = Some(value),
            "--seed" => seed = Some(value),
            "--first" => first = Some(value),
            _ => return Err(usage()),
        }
    }
    let queries = queries.ok_or_else(usage)?;
    let mut arguments = vec!["test", "--workspace", "--test", "it"];
    if release {
        arguments.push("--release");
    }
    arguments.extend(["two_worlds::two_worlds", "--", "--nocapture"]);
    let mut test = cargo(&arguments);
    test.env("POLDER_FUZZ_QUERIES", queries).env("POLDER_FUZZ_SECONDS", FUZZ_SECONDS_MAX);
    for (name, value) in [("POLDER_FUZZ_SEED", seed), ("POLDER_FUZZ_FIRST", first)] {
        if let Some(value) = value {
            test.env(name, value);
        }
    }
    tests(test)
}

/// Runs filtered tests; a filter that matches none is an error, not a pass.
fn tests(command: std::process::Command) -> Result<bool, String> {
    let mut counts = Counts::default();
    let succeeded = run_seen(command, |line| counts.add(cargo_line(line).unwrap_or_default()))?;
    if succeeded && counts.passed == 0 {
        return Err("no test matched".to_owned());
    }
    println!("{counts}");
    Ok(succeeded)
}
