//! `listen` and `[server]`: where the doors are, and what protects the way to them. Refuses a way that others could
//! read where the posture asks for more.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use super::read::Reader;
use crate::posture::Posture;

/// The listener of the doors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// True if a proxy in front speaks TLS with the clients. Nothing that it says about them is believed.
    pub behind_proxy: bool,
    /// TLS of our own.
    pub tls: Option<Tls>,
}

/// The files of a TLS identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain of certificates in PEM, the server's own first.
    pub cert_file: PathBuf,
    /// Its private key in PEM.
    pub key_file: PathBuf,
}

impl Listener {
    /// Plain HTTP, as loopback allows.
    pub(super) fn plain(address: SocketAddr) -> Self {
        Self { address, behind_proxy: false, tls: None }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let address = reader.parsed("listen", "an address such as `127.0.0.1:8181`");
        let behind_proxy = reader.flag("server.behind_proxy").unwrap_or(false);
        let tls = match (reader.text("server.tls.cert_file"), reader.text("server.tls.key_file")) {
            (Some(cert), Some(key)) => Some(Tls { cert_file: cert.into(), key_file: key.into() }),
            (None, None) => None,
            _ => {
                reader.error("`server.tls.cert_file` and `server.tls.key_file` go together");
                None
            }
        };
        Self { address: address.unwrap_or(default_address()), behind_proxy, tls }
    }

    pub(super) fn check(&self, posture: Posture, errors: &mut Vec<String>) {
        let protected = self.address.ip().is_loopback() || self.tls.is_some() || self.behind_proxy;
        // SECURITY: tokens and keys do not cross a network in clear.
        if posture.requires_tls() && !protected {
            errors.push(format!(
                "`listen`: {} can be reached from other hosts: set `server.tls`, or `server.behind_proxy = true` if a \
                 proxy in front speaks TLS",
                self.address
            ));
        }
    }
}

fn default_address() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8_181)
}
