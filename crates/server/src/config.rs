//! Configuration: one TOML file, `POLDER_` environment variables over it, one struct a concern. Unknown keys are refused
//! with a suggestion, and all errors are told at once. The one place that reads the environment.

mod auth;
mod database;
mod limits;
mod listener;
mod operations;
mod read;
mod storage;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use polder_types::{Error, Result};

pub use auth::{Auth, ClaimNames, UserKey};
pub use database::Database;
pub use limits::Limits;
pub use listener::{Listener, Tls};
pub use operations::Operations;
pub use polder_catalog::{AssumeRole, S3Profile};
pub use storage::StorageSettings;

use crate::{
    access_log::Target,
    posture::{Environment, Posture},
};
use read::{LookUp, Reader};

/// What the variables of the server begin with; `limits.connections_max` is `POLDER_LIMITS_CONNECTIONS_MAX`.
const PREFIX: &str = "POLDER_";
/// Variables of the client commands and of tests, which are no settings of the server.
const OTHER_VARIABLES: [&str; 3] = ["POLDER_URL", "POLDER_CREDENTIAL", "POLDER_BIN"];
const CREDENTIAL: &str = "POLDER_CREDENTIAL";

/// How the server runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// How careful it has to be.
    pub posture: Posture,
    /// Where the doors are.
    pub listener: Listener,
    /// Whose word is believed.
    pub auth: Auth,
    /// The listener for those who run it.
    pub operations: Operations,
    /// Where the database is kept, and managed warehouses unless `storage` says otherwise.
    pub data_dir: PathBuf,
    /// The metadata database.
    pub database: Database,
    /// The file of the root key, mode 0600.
    pub root_key_file: PathBuf,
    /// Where the access log goes.
    pub access_log: Target,
    /// Bounds.
    pub limits: Limits,
    /// Where warehouses are kept.
    pub storage: StorageSettings,
}

impl Config {
    /// Everything below one directory, as the demo and tests run it: in development, not public; the access log goes
    /// there too.
    #[must_use]
    pub fn embedded(data: &Path, listen: SocketAddr) -> Self {
        Self {
            posture: Posture::of(Environment::Dev, false),
            listener: Listener::plain(listen),
            auth: Auth::builtin(),
            operations: Operations::default(),
            data_dir: data.to_owned(),
            database: Database::Embedded,
            root_key_file: data.join("root.key"),
            access_log: Target::File(data.join("access.log")),
            limits: Limits::default(),
            storage: StorageSettings::default(),
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
        Self::parse(&text, &environment(), &variable).map_err(|errors| told(&errors))
    }

    /// Reads a file's text and variables over it.
    ///
    /// # Errors
    /// Every error found, in words.
    fn parse(text: &str, variables: &[(String, String)], look_up: LookUp<'_>) -> Result<Self, Vec<String>> {
        let mut reader = Reader::new(text, variables, look_up);
        let posture = posture(&mut reader);
        let data_dir: PathBuf = reader.text("data_dir").map_or_else(|| ".polder".into(), PathBuf::from);
        let default_key = data_dir.join("root.key");
        let listener = Listener::read(&mut reader);
        let auth = Auth::read(&mut reader);
        let operations = Operations::read(&mut reader);
        let root_key_file = reader.text("root_key_file").map_or(default_key, PathBuf::from);
        let access_log = reader.text("access_log").map_or(Target::Stderr, |text| match text.as_str() {
            "stderr" => Target::Stderr,
            path => Target::File(path.into()),
        });
        let database = Database::read(&mut reader);
        let limits = Limits::read(&mut reader);
        let storage = StorageSettings::read(&mut reader);
        let mut errors = reader.finish();
        // Without a posture nothing runs: its errors are in the list already.
        let Some(posture) = posture else { return Err(errors) };
        let config = Self {
            posture,
            listener,
            auth,
            operations,
            data_dir,
            database,
            root_key_file,
            access_log,
            limits,
            storage,
        };
        errors.extend(config.contradictions());
        if errors.is_empty() { Ok(config) } else { Err(errors) }
    }

    /// Refuses settings that do not go together, or not with the posture: whoever starts a server asks here first.
    ///
    /// # Errors
    /// `Invalid` with every error found.
    pub(crate) fn check(&self) -> Result<()> {
        let errors = self.contradictions();
        if errors.is_empty() { Ok(()) } else { Err(told(&errors)) }
    }

    fn contradictions(&self) -> Vec<String> {
        let mut errors = Vec::new();
        self.listener.check(self.posture, &mut errors);
        self.auth.check(self.posture, &self.listener, &mut errors);
        self.operations.check(self.posture, &self.listener, &mut errors);
        errors
    }
}

/// Both are required: a deployment that does not say where it is gets no defaults.
fn posture(reader: &mut Reader<'_>) -> Option<Posture> {
    const ENVIRONMENT: &str = "`dev`, `staging` or `prod`";
    const PUBLIC: &str = "`true` if the public can reach the listener, else `false`";
    let environment = reader.required("environment", ENVIRONMENT);
    let public = reader.required("api_public", PUBLIC);
    let environment = environment.and_then(|text| {
        let parsed = text.parse::<Environment>();
        parsed.map_err(|()| reader.invalid("environment", ENVIRONMENT)).ok()
    });
    let public = public.and_then(|text| {
        let parsed = text.parse::<bool>();
        parsed.map_err(|_| reader.invalid("api_public", PUBLIC)).ok()
    });
    Some(Posture::of(environment?, public?))
}

fn told(errors: &[String]) -> Error {
    Error::invalid("configuration", format!("configuration:\n  {}", errors.join("\n  ")))
}

/// The variables of the server.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(PREFIX) && !OTHER_VARIABLES.contains(&name.as_str()))
        .collect()
}

/// A variable that a setting names.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The credential `id:secret` of the client commands; a blank variable counts as unset.
pub(crate) fn credential_from_environment() -> Option<String> {
    variable(CREDENTIAL).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests;
