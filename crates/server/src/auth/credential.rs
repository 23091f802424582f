//! Credentials as they stand in headers and forms. Parses; checks nothing.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;
use polder_types::{KeyId, Secret};

/// Most bytes of an `Authorization` header.
const HEADER_BYTES_MAX: usize = 4_096;
/// What every secret of an API key begins with; the key's id follows.
const KEY_PREFIX: &str = "polder_";
/// Characters of a key's id after its own prefix.
const KEY_ID_CHARS: usize = 20;

/// A credential that was presented.
pub(crate) enum Credential {
    /// An access token.
    Token(Secret),
    /// An API key.
    Key {
        /// Its public part.
        id: KeyId,
        /// Its secret.
        secret: Secret,
    },
}

impl Credential {
    /// Reads `Bearer <token or secret of a key>` or `Basic <id:secret>`; the scheme in any case (RFC 9110 §11.1).
    pub(crate) fn parse(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok().filter(|text| text.len() <= HEADER_BYTES_MAX)?;
        let (scheme, rest) = text.split_once(' ')?;
        let rest = rest.trim_start_matches(' ');
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Self::bearer(rest));
        }
        scheme.eq_ignore_ascii_case("basic").then(|| Self::basic(rest))?
    }

    fn bearer(text: &str) -> Self {
        let secret = Secret::new(text.to_owned());
        match key_of(&secret) {
            Some(id) => Self::Key { id, secret },
            None => Self::Token(secret),
        }
    }

    fn basic(encoded: &str) -> Option<Self> {
        let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (id, secret) = decoded.split_once(':')?;
        Some(Self::Key { id: id.parse().ok()?, secret: Secret::new(secret.to_owned()) })
    }
}

/// The id that the secret of an API key names: `polder_<id>_…`.
pub(crate) fn key_of(secret: &Secret) -> Option<KeyId> {
    let id = secret.expose().strip_prefix(KEY_PREFIX)?.get(..KEY_ID_CHARS)?;
    format!("pk_{id}").parse().ok()
}

#[cfg(test)]
mod tests;
