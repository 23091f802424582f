//! The program `polder`: which command runs, and with what exit code.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use polder_types::{Error, Result};
use tracing_subscriber::filter::LevelFilter;

use crate::{
    cli::{self, print},
    config::Config,
    demo, serve,
};

/// Governed ground for a data lake: an Iceberg REST catalog, a governed query gateway, and the audit of both.
#[derive(Parser)]
#[command(name = "polder", version)]
struct Program {
    #[command(flatten)]
    connection: cli::Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes the data directory, the root key and the operator's tenant; prints the first credential once
    Init {
        /// The configuration file
        #[arg(long)]
        config: Option<PathBuf>,
        /// The operator's tenant
        #[arg(long, default_value = "operator")]
        tenant: String,
        /// Its first administrator
        #[arg(long, default_value = "admin")]
        admin: String,
    },
    /// Runs the server
    Serve {
        /// The configuration file
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Shows the main job on sample data, then stays up
    Demo(demo::Demo),
    #[command(flatten)]
    Client(cli::Noun),
}

/// Runs the program with the arguments of the process.
#[must_use]
pub fn run() -> ExitCode {
    serve::tls::install_provider();
    let Program { connection, command } = Program::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&Error::internal(error)),
    };
    runtime.block_on(async {
        let outcome = match command {
            Command::Init { config, tenant, admin } => init(config, &tenant, &admin).await,
            Command::Serve { config } => serve(config).await,
            Command::Demo(flags) => {
                log_to_stderr(LevelFilter::WARN);
                demo::run(&flags).await
            }
            Command::Client(noun) => return ExitCode::from(cli::run(&connection, noun).await),
        };
        outcome.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
    })
}

async fn init(config: Option<PathBuf>, tenant: &str, admin: &str) -> Result<()> {
    log_to_stderr(LevelFilter::WARN);
    let config = Config::load(config.as_deref())?;
    match serve::init(&config, tenant, admin).await? {
        Some(credential) => {
            print::message(&format!("the credential of `{admin}`, shown this once:"));
            print::line(credential.expose());
        }
        None => print::message("the database has its tenants already; nothing was made"),
    }
    Ok(())
}

async fn serve(config: Option<PathBuf>) -> Result<()> {
    log_to_stderr(LevelFilter::INFO);
    let server = serve::start(&Config::load(config.as_deref())?).await?;
    serve::until_stopped().await;
    server.shutdown().await;
    Ok(())
}

/// JSON lines; the texts of panics stay out of them, since they may hold data.
fn log_to_stderr(level: LevelFilter) {
    tracing_subscriber::fmt().json().with_max_level(level).with_writer(std::io::stderr).init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}

fn failed(error: &Error) -> ExitCode {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    print::message(&format!("polder: {error}{cause}"));
    ExitCode::FAILURE
}
