//! `polder demo`: starts the whole server on loopback and then acts as its own first users through the HTTP doors.
//! Knows nothing that a stranger with the printed credentials could not do too.

mod load;
mod setup;
mod show;
mod state;
mod tpch;

use std::{io::IsTerminal, net::SocketAddr, path::PathBuf};

use clap::Args;
use polder_types::{Error, Result};
use serde_json::json;

use crate::{
    cli::print,
    client::Client,
    serve::{self, RunningServer},
};

/// Largest scale factor: the generator's rows pass through memory.
const SCALE_MAX: f64 = 1.0;

/// Flags of `polder demo`.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Where to listen (loopback only)
    #[arg(long, default_value = "127.0.0.1:8181")]
    listen: SocketAddr,
    /// Where everything is kept
    #[arg(long, default_value = ".polder")]
    data: PathBuf,
    /// TPC-H scale factor of a new demo, up to 1
    #[arg(long, default_value_t = 0.01)]
    scale: f64,
    /// Leave after printing instead of staying up
    #[arg(long)]
    exit: bool,
    /// Print one JSON object on stdout once ready, instead of the story
    #[arg(long)]
    json: bool,
}

/// A progress line on a terminal, nothing in a pipe.
pub(crate) struct Progress {
    shown: bool,
}

impl Progress {
    #[allow(clippy::print_stderr, reason = "the progress line is for the terminal")]
    fn step(&self, what: &str) {
        if self.shown {
            eprint!("\r\x1b[2Kpreparing: {what}");
        }
    }

    #[allow(clippy::print_stderr, reason = "the progress line is for the terminal")]
    fn done(&self) {
        if self.shown {
            eprint!("\r\x1b[2K");
        }
    }
}

/// Runs the demo until it is stopped (or, with `--exit`, until it has printed).
///
/// # Errors
/// Whatever keeps the server from starting, or a step of the story that fails.
pub(crate) async fn run(demo: &Demo) -> Result<()> {
    if !(demo.scale > 0.0 && demo.scale <= SCALE_MAX) {
        return Err(Error::invalid("usage", format!("the scale is above 0 and at most {SCALE_MAX}")));
    }
    let mut state = state::State::prepare(&demo.data)?;
    let server = serve::start_embedded(&demo.data, demo.listen).await?;
    let told = tell(demo, &mut state, &server).await;
    if told.is_ok() && !demo.exit {
        serve::until_stopped().await;
    }
    server.shutdown().await;
    told
}

async fn tell(demo: &Demo, state: &mut state::State, server: &RunningServer) -> Result<()> {
    if let Some(credential) = server.bootstrap("operator", "root").await? {
        state.remember(setup::OPERATOR, &credential)?;
    }
    let base_url = format!("http://{}", server.address());
    let iceberg_uri = format!("{base_url}/iceberg");
    let progress = Progress { shown: std::io::stderr().is_terminal() };
    let target = setup::Target { base_url: &base_url, iceberg_uri: &iceberg_uri };
    let prepared = setup::run(&target, state, demo.scale, &progress).await;
    progress.done();
    prepared?;
    if demo.json {
        print::line(&ready(state, &base_url, &iceberg_uri)?.to_string());
        return Ok(());
    }
    let client = |holder: &str| -> Result<Client> {
        let credential = state.credential(holder).ok_or_else(|| Error::internal("a credential is missing"))?;
        Client::new(&base_url, None, &credential).map_err(|error| Error::internal(error.to_string()))
    };
    let (admin, analyst) = (client("admin")?, client("analyst")?);
    let story = show::Story {
        base_url: &base_url,
        iceberg_uri: &iceberg_uri,
        admin: &admin,
        analyst: &analyst,
        credentials_file: state.path(),
    };
    story.tell().await?;
    if !demo.exit {
        print::line("\nThe server stays up; stop it with Ctrl-C. A second start finds its data.");
    }
    Ok(())
}

/// What `--json` prints.
fn ready(state: &state::State, base_url: &str, iceberg_uri: &str) -> Result<serde_json::Value> {
    let principal = |holder: &str, tenant: &str| {
        let credential = state.credential(holder).ok_or_else(|| Error::internal("a credential is missing"))?;
        Ok::<_, Error>(json!({"credential": credential.expose(), "tenant": tenant}))
    };
    Ok(json!({
        "base_url": base_url,
        "iceberg_uri": iceberg_uri,
        "warehouse": setup::WAREHOUSE,
        "namespace": setup::NAMESPACE,
        "restricted_table": setup::RESTRICTED_TABLE,
        "principals": {
            "admin": principal("admin", setup::TENANT)?,
            "engineer": principal("engineer", setup::TENANT)?,
            "analyst": principal("analyst", setup::TENANT)?,
            "stranger": principal("stranger", setup::OTHER_TENANT)?,
        },
    }))
}
