//! The project's own commands: house rules, requirement trace, tests, CI. Owns how checks are run and counted; holds no
//! product code and depends on none of the product's crates.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks through them")]
#![allow(
    clippy::disallowed_methods,
    reason = "a developer's tool, outside the server's rules on clock and environment"
)]

mod bench;
mod ci;
mod conformance;
mod licences;
mod long;
mod process;
mod repo;
mod soak;
mod source;
mod summary;
mod test;
mod tidy;
mod trace;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND
  tidy                        checks the house rules over the repository
  trace [--update]            prints each requirement with the tests that name it; --update rewrites docs/requirements*.txt
  test                        runs every test, tidy, trace and the conformance suite
  ci                          runs fmt, clippy and licence checks, then test
  licences                    checks licences, bans and sources of all dependencies against deny.toml
  conformance [ARGS]          runs the conformance suite alone against the built binary; ARGS go to pytest
  rck                         runs Iceberg's REST Compatibility Kit alone, over both stores
  engines [--only NAME]... [--keys static|vended]... [--print]
                              runs the engines, JVMs too; writes docs/engine-matrix.md unless --only or --print is given
  attacks [--release]         runs the SQL attack corpus against the debug or release binary
  fuzz [--release] --queries N [--seed S]
                              runs the two-world fuzz for long
  kills|history|faults|hangups [--release] [ARGS]
                              proof under faults against the debug or release binary; see docs/runbooks/faults.md
  bench [--quick] [--row NAME]... [--print]
                              measures the release binary against references in the same run; writes docs/performance.md
                              unless --quick or --print is given";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    let outcome = match args.first().map(String::as_str) {
        Some("tidy") => tidy::command(),
        Some("trace") => trace::command(rest),
        Some("test") => test::command(),
        Some("ci") => ci::command(),
        Some("licences") => licences::command(),
        Some("conformance") => conformance::command(rest),
        Some("rck") => conformance::command(&["-k".to_owned(), "test_rck".to_owned()]),
        Some("engines") => conformance::engines(rest),
        Some("attacks") => long::attacks(rest),
        Some("fuzz") => long::fuzz(rest),
        Some(name @ ("kills" | "history" | "faults" | "hangups")) => soak::command(name, rest),
        Some("bench") => bench::command(rest),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
