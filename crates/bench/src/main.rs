//! `polder-bench`: measures the built binary against references in the same run and prints ratios. Starts what it
//! measures, drives subject and reference with one client, in turn. Refuses to print a number that it did not measure.
//!
//! A program of its own, on which nothing depends, since its references use what no single crate of the product may
//! see together: HTTP, SQL and an engine (decision 0018). `cargo xtask bench` builds and runs it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks through them")]
#![allow(clippy::disallowed_methods, reason = "a measuring tool: clocks and processes are its purpose")]

mod answer;
mod client;
mod durable;
mod engine;
mod governed;
mod machine;
mod postgres;
mod reference;
mod report;
mod rows;
mod stats;
mod subject;
mod wire;

#[path = "../../testkit/src/weed.rs"]
mod weed;

use std::{path::PathBuf, process::ExitCode};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever goes wrong ends the measurement.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const USAGE: &str = "usage: polder-bench --polder PATH [--row NAME]... [--quick] [--write FILE] [--directory DIR]
  --polder     the binary to measure
  --row        only these rows
  --quick      a smoke form: small and short; its numbers mean little
  --write      replaces the rows that were measured in this page
  --directory  where the data is made (default: the system's temporary directory; must be a real disk)";

/// What is to be measured, and how thoroughly.
pub(crate) struct Options {
    /// The binary.
    pub(crate) polder: PathBuf,
    /// Where data is made.
    pub(crate) directory: PathBuf,
    /// Small and short.
    pub(crate) quick: bool,
    rows: Vec<String>,
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // The reference servers are this program again, so that they too run in a process of their own.
    let outcome = match args.split_first() {
        Some((first, rest)) if first == "reference" => reference::serve(rest),
        _ => options(&args).and_then(|options| measure(&options)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(args: &[String]) -> Result<Options> {
    let (mut polder, mut directory, mut rows, mut write, mut quick) =
        (None, std::env::temp_dir(), Vec::new(), None, false);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("`{arg}` needs a value\n{USAGE}"));
        match arg.as_str() {
            "--polder" => polder = Some(PathBuf::from(value()?)),
            "--directory" => directory = PathBuf::from(value()?),
            "--row" => rows.push(value()?.clone()),
            "--write" => write = Some(PathBuf::from(value()?)),
            "--quick" => quick = true,
            _ => return Err(USAGE.into()),
        }
    }
    let known: Vec<&str> = rows::ALL.iter().map(|row| row.name).collect();
    if let Some(unknown) = rows.iter().find(|row| !known.contains(&row.as_str())) {
        return Err(format!("there is no row `{unknown}`; there are: {}", known.join(", ")).into());
    }
    Ok(Options { polder: polder.ok_or(USAGE)?, directory, quick, rows, write })
}

fn measure(options: &Options) -> Result<()> {
    let facts = machine::facts(&options.directory);
    println!("{facts}");
    let mut failed = false;
    let chosen = rows::ALL.iter().filter(|row| options.rows.is_empty() || options.rows.iter().any(|r| r == row.name));
    for row in chosen {
        eprintln!("measuring {}…", row.name);
        match (row.measure)(options) {
            Ok(lines) => {
                lines.iter().for_each(|line| println!("{line}"));
                if let Some(page) = &options.write {
                    report::write(page, &facts, &lines)?;
                }
            }
            Err(error) => {
                failed = true;
                println!("{}: NOT MEASURED: {error}", row.name);
            }
        }
    }
    if failed { Err("some rows were not measured".into()) } else { Ok(()) }
}
