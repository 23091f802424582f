//! `[operations]`: the listener for those who run the server. Not there unless asked for; on an address that others can
//! reach only with a token.

use std::net::SocketAddr;

use polder_types::Secret;

use super::read::Reader;

/// Fewest bytes of the token.
const TOKEN_BYTES_MIN: usize = 16;

/// The operations listener.
#[derive(Clone, Debug, Default)]
pub struct Operations {
    /// Where it listens; `None` for not at all.
    pub listen: Option<SocketAddr>,
    /// The bearer token that it asks for.
    pub token: Option<Secret>,
}

impl Operations {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            listen: reader.parsed("operations.listen", "an address such as `127.0.0.1:9090`"),
            token: reader.secret("operations.token"),
        }
    }

    pub(super) fn check(&self, errors: &mut Vec<String>) {
        match (self.listen, &self.token) {
            (None, Some(_)) => errors.push("`operations.token` is of no use without `operations.listen`".to_owned()),
            // SECURITY: what is meant for the inside is not open to the outside by an oversight (R20).
            (Some(listen), None) if !listen.ip().is_loopback() => errors.push(format!(
                "`operations.listen`: {listen} can be reached from other hosts: give `operations.token_file` too"
            )),
            _ => {}
        }
        if self.token.as_ref().is_some_and(|token| token.expose().len() < TOKEN_BYTES_MIN) {
            errors.push(format!("`operations.token`: the token is shorter than {TOKEN_BYTES_MIN} bytes"));
        }
    }
}
