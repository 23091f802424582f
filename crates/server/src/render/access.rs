//! Keys and signing settings on the wire: in `config`, where older clients look, and in `storage-credentials`. The one
//! place that writes keys into an answer; no cache may keep it.

use std::collections::BTreeMap;

use axum::response::Response;
use http::StatusCode;
use polder_catalog::credentials::{StorageCredential, TableAccess};
use polder_types::Result;
use serde::Serialize;

use crate::routes::iceberg::access::Endpoints;

/// Access with the places where its client asks again.
pub(crate) struct Delegated {
    pub(crate) access: TableAccess,
    pub(crate) endpoints: Endpoints,
}

/// `StorageCredential`.
#[derive(Serialize)]
pub(crate) struct WireCredential<'a> {
    prefix: &'a str,
    config: BTreeMap<&'a str, String>,
}

/// `LoadCredentialsResponse`.
#[derive(Serialize)]
struct LoadCredentialsResponse<'a> {
    #[serde(rename = "storage-credentials")]
    storage_credentials: Vec<WireCredential<'a>>,
}

/// The keys of a table.
///
/// # Errors
/// As [`super::json`].
pub(crate) fn credentials(delegated: &Delegated) -> Result<Response> {
    let body = LoadCredentialsResponse { storage_credentials: delegated.credentials() };
    super::secret_json(StatusCode::OK, &body)
}

impl Delegated {
    /// `storage-credentials`.
    pub(crate) fn credentials(&self) -> Vec<WireCredential<'_>> {
        let TableAccess::Credentials(found) = &self.access else { return Vec::new() };
        found.iter().map(|one| WireCredential { prefix: &one.prefix, config: self.config_of(one) }).collect()
    }

    /// True if the client is to ask for signatures.
    pub(super) fn signs(&self) -> bool {
        matches!(self.access, TableAccess::Signing)
    }

    /// What `config` holds besides what everybody gets. Of signing, the older way to tell it: clients of today read this one.
    pub(super) fn config(&self) -> BTreeMap<&str, String> {
        match &self.access {
            TableAccess::Credentials(found) => found.iter().flat_map(|one| self.config_of(one)).collect(),
            TableAccess::Signing => BTreeMap::from([
                ("s3.remote-signing-enabled", "true".to_owned()),
                ("s3.signer", "S3V4RestSigner".to_owned()),
                ("s3.signer.endpoint", self.endpoints.sign.clone()),
                ("signer.endpoint", self.endpoints.sign.clone()),
            ]),
        }
    }

    fn config_of<'a>(&'a self, one: &'a StorageCredential) -> BTreeMap<&'a str, String> {
        let mut config: BTreeMap<&str, String> =
            one.settings.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        // SECURITY: the one place where keys of clients are taken out of their wrapping.
        config.extend(one.secrets.iter().map(|(name, secret)| (*name, secret.expose().to_owned())));
        config.insert("s3.session-token-expires-at-ms", one.expires_at.millis().to_string());
        config.insert("client.refresh-credentials-endpoint", self.endpoints.credentials.clone());
        config
    }
}
