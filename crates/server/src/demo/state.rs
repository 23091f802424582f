//! What the demo remembers between starts: the credentials it made. One file of mode 0600 in the data directory.

use std::{
    collections::BTreeMap,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::PathBuf,
};

use polder_types::{Error, Result, Secret};

/// Name of the file.
const FILE: &str = "demo-credentials.json";

/// Credentials by the name of their holder, saved after each change.
pub(super) struct State {
    path: PathBuf,
    credentials: BTreeMap<String, String>,
}

impl State {
    /// Makes the data directory (mode 0700) if needed and loads what is there.
    pub(super) fn prepare(data: &std::path::Path) -> Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(Error::internal)?;
        let data = data.canonicalize().map_err(Error::internal)?;
        Self::load(&data)
    }

    /// Where it is kept.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Reads the file, or begins anew.
    ///
    /// # Errors
    /// `Invalid` if it is there but is no such file, or may be read by others.
    fn load(data: &std::path::Path) -> Result<Self> {
        let path = data.join(FILE);
        let bad = |why: String| Error::invalid("demo_state", format!("`{}` {why}", path.display()));
        let credentials = match std::fs::read(&path) {
            Ok(bytes) => {
                let mode =
                    std::fs::metadata(&path).map_err(|e| bad(format!("cannot be read: {e}")))?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(bad("can be read by others; make it mode 0600".to_owned()));
                }
                serde_json::from_slice(&bytes).map_err(|_| bad("is not a credentials file of the demo".to_owned()))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(bad(format!("cannot be read: {error}"))),
        };
        Ok(Self { path, credentials })
    }

    /// The credential of a holder, `id:secret`.
    pub(super) fn credential(&self, holder: &str) -> Option<Secret> {
        self.credentials.get(holder).cloned().map(Secret::new)
    }

    /// Remembers a credential; on disk before this returns.
    pub(super) fn remember(&mut self, holder: &str, credential: &Secret) -> Result<()> {
        self.credentials.insert(holder.to_owned(), credential.expose().to_owned());
        let text = serde_json::to_vec_pretty(&self.credentials).map_err(Error::internal)?;
        let fresh = self.path.with_extension("new");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)
            .map_err(Error::internal)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(Error::internal)?;
        std::fs::rename(&fresh, &self.path).map_err(Error::internal)
    }
}
