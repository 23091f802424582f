//! The headers of a request that is to be signed. Those of S3 are a list of what is allowed; the signature covers them,
//! and a store refuses one that it does not cover. Refuses copies, ACLs, tags by header, locks, and digests of a kind that
//! cannot be signed here.

use std::collections::BTreeMap;

use object_store::{HeaderMap, HeaderValue};
use polder_types::{Error, Micros, Result};

use crate::aws::Payload;

/// Bounds of what a client sends.
const HEADERS_MAX: usize = 64;
const VALUE_BYTES_MAX: usize = 4_096;

/// Headers of S3 that say no more than how an object is sent and kept.
const OF_S3: &[&str] = &[
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-mode",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-type",
    "x-amz-expected-bucket-owner",
    "x-amz-mp-object-size",
    "x-amz-request-payer",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-server-side-encryption",
    "x-amz-storage-class",
];
/// Headers that the signature makes, or that HTTP does: a client's own mean nothing.
const REPLACED: &[&str] =
    &["authorization", "content-length", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];
/// Further headers that are signed; all others go beside the signature.
const SIGNED: &[&str] = &["content-md5", "content-type"];
/// The digest of the body.
const DIGEST: &str = "x-amz-content-sha256";
/// When the client made its request; the signature has a date of its own under this name.
const DATE: &str = "x-amz-date";
/// How far from now a client may date its request: as far as a store would take it (R6).
const SKEW_SECONDS_MAX: i64 = 900;

/// Headers that may go with a request, by their names in small letters.
#[derive(Debug)]
pub(super) struct Headers(BTreeMap<String, Vec<String>>);

/// Checks headers; what they say of the body comes with them. `now` is when the request came.
///
/// # Errors
/// Why they are refused, in words that repeat nothing of them.
pub(super) fn check(given: &BTreeMap<String, Vec<String>>, now: Micros) -> Result<(Headers, Payload), &'static str> {
    if given.len() > HEADERS_MAX {
        return Err("it has too many headers");
    }
    let (mut kept, mut payload) = (BTreeMap::new(), Payload::Unsigned);
    for (name, values) in given {
        let name = name.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err("the name of a header is not plain");
        }
        let plain = |value: &String| value.len() <= VALUE_BYTES_MAX && value.bytes().all(|b| matches!(b, b' '..=b'~'));
        if values.is_empty() || !values.iter().all(plain) {
            return Err("the value of a header is missing, too long or not plain");
        }
        if name == DIGEST {
            payload = stated(values)?;
        }
        if name == DATE {
            // SECURITY: nothing is signed for another time than now. A client's date is not what is signed; one that is far
            // away is of a request that was made to be sent then, or of a clock whose signatures no store would take.
            if !matches!(values.as_slice(), [value] if is_near(value, now, SKEW_SECONDS_MAX)) {
                return Err("`x-amz-date` is not a time within 15 minutes of the server's clock");
            }
        }
        if REPLACED.contains(&name.as_str()) {
            continue;
        }
        // SECURITY: a header can make another request of it: `x-amz-copy-source` makes a write a read of any object,
        // `x-amz-acl` opens an object to everybody.
        if name.starts_with("x-amz-") && !OF_S3.contains(&name.as_str()) && !name.starts_with("x-amz-meta-") {
            return Err("it has a header of S3 that is not signed for clients");
        }
        if kept.insert(name, values.clone()).is_some() {
            return Err("a header is given twice");
        }
    }
    Ok((Headers(kept), payload))
}

/// True if a signed request is dated no further than so from a moment.
pub(super) fn is_dated(signed: &HeaderMap, now: Micros, seconds_max: i64) -> bool {
    signed.get(DATE).and_then(|value| value.to_str().ok()).is_some_and(|date| is_near(date, now, seconds_max))
}

/// True for a date of the form `20260131T235959Z` that is no further than so from a moment.
fn is_near(date: &str, now: Micros, seconds_max: i64) -> bool {
    let date = chrono::NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").ok();
    date.is_some_and(|date| (date.and_utc().timestamp() - now.seconds()).abs() <= seconds_max)
}

/// What a client says of its body.
fn stated(values: &[String]) -> Result<Payload, &'static str> {
    const BAD: &str = "`x-amz-content-sha256` is `UNSIGNED-PAYLOAD` or one SHA-256 in hexadecimal digits";
    let [value] = values else { return Err(BAD) };
    if value == "UNSIGNED-PAYLOAD" {
        return Ok(Payload::Unsigned);
    }
    let mut digest = [0; 32];
    if value.len() != 64 || !value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(BAD);
    }
    for (byte, digits) in digest.iter_mut().zip(value.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| BAD)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| BAD)?;
    }
    Ok(Payload::Digest(digest))
}

impl Headers {
    /// Puts those that are signed into a request.
    ///
    /// # Errors
    /// `Internal` for one that is none; they were checked.
    pub(super) fn set(&self, request: &mut HeaderMap) -> Result<()> {
        for (name, values) in self.0.iter().filter(|(name, _)| is_signed(name)) {
            let joined = HeaderValue::from_str(&values.join(",")).map_err(Error::internal)?;
            let name = name.parse::<http::HeaderName>().map_err(Error::internal)?;
            request.insert(name, joined);
        }
        Ok(())
    }

    /// The client's headers with those of the signature. `host` is HTTP's own, made from the URI.
    pub(super) fn with_signature(self, signed: &HeaderMap) -> BTreeMap<String, Vec<String>> {
        let mut all = self.0;
        for (name, value) in signed.iter().filter(|(name, _)| name.as_str() != "host") {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            all.insert(name.as_str().to_owned(), vec![value]);
        }
        all
    }
}

fn is_signed(name: &str) -> bool {
    name.starts_with("x-amz-") || SIGNED.contains(&name)
}

#[cfg(test)]
mod tests;
