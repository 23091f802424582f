//! A server in this process, on a free loopback port, below a directory of its own.

use std::path::Path;

use polder_server::{
    access_log::Target,
    config::{Config, Database},
    serve::{RunningServer, start},
};
use polder_types::Secret;
use tempfile::TempDir;

use crate::{Client, Credential};

/// A running server; its directory goes with it.
pub struct TestServer {
    base_url: String,
    certificate: Option<Vec<u8>>,
    operator: Credential,
    running: RunningServer,
    config: Config,
    directory: TempDir,
}

impl TestServer {
    /// Starts one with the usual settings.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts one with settings changed.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = TempDir::new().expect("a directory");
        let address = "127.0.0.1:0".parse().expect("an address");
        let mut config = Config::embedded(directory.path(), address);
        change(&mut config);
        let credential = polder_server::serve::init(&config, "operator", "root").await.expect("an installation");
        let operator = Credential::parse(credential.expect("a fresh database").expose());
        let running = start(&config).await.expect("a server");
        let certificate = config.listener.tls.as_ref().map(|tls| std::fs::read(&tls.cert_file).expect("a certificate"));
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let base_url = format!("{scheme}://{}", running.address());
        Self { base_url, certificate, operator, running, config, directory }
    }

    /// Starts a further node with the same settings but those changed: on one database, of one installation.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_node(&self, change: impl FnOnce(&mut Config)) -> RunningServer {
        let mut config = self.config.clone();
        config.access_log = Target::File(self.directory.path().join("node.log"));
        change(&mut config);
        start(&config).await.expect("a further node")
    }

    /// The URL of its PostgreSQL database.
    ///
    /// # Panics
    /// If it has none.
    #[must_use]
    pub fn database_url(&self) -> Secret {
        match &self.config.database {
            Database::Postgres(url) => url.clone(),
            Database::Embedded => panic!("a SQLite file has no URL"),
        }
    }

    /// Where it answers, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Where it keeps everything.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A caller without a credential.
    #[must_use]
    pub fn anonymous(&self) -> Client {
        Client::trusting(&self.base_url, self.certificate.as_deref())
    }

    /// The operator's first administrator.
    #[must_use]
    pub fn operator(&self) -> Client {
        self.anonymous().with_key(&self.operator)
    }

    /// Where the operations listener is, if there is one.
    #[must_use]
    pub fn operations(&self) -> Option<std::net::SocketAddr> {
        self.running.operations()
    }

    /// The operator's credential `id:secret`, for the program's own client.
    #[must_use]
    pub fn operator_credential(&self) -> String {
        format!("{}:{}", self.operator.id, self.operator.secret)
    }

    /// How many statements the store has run.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.running.statements()
    }

    /// Stops it as a signal would, and returns its directory, so that what it left can be looked at.
    pub async fn stop(self) -> TempDir {
        self.running.shutdown().await;
        self.directory
    }
}
