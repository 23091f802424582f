//! `[operations]`: the listener for those who run the server. Not there unless asked for; on an address that others can
//! reach only with a token, which does not cross a network in clear where the posture asks for more.

use std::net::SocketAddr;

use polder_types::Secret;

use super::{Listener, read::Reader};
use crate::posture::Posture;

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

    pub(super) fn check(&self, posture: Posture, listener: &Listener, errors: &mut Vec<String>) {
        let distant = self.listen.filter(|listen| !listen.ip().is_loopback());
        // SECURITY: as the doors' own listener, whose TLS it uses.
        if let Some(listen) = distant
            && posture.requires_tls()
            && listener.tls.is_none()
            && !listener.behind_proxy
        {
            errors.push(format!(
                "`operations.listen`: {listen} can be reached from other hosts: set `server.tls`, which it uses too, or \
                 `server.behind_proxy = true` if a proxy in front of the doors speaks TLS and the way to this one is inside"
            ));
        }
        // SECURITY: what is meant for the inside is not open to the outside by an oversight (R20).
        if let (Some(listen), None) = (distant, &self.token) {
            errors.push(format!(
                "`operations.listen`: {listen} can be reached from other hosts: give `operations.token_file` too"
            ));
        }
        if self.listen.is_none() && self.token.is_some() {
            errors.push("`operations.token` is of no use without `operations.listen`".to_owned());
        }
        if self.token.as_ref().is_some_and(|token| token.expose().len() < TOKEN_BYTES_MIN) {
            errors.push(format!("`operations.token`: the token is shorter than {TOKEN_BYTES_MIN} bytes"));
        }
    }
}
