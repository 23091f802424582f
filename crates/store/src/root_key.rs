//! The root key, the keys derived from it, and the sealing of stored secrets. Refuses a key file that others can
//! read, and a database that was sealed with another key.

use std::{
    fs::OpenOptions,
    io::{Read, Write},
    path::Path,
};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use hkdf::Hkdf;
use polder_types::{Error, Result};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::fresh;

/// The one secret of an installation. Every other key is derived from it or sealed by one that is.
pub struct RootKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RootKey(…)")
    }
}

impl RootKey {
    /// Makes a new key file of mode 0600: 64 hex digits.
    ///
    /// # Errors
    /// `Invalid` if the file exists already or cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let key = Zeroizing::new(fresh::bytes::<32>()?);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = Zeroizing::new(format!("{digits}\n"));
        let written = options.open(path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| unusable(path, "cannot be made", error))?;
        Ok(Self(key))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// `Invalid` if it is absent, is readable by its group or by others, or is not 64 hex digits.
    pub fn load(path: &Path) -> Result<Self> {
        let mut file = std::fs::File::open(path).map_err(|error| unusable(path, "cannot be read", error))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = file.metadata().map_err(|error| unusable(path, "cannot be read", error))?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(Error::invalid(
                    "root_key_exposed",
                    format!("root key file `{}` can be read by others; make it mode 0600", path.display()),
                ));
            }
        }
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text).map_err(|error| unusable(path, "cannot be read", error))?;
        let malformed =
            || Error::invalid("root_key_malformed", format!("root key file `{}` is not 64 hex digits", path.display()));
        let digits = text.trim_ascii_end().as_bytes();
        if digits.len() != 64 {
            return Err(malformed());
        }
        let mut key = Zeroizing::new([0; 32]);
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(malformed)?;
        }
        Ok(Self(key))
    }

    fn derive(&self, label: &str) -> Result<Zeroizing<[u8; 32]>> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(b"polder root key v1"), self.0.as_ref())
            .expand(label.as_bytes(), key.as_mut())
            .map_err(|_| Error::internal("a derived key is too long"))?;
        Ok(key)
    }

    fn derive_seal(&self, label: &str) -> Result<Seal> {
        let key = UnboundKey::new(&AES_256_GCM, self.derive(label)?.as_ref())
            .map_err(|_| Error::internal("a derived key has the wrong length"))?;
        Ok(Seal(LessSafeKey::new(key)))
    }
}

fn unusable(path: &Path, why: &str, error: std::io::Error) -> Error {
    Error::invalid("root_key_unusable", format!("root key file `{}` {why}", path.display())).with_source(error)
}

/// What is derived from the root key, one HKDF label each.
pub(crate) struct Keys {
    /// Keys the hashes of API keys.
    pub(crate) pepper: Zeroizing<[u8; 32]>,
    /// Seals page tokens.
    pub(crate) pages: Seal,
    /// Seals plans of scans.
    pub(crate) plans: Seal,
    /// Seals secrets in the database.
    pub(crate) stored: Seal,
}

impl Keys {
    pub(crate) fn derive(root: &RootKey) -> Result<Self> {
        Ok(Self {
            pepper: root.derive("api key pepper")?,
            pages: root.derive_seal("page tokens")?,
            plans: root.derive_seal("scan plans")?,
            stored: root.derive_seal("stored secrets")?,
        })
    }
}

/// AES-256-GCM with a random nonce in front.
pub(crate) struct Seal(LessSafeKey);

impl Seal {
    /// Seals `plain`, bound to `context`.
    pub(crate) fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let nonce = fresh::bytes::<NONCE_LEN>()?;
        let mut body = plain.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut body)
            .map_err(|_| Error::internal("sealing failed"))?;
        Ok([&nonce[..], &body].concat())
    }

    /// Opens what was sealed under the same context; `None` for anything else.
    pub(crate) fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut body = Zeroizing::new(body.to_vec());
        let plain = self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut body).ok()?;
        let length = plain.len();
        body.truncate(length);
        Some(body)
    }
}

/// The key that signs our tokens (HS256). It survives restarts (F11).
pub struct SigningKey {
    id: String,
    bytes: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

impl SigningKey {
    pub(crate) fn new(id: String, bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { id, bytes }
    }

    /// Its name, the `kid` of a token's header.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The 32 bytes, for the one place that signs and verifies.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests;
