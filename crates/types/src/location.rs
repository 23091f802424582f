//! Storage locations as parsed values: scheme, authority and segments, so that no prefix is ever
//! compared as text (A-004, R7).

use std::fmt;

use crate::{Error, names::is_deceptive};

/// Most bytes of a location.
pub const LOCATION_BYTES_MAX: usize = 4096;

/// Most bytes of one name in a file system.
const FILE_NAME_BYTES_MAX: usize = 255;

/// Why a location was refused.
pub type LocationError = Error;

/// An absolute location such as `s3://bucket/a/b` or `file:///srv/lake/a`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    scheme: String,
    authority: String,
    segments: Vec<String>,
}

impl Location {
    /// Parses a location. A single trailing slash is dropped; everything doubtful is refused.
    ///
    /// # Errors
    /// `Invalid` for a missing or unknown scheme, a missing bucket, user info, a query or fragment, an
    /// empty, `.` or `..` segment, a `file` segment over 255 bytes, a backslash, a percent sign, control, bidi or zero-width characters.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let bad = |why: &str| Error::invalid("invalid_location", format!("the location is not valid: {why}"));
        if text.len() > LOCATION_BYTES_MAX {
            return Err(bad("it is too long"));
        }
        if text.chars().any(|c| c.is_control() || is_deceptive(c) || matches!(c, '\\' | '%' | '?' | '#' | '*')) {
            return Err(bad("control, invisible, `\\`, `%`, `?`, `#` and `*` characters are refused"));
        }
        let (scheme, rest) = text.split_once(':').ok_or_else(|| bad("it has no scheme"))?;
        let (authority, path) = match scheme {
            "file" => {
                // `file:/a`, `file:///a` are one place; a host is refused.
                let path = rest.strip_prefix("//").unwrap_or(rest);
                ("", path.strip_prefix('/').ok_or_else(|| bad("a file location is absolute and has no host"))?)
            }
            "s3" | "s3a" | "s3n" | "gs" | "abfss" | "memory" => {
                let rest = rest.strip_prefix("//").ok_or_else(|| bad("`//` is missing"))?;
                let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                if authority.is_empty() || (authority.contains('@') && scheme != "abfss") || authority.contains(':') {
                    return Err(bad("the bucket is missing or not plain"));
                }
                (authority, path)
            }
            _ => return Err(bad("the scheme is not known")),
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<String> =
            if path.is_empty() { Vec::new() } else { path.split('/').map(str::to_owned).collect() };
        if segments.iter().any(|s| s.is_empty() || s == "." || s == "..") {
            return Err(bad("empty, `.` and `..` segments are refused"));
        }
        if scheme == "file" && segments.iter().any(|s| s.len() > FILE_NAME_BYTES_MAX) {
            return Err(bad("a file name in it is too long"));
        }
        // s3a and s3n are other client names of the same store.
        let scheme = if matches!(scheme, "s3a" | "s3n") { "s3" } else { scheme };
        Ok(Self { scheme: scheme.to_owned(), authority: authority.to_owned(), segments })
    }

    /// The scheme, in its canonical spelling.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The bucket; empty for `file`.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path segments.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// True if this is `root` itself or lies below it, segment by segment.
    #[must_use]
    pub fn is_within(&self, root: &Self) -> bool {
        self.scheme == root.scheme
            && self.authority == root.authority
            && self.segments.len() >= root.segments.len()
            && self.segments.iter().zip(&root.segments).all(|(a, b)| a == b)
    }

    /// True if the text is, for certain, a location below the one whose canonical text, with a slash behind it, is `prefix`:
    /// it goes on after that in plain names. Where many texts are looked at, most of them need no parsing; of the others
    /// this says nothing.
    #[must_use]
    pub fn is_plainly_below(text: &str, prefix: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=');
        let name = |name: &str| {
            (1..=FILE_NAME_BYTES_MAX).contains(&name.len())
                && name.bytes().all(plain)
                && name.bytes().any(|byte| byte != b'.')
        };
        text.len() <= LOCATION_BYTES_MAX && text.strip_prefix(prefix).is_some_and(|rest| rest.split('/').all(name))
    }

    /// True if one of the two contains the other.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.is_within(other) || other.is_within(self)
    }

    /// The location one or more segments below.
    ///
    /// # Errors
    /// `Invalid` if a segment is refused by [`Location::parse`].
    pub fn join(&self, path: &str) -> Result<Self, LocationError> {
        Self::parse(&format!("{self}/{path}"))
    }

    /// The location around this one, `None` at the root of the bucket or file system.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, head) = self.segments.split_last()?;
        Some(Self { scheme: self.scheme.clone(), authority: self.authority.clone(), segments: head.to_vec() })
    }

    /// The path of a `file` location in the local file system.
    #[must_use]
    pub fn local_path(&self) -> Option<std::path::PathBuf> {
        (self.scheme == "file").then(|| {
            let mut path = std::path::PathBuf::from("/");
            path.extend(&self.segments);
            path
        })
    }
}

impl fmt::Display for Location {
    /// The canonical text, without a trailing slash: `file:///a/b`, `s3://bucket/a`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)?;
        self.segments.iter().try_for_each(|segment| write!(f, "/{segment}"))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

#[cfg(test)]
mod tests;
