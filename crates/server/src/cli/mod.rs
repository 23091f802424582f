//! The client commands: `polder noun verb`, over HTTP. Data goes to stdout, messages to stderr.

mod csv;
mod nouns;
pub(crate) mod print;
pub(crate) mod query;

use clap::{Args, Subcommand};
use polder_types::Secret;

use crate::client::{Client, ClientError};

/// Where the server is and who is asking. No secret is ever a flag.
#[derive(Args, Debug)]
pub(crate) struct Connection {
    /// Address of the server
    #[arg(long, env = "POLDER_URL", default_value = "http://127.0.0.1:8181", global = true)]
    url: String,
    /// File that holds the credential `id:secret`; without it, POLDER_CREDENTIAL is read
    #[arg(long, global = true, value_name = "FILE")]
    credential_file: Option<std::path::PathBuf>,
    /// Certificates in PEM, one of which must have signed the server's (default: those that the host trusts)
    #[arg(long, global = true, value_name = "FILE")]
    ca_file: Option<std::path::PathBuf>,
    /// Print the server's JSON answer
    #[arg(long, global = true)]
    json: bool,
}

impl Connection {
    fn client(&self) -> Result<Client, ClientError> {
        let read = |path: &std::path::PathBuf| {
            std::fs::read_to_string(path)
                .map_err(|error| ClientError::Usage(format!("cannot read `{}`: {error}", path.display())))
        };
        let ca = self.ca_file.as_ref().map(read).transpose()?;
        let text = match &self.credential_file {
            Some(path) => read(path)?,
            None => crate::config::credential_from_environment().ok_or_else(|| {
                ClientError::Usage(
                    "no credential: set POLDER_CREDENTIAL to `id:secret`, or give --credential-file".to_owned(),
                )
            })?,
        };
        Client::new(&self.url, ca.as_deref().map(str::as_bytes), &Secret::new(text.trim().to_owned()))
    }
}

/// Every noun.
#[derive(Subcommand, Debug)]
pub(crate) enum Noun {
    /// Tenants (the operator only)
    #[command(subcommand)]
    Tenant(nouns::Tenant),
    /// Warehouses
    #[command(subcommand)]
    Warehouse(nouns::Warehouse),
    /// Principals: users and services
    #[command(subcommand)]
    Principal(nouns::Principal),
    /// API keys
    #[command(subcommand)]
    Key(nouns::Key),
    /// Roles and who holds them
    #[command(subcommand)]
    Role(nouns::Role),
    /// Grants: privileges of roles on objects
    #[command(subcommand)]
    Grant(nouns::Grant),
    /// Policies: row filters, masks, hidden columns
    #[command(subcommand)]
    Policy(nouns::Policy),
    /// Tables: release from quarantine
    #[command(subcommand)]
    Table(nouns::Table),
    /// Durable jobs: what deletes the files of purged tables
    #[command(subcommand)]
    Job(nouns::Job),
    /// What clients reported of their scans and commits
    #[command(subcommand)]
    Report(nouns::Report),
    /// The audit trail
    #[command(subcommand)]
    Audit(nouns::Audit),
    /// Runs one SQL query through the governed gateway
    Query(query::Query),
    /// Says in words how a query would be governed
    Explain(query::Explain),
}

/// Runs one client command; returns the exit code.
pub(crate) async fn run(connection: &Connection, noun: Noun) -> u8 {
    match execute(connection, noun).await {
        Ok(()) => 0,
        Err(error) => {
            print::message(&format!("polder: {error}"));
            error.exit_code()
        }
    }
}

async fn execute(connection: &Connection, noun: Noun) -> Result<(), ClientError> {
    let client = connection.client()?;
    match noun {
        Noun::Query(query) => query.run(&client, connection.json).await,
        Noun::Explain(explain) => explain.run(&client, connection.json).await,
        Noun::Tenant(verb) => print::answer(&verb.run(&client).await?, connection.json),
        Noun::Warehouse(verb) => print::answer(&verb.run(&client).await?, connection.json),
        Noun::Principal(verb) => print::answer(&verb.run(&client).await?, connection.json),
        Noun::Key(verb) => print::answer(&verb.run(&client).await?, connection.json),
        Noun::Role(verb) => print::answer(&verb.run(&client).await?, connection.json),
        Noun::Grant(verb) => print::answer(&verb.run(&client).await?, connection.json),
        Noun::Policy(verb) => print::answer(&verb.run(&client).await?, connection.json),
        Noun::Table(verb) => print::answer(&verb.run(&client).await?, connection.json),
        Noun::Job(verb) => print::answer(&verb.run(&client).await?, connection.json),
        Noun::Report(verb) => print::answer(&verb.run(&client).await?, connection.json),
        Noun::Audit(verb) => print::answer(&verb.run(&client).await?, connection.json),
    }
}
