//! `[auth]` and `debug`: whose word is believed. Refuses what contradicts itself, what nobody could enter by, and what
//! the posture forbids; reads keys once, at the start.

use polder_types::{Scopes, Secret};

use super::{Listener, read::Reader};
use crate::posture::Posture;

/// Fewest bytes of a shared secret: as many as the hash has (RFC 7518 §3.2).
const SECRET_BYTES_MIN: usize = 32;
/// What a key in PEM holds, a public one above all.
const PEM: &str = "-----BEGIN";

/// Whose credentials are believed.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Debug headers say who is asking, in development.
    pub debug: bool,
    /// Also on an address that other hosts can reach, behind a proxy, and under any name in `Host`.
    pub debug_any_address: bool,
    /// The server issues tokens itself, for API keys.
    pub builtin_issuer: bool,
    /// What `iss` of a user's token must be.
    pub issuer: Option<String>,
    /// What `aud` of every token must be.
    pub audience: Option<String>,
    /// What users' tokens are verified with.
    pub user_key: Option<UserKey>,
    /// The most that a user's token can do.
    pub scopes_max: Scopes,
    /// Where its claims are.
    pub claims: ClaimNames,
}

/// The key material of users' tokens. It alone decides the algorithm.
#[derive(Clone, Debug)]
pub enum UserKey {
    /// HS256.
    Hs256(Secret),
    /// RS256 or ES256, by what kind of public key the PEM text holds.
    Public(String),
}

/// The names of claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// The tenant; all of these that are there must agree.
    pub tenant: Vec<String>,
    /// The one warehouse that the token is for.
    pub workspace: String,
    /// The user.
    pub user: String,
    /// The name to show.
    pub display: String,
    /// Groups.
    pub groups: String,
    /// Scopes; all of these that are there must agree.
    pub scopes: Vec<String>,
}

impl Default for ClaimNames {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            tenant: names(&["tenant", "tid", "org_id"]),
            workspace: "workspace".to_owned(),
            user: "sub".to_owned(),
            display: "email".to_owned(),
            groups: "groups".to_owned(),
            scopes: names(&["scope", "scp"]),
        }
    }
}

impl Auth {
    /// API keys and tokens made from them, nothing else.
    pub(crate) fn builtin() -> Self {
        Self {
            debug: false,
            debug_any_address: false,
            builtin_issuer: true,
            issuer: None,
            audience: None,
            user_key: None,
            scopes_max: Scopes::data(),
            claims: ClaimNames::default(),
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let user_key = user_key(reader);
        let scopes_max = reader.parsed("auth.scopes_max", "a list of scopes such as `catalog`");
        Self {
            debug: reader.flag("debug").unwrap_or(false),
            debug_any_address: reader.flag("debug_any_address").unwrap_or(false),
            builtin_issuer: reader.flag("auth.builtin_issuer").unwrap_or(true),
            issuer: reader.text("auth.issuer"),
            audience: reader.text("auth.audience"),
            user_key,
            scopes_max: scopes_max.unwrap_or(Scopes::data()),
            claims: ClaimNames::read(reader),
        }
    }

    pub(super) fn check(&self, posture: Posture, listener: &Listener, errors: &mut Vec<String>) {
        if self.debug && !posture.allows_debug() {
            errors.push("`debug` (POLDER_DEBUG) is for development alone: environment `dev`, not public".to_owned());
        }
        // A proxy on this host lets in whom it likes.
        let local = listener.address.ip().is_loopback() && !listener.behind_proxy;
        if self.debug && !local && !self.debug_any_address {
            errors.push(format!(
                "`debug` (POLDER_DEBUG): everybody who reaches {} would be believed; listen on loopback without \
                 `server.behind_proxy`, or set `debug_any_address = true`",
                listener.address
            ));
        }
        if !self.debug && !self.builtin_issuer && self.user_key.is_none() {
            errors.push(
                "`auth`: nobody could enter: set `auth.hs256_secret_file` or `auth.public_key_file`, or leave \
                 `auth.builtin_issuer` on"
                    .to_owned(),
            );
        }
        if !self.builtin_issuer && self.user_key.is_none() && (self.issuer.is_some() || self.audience.is_some()) {
            errors.push("`auth.issuer` and `auth.audience` are of no use without a key for users' tokens".to_owned());
        }
        for (name, value) in [("auth.issuer", &self.issuer), ("auth.audience", &self.audience)] {
            let blank = value.as_ref().is_none_or(|text| text.trim().is_empty());
            if blank && (value.is_some() || posture.requires_issuer_and_audience()) {
                let variable = name.replace('.', "_").to_uppercase();
                errors.push(format!("`{name}` (POLDER_{variable}) is missing: outside development it must be set"));
            }
        }
        if let Some(UserKey::Hs256(secret)) = &self.user_key {
            if secret.expose().len() < SECRET_BYTES_MIN {
                errors.push(format!("`auth.hs256_secret`: the secret is shorter than {SECRET_BYTES_MIN} bytes"));
            }
            // SECURITY: what everybody may read signs nothing (R28).
            if secret.expose().contains(PEM) {
                errors.push("`auth.hs256_secret` holds a key in PEM; give it as `auth.public_key_file`".to_owned());
            }
        }
    }
}

impl ClaimNames {
    fn read(reader: &mut Reader<'_>) -> Self {
        let defaults = Self::default();
        Self {
            tenant: reader.list("auth.claims.tenant").unwrap_or(defaults.tenant),
            workspace: reader.text("auth.claims.workspace").unwrap_or(defaults.workspace),
            user: reader.text("auth.claims.user").unwrap_or(defaults.user),
            display: reader.text("auth.claims.display").unwrap_or(defaults.display),
            groups: reader.text("auth.claims.groups").unwrap_or(defaults.groups),
            scopes: reader.list("auth.claims.scopes").unwrap_or(defaults.scopes),
        }
    }
}

fn user_key(reader: &mut Reader<'_>) -> Option<UserKey> {
    let secret = reader.secret("auth.hs256_secret").map(UserKey::Hs256);
    let public = reader.text("auth.public_key_file").and_then(|path| match std::fs::read_to_string(&path) {
        Ok(text) => Some(UserKey::Public(text)),
        Err(error) => {
            reader.error(format!("`auth.public_key_file`: cannot read `{path}`: {error}"));
            None
        }
    });
    if reader.text("auth.jwks_url").is_some() {
        reader.error("`auth.jwks_url` is not supported yet; give the issuer's key as `auth.public_key_file`");
    }
    if secret.is_some() && public.is_some() {
        reader
            .error("`auth.hs256_secret` and `auth.public_key_file` contradict each other: a token has one kind of key");
    }
    secret.or(public)
}
