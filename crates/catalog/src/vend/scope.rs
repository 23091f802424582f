//! What a credential opens: one table's location, to read or to write. Refuses every location that a store's policy
//! language could read as something else (R2, R3).

use polder_types::{Error, Location, Result, Subject};

/// What the holder may do with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read and list them.
    Read,
    /// Write and delete them too.
    ReadWrite,
}

impl Access {
    /// The word in audit records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadWrite => "read-write",
        }
    }
}

/// A place whose name means itself in every policy language that we write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    bucket: String,
    /// The names on the way, without slashes at the ends.
    path: String,
    pub(crate) access: Access,
}

impl Scope {
    /// Checks a table's location.
    ///
    /// # Errors
    /// `Unsupported` for a bucket's root, and for a name with a character that means something in a policy.
    // SECURITY: refused, not escaped. `${*}` is an escape at AWS and a literal elsewhere, so no escaped text means the
    // same place at every store (R2). What may stand here means itself in JSON, ARNs and patterns alike (R3).
    pub(crate) fn of(place: &Location, access: Access) -> Result<Self> {
        let refused = |why: &'static str| {
            let text = format!("no credentials can be made for this table's location: {why}");
            Err(Error::unsupported("unsupported_location", text).about(Subject::Table))
        };
        let (bucket, path) = (place.authority().to_owned(), place.segments().join("/"));
        if bucket.is_empty() || path.is_empty() {
            return refused("it is the root of a bucket");
        }
        if !bucket.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-')) {
            return refused("the bucket's name is not plain");
        }
        if !path.chars().all(means_itself) {
            return refused("its name holds a character that storage policies give a meaning");
        }
        Ok(Self { bucket, path, access })
    }

    /// The bucket.
    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What the keys of all its objects begin with: ends with a slash, so that no sibling does (A-082, R7).
    pub(crate) fn prefix(&self) -> String {
        format!("{}/", self.path)
    }

    /// The same as a location, for clients and records.
    pub(crate) fn url(&self) -> String {
        format!("s3://{}/{}/", self.bucket, self.path)
    }
}

fn means_itself(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '=' | '+' | '@' | ',' | ':' | '~' | '!' | ' ')
}
