//! Addresses of one bucket: what a URI names, and the one spelling that it is signed in. Refuses other hosts, other
//! buckets, and every key with two readings: empty, `.` and `..` names, control characters, bytes that are no text.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use polder_types::Location;

use crate::storage::S3Profile;

/// Most bytes of a URI: a key has at most 1 024, each of which may be encoded in three.
const URI_BYTES_MAX: usize = 8_192;
/// What AWS writes as it is; everything else is encoded, with capital digits.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The same for a key, whose slashes stay.
const ENCODED_KEY: &AsciiSet = &ENCODED.remove(b'/');

/// Where the bucket's name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Path,
    Host,
}

/// How one bucket is addressed.
#[derive(Clone, Debug)]
pub(crate) struct S3Address {
    scheme: String,
    /// Host and port, each with its style; the first is the one that we write ourselves.
    hosts: Vec<(String, Style)>,
    bucket: String,
    pub(crate) region: String,
}

/// What a URI of the bucket names: an object, or the bucket itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct S3Target {
    host: (String, Style),
    /// The key as it is, decoded once; empty for the bucket.
    pub(crate) key: String,
    /// The parameters, decoded once, sorted, each once.
    pub(crate) query: Vec<(String, String)>,
}

impl S3Address {
    // SECURITY: one style only at an endpoint of the operator. A store that knows the other one alone would read
    // `http://lake.host/a/b` as bucket `a`, and sign us out of the bucket. AWS knows both.
    pub(crate) fn new(profile: &S3Profile, bucket: &str) -> Self {
        let (scheme, hosts) = match &profile.endpoint {
            Some(endpoint) => {
                let (scheme, host) = endpoint.split_once("://").unwrap_or(("https", endpoint));
                let host = without_default_port(scheme, host).to_owned();
                let hosts = match profile.path_style {
                    true => vec![(host, Style::Path)],
                    false => vec![(format!("{bucket}.{host}"), Style::Host)],
                };
                (scheme.to_owned(), hosts)
            }
            None => {
                let domain = if profile.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
                let regional = format!("s3.{}.{domain}", profile.region);
                let hosts = vec![(format!("{bucket}.{regional}"), Style::Host), (regional, Style::Path)];
                ("https".to_owned(), hosts)
            }
        };
        Self { scheme, hosts, bucket: bucket.to_owned(), region: profile.region.clone() }
    }

    /// Reads a URI.
    ///
    /// # Errors
    /// Why it is refused, in words that repeat nothing of it.
    pub(crate) fn parse(&self, uri: &str) -> Result<S3Target, &'static str> {
        if uri.len() > URI_BYTES_MAX || !uri.bytes().all(|byte| byte.is_ascii_graphic()) || uri.contains(['#', '\\']) {
            return Err("it is too long, or holds characters that a URI cannot");
        }
        let rest = uri.strip_prefix(&self.scheme).and_then(|rest| rest.strip_prefix("://"));
        let rest = rest.ok_or("it has another scheme than the warehouse's store")?;
        let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = before_query.split_once('/').unwrap_or((before_query, ""));
        let authority = without_default_port(&self.scheme, authority);
        // SECURITY: the whole of it compared, so that neither user info nor another port gets through.
        let host = self.hosts.iter().find(|(host, _)| host.eq_ignore_ascii_case(authority));
        let host = host.cloned().ok_or("it has another host than the warehouse's store")?;
        let key = match host.1 {
            Style::Host => path,
            Style::Path => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                if decode(bucket)? != self.bucket {
                    return Err("it names another bucket than the table's");
                }
                key
            }
        };
        let key = decode(key)?;
        check_key(&key)?;
        Ok(S3Target { host, key, query: parameters(query)? })
    }

    /// An object of ours, or the bucket itself for the empty key.
    pub(crate) fn target(&self, key: &str, query: &[(&str, &str)]) -> Option<S3Target> {
        let mut query: Vec<(String, String)> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        query.sort();
        Some(S3Target { host: self.hosts.first()?.clone(), key: key.to_owned(), query })
    }

    /// The one spelling of a target: what is signed, and what the client must send.
    pub(crate) fn write(&self, target: &S3Target) -> String {
        let mut text = format!("{}://{}/", self.scheme, target.host.0);
        if target.host.1 == Style::Path {
            text.push_str(&self.bucket);
            if !target.key.is_empty() {
                text.push('/');
            }
        }
        text.extend(utf8_percent_encode(&target.key, ENCODED_KEY));
        for (index, (name, value)) in target.query.iter().enumerate() {
            text.push(if index == 0 { '?' } else { '&' });
            text.extend(utf8_percent_encode(name, ENCODED));
            text.push('=');
            text.extend(utf8_percent_encode(value, ENCODED));
        }
        text
    }
}

/// True if a key is that of an object below a location: all of its names, then at least one more, or a slash.
pub(crate) fn is_below(key: &str, place: &Location) -> bool {
    let mut names = key.split('/');
    place.segments().iter().all(|segment| names.next() == Some(segment)) && names.next().is_some()
}

/// Refuses a key with two readings. One slash may end it: a directory's marker, and a prefix of a list.
///
/// # Errors
/// Why.
pub(crate) fn check_key(key: &str) -> Result<(), &'static str> {
    if key.is_empty() {
        return Ok(());
    }
    let named = key.strip_suffix('/').unwrap_or(key);
    if named.split('/').any(|name| matches!(name, "" | "." | "..")) {
        return Err("a key holds an empty name, `.` or `..`");
    }
    if key.chars().any(|c| c.is_control() || c == '\\') {
        return Err("a key holds a control character or a backslash");
    }
    Ok(())
}

fn parameters(query: &str) -> Result<Vec<(String, String)>, &'static str> {
    let mut found = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        // Stores read a plus as a space or as itself, so nobody may write one.
        if part.contains('+') {
            return Err("a parameter holds a plus that is not encoded");
        }
        found.push((decode(name)?, decode(value)?));
    }
    found.sort();
    if found.windows(2).any(|pair| matches!(pair, [(first, _), (second, _)] if first == second)) {
        return Err("a parameter is given twice");
    }
    Ok(found)
}

/// Decodes once.
fn decode(text: &str) -> Result<String, &'static str> {
    const BAD: &str = "it is not encoded as a URI is";
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('%') {
        let digits = bytes.get(at + 1..at + 3).ok_or(BAD)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(BAD);
        }
    }
    percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| "it is not UTF-8 when decoded")
}

fn without_default_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let port = if scheme == "http" { ":80" } else { ":443" };
    authority.strip_suffix(port).unwrap_or(authority)
}

#[cfg(test)]
mod tests;
