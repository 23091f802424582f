//! Configuration: one TOML file, `POLDER_` environment variables over it. Unknown keys are refused with a suggestion,
//! and all errors are told at once. The one place that reads the environment.

mod read;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use polder_types::{Error, Result};

use crate::access_log::Target;
use read::Reader;

/// What the variables of the server begin with; `limits.connections_max` is `POLDER_LIMITS_CONNECTIONS_MAX`.
const PREFIX: &str = "POLDER_";
/// Variables of the client commands and of tests, which are no settings of the server.
const OTHER_VARIABLES: [&str; 3] = ["POLDER_URL", "POLDER_CREDENTIAL", "POLDER_BIN"];
const CREDENTIAL: &str = "POLDER_CREDENTIAL";

/// How the server runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens; a loopback address.
    pub listen: SocketAddr,
    /// Where the database and managed warehouses are kept.
    pub data_dir: PathBuf,
    /// The file of the root key, mode 0600.
    pub root_key_file: PathBuf,
    /// Where the access log goes.
    pub access_log: Target,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds of the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most connections at a time; further ones wait to be accepted.
    pub connections_max: usize,
    /// How long the body of a request may take to arrive (a large one longer, by its stated length).
    pub body_max: Duration,
    /// How long a shutdown waits for requests and commits.
    pub shutdown_max: Duration,
    /// Bound of the metadata cache, in bytes.
    pub metadata_cache_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            body_max: Duration::from_secs(10),
            shutdown_max: Duration::from_secs(30),
            metadata_cache_bytes_max: polder_catalog::METADATA_CACHE_BYTES_DEFAULT,
        }
    }
}

impl Config {
    /// Everything below one directory, as the demo and tests run it; the access log goes there too.
    #[must_use]
    pub fn embedded(data: &Path, listen: SocketAddr) -> Self {
        Self {
            listen,
            data_dir: data.to_owned(),
            root_key_file: data.join("root.key"),
            access_log: Target::File(data.join("access.log")),
            limits: Limits::default(),
        }
    }

    /// Reads the file, if one is named, and the environment over it.
    ///
    /// # Errors
    /// `Invalid` with every error found.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path).map_err(|error| {
                Error::invalid("configuration", format!("cannot read `{}`: {error}", path.display()))
            })?,
            None => String::new(),
        };
        Self::parse(&text, &environment())
            .map_err(|errors| Error::invalid("configuration", format!("configuration:\n  {}", errors.join("\n  "))))
    }

    /// Reads a file's text and variables over it.
    ///
    /// # Errors
    /// Every error found, in words.
    pub(crate) fn parse(text: &str, variables: &[(String, String)]) -> Result<Self, Vec<String>> {
        let mut reader = Reader::new(text, variables);
        let defaults = Limits::default();
        let data_dir: PathBuf = reader.text("data_dir").map_or_else(|| ".polder".into(), PathBuf::from);
        let default_key = data_dir.join("root.key");
        let config = Self {
            listen: reader.parsed("listen", "an address such as `127.0.0.1:8181`").unwrap_or(default_listen()),
            root_key_file: reader.text("root_key_file").map_or(default_key, PathBuf::from),
            access_log: reader.text("access_log").map_or(Target::Stderr, |text| match text.as_str() {
                "stderr" => Target::Stderr,
                path => Target::File(path.into()),
            }),
            limits: Limits {
                connections_max: reader
                    .number("limits.connections_max", 1..=1_000_000)
                    .and_then(|n| usize::try_from(n).ok())
                    .unwrap_or(defaults.connections_max),
                body_max: reader
                    .number("limits.body_seconds_max", 1..=3_600)
                    .map_or(defaults.body_max, Duration::from_secs),
                shutdown_max: reader
                    .number("limits.shutdown_seconds_max", 1..=3_600)
                    .map_or(defaults.shutdown_max, Duration::from_secs),
                metadata_cache_bytes_max: reader
                    .number("limits.metadata_cache_mb_max", 1..=1_048_576)
                    .map_or(defaults.metadata_cache_bytes_max, |mb| mb.saturating_mul(1024 * 1024)),
            },
            data_dir,
        };
        // SECURITY: nothing but loopback until the posture of a deployment can be stated.
        if !config.listen.ip().is_loopback() {
            reader.error("`listen`: this version serves loopback addresses only; put a proxy on this host in front");
        }
        reader.finish().map(|()| config)
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8_181)
}

/// The variables of the server.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(PREFIX) && !OTHER_VARIABLES.contains(&name.as_str()))
        .collect()
}

/// The credential `id:secret` of the client commands; a blank variable counts as unset.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn credential_from_environment() -> Option<String> {
    std::env::var(CREDENTIAL).ok().filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests;
