//! TLS of the listener: rustls over aws-lc-rs, the identity read from PEM files at the start. Names the one provider of
//! cryptography that the process uses.

use std::sync::Arc;

use polder_types::{Error, Result};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

use crate::config::Tls;

/// What the doors speak inside TLS.
const HTTP_1_1: &[u8] = b"http/1.1";

/// Makes aws-lc-rs the provider of the process, for clients too; the first thing that a program does.
pub(crate) fn install_provider() {
    // Fails only if one is installed already, which is then this one.
    drop(aws_lc_rs::default_provider().install_default());
}

/// Prepares handshakes with the files of the configuration.
///
/// # Errors
/// `Invalid` if a file cannot be read, or the key is not that of the certificate.
pub(super) fn acceptor(tls: &Tls) -> Result<TlsAcceptor> {
    let refused = |path: &std::path::Path, what: &str| {
        Error::invalid("tls", format!("`server.tls`: `{}` {what}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(&tls.cert_file)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| refused(&tls.cert_file, "cannot be read as certificates in PEM").with_source(error))?;
    if chain.is_empty() {
        return Err(refused(&tls.cert_file, "holds no certificate in PEM"));
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key_file)
        .map_err(|error| refused(&tls.key_file, "cannot be read as a private key in PEM").with_source(error))?;
    let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| refused(&tls.cert_file, "does not go with its key").with_source(error))?;
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
