//! Proof under faults, from outside: drives the built program over HTTP like any client, kills it, fails its disk, hangs
//! up on it, and compares every answer with what is there afterwards. Depends on no crate of the product, so that the
//! checker cannot share its bugs. What each command proves: `docs/runbooks/faults.md`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks through them")]
#![allow(
    clippy::disallowed_methods,
    reason = "a developer's tool, outside the server's rules on clock, tasks, environment and HTTP clients"
)]

mod audit;
mod chain;
mod check;
mod client;
mod failure;
mod faults;
mod hangups;
mod history;
mod kills;
mod own;
mod postgres;
mod program;
mod shim;
mod verify;
mod world;
mod writers;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::{Parser, Subcommand};

/// Proof under faults against the built program.
#[derive(Parser)]
#[command(name = "polder-soak")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    options: Options,
}

/// What every command takes.
#[derive(clap::Args, Clone)]
struct Options {
    /// The program to drive.
    #[arg(long, global = true, default_value = "target/debug/polder")]
    bin: PathBuf,
    /// Where randomness begins; by default the clock.
    #[arg(long, global = true)]
    seed: Option<u64>,
    /// The metadata database: SQLite, or a PostgreSQL cluster that is made for the run.
    #[arg(long, global = true, value_enum, default_value_t = Database::Sqlite)]
    database: Database,
    /// Leaves the directory with everything in it.
    #[arg(long, global = true)]
    keep: bool,
}

/// Which metadata database the server uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

#[derive(Subcommand)]
enum Command {
    /// SIGKILL at random moments under many writers.
    Kills(kills::Changes),
    /// Readers and writers on few tables, with a few kills: every answer is compared with the final chains.
    History(kills::Changes),
    /// Kills, power failures and errors of the disk at each call of one operation.
    Faults(faults::Plan),
    /// Clients that hang up at random moments.
    Hangups(hangups::Plan),
    /// The short forms of all.
    Short,
}

/// One proof to run.
enum Proof {
    Kills(kills::Plan),
    History(kills::Plan),
    Faults(faults::Plan),
    Hangups(hangups::Plan),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { command, mut options } = Cli::parse();
    let seed = *options.seed.get_or_insert_with(clock_seed);
    let proofs = match command {
        Command::Kills(changes) => vec![Proof::Kills(kills::Plan::KILLS.with(changes))],
        Command::History(changes) => vec![Proof::History(kills::Plan::HISTORY.with(changes))],
        Command::Faults(plan) => vec![Proof::Faults(plan)],
        Command::Hangups(plan) => vec![Proof::Hangups(plan)],
        Command::Short => vec![
            Proof::Faults(faults::Plan { full: false }),
            Proof::Hangups(hangups::Plan { hangups: 200, clients: 8 }),
            Proof::History(kills::Plan::HISTORY.short(25)),
            Proof::Kills(kills::Plan::KILLS.short(75)),
        ],
    };
    let (mut passed, mut failed) = (0, 0);
    for proof in proofs {
        if proof.tell(&options, seed).await { passed += 1 } else { failed += 1 }
    }
    println!("test result: {}. {passed} passed; {failed} failed", if failed == 0 { "ok" } else { "FAILED" });
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Proof {
    fn name(&self) -> &'static str {
        match self {
            Self::Kills(_) => "kills",
            Self::History(_) => "history",
            Self::Faults(_) => "faults",
            Self::Hangups(_) => "hangups",
        }
    }

    /// Runs it and says how it went; true if nothing was found.
    async fn tell(&self, options: &Options, seed: u64) -> bool {
        let (name, began) = (self.name(), Instant::now());
        println!("{name}: seed {seed}, {:?}, against `{}`", options.database, options.bin.display());
        let outcome = match self {
            Self::Kills(plan) | Self::History(plan) => kills::run(plan, options, seed).await,
            Self::Faults(plan) => faults::run(plan, options, seed).await,
            Self::Hangups(plan) => hangups::run(plan, options, seed).await,
        };
        let seconds = began.elapsed().as_secs_f64();
        match &outcome {
            Ok(summary) => println!("{name}: ok in {seconds:.1} s: {summary}"),
            Err(failure) => println!("{name}: FAILED after {seconds:.1} s, seed {seed}: {failure}"),
        }
        outcome.is_ok()
    }
}

fn clock_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_micros() as u64
}
