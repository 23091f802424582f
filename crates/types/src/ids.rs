//! Typed ids. Tenants and warehouses have readable ids of one grammar; entities are UUIDv7;
//! requests and events are ULIDs.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Error, Subject};

/// Checks the one grammar of tenant and warehouse ids: 3–63 of `a-z 0-9 -`, no `-` at either end.
fn is_slug(text: &str) -> bool {
    (3..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident, $subject:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text, valid by construction.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// # Errors
            /// `Invalid` unless 3–63 of `a-z 0-9 -` without `-` at either end; nothing is folded.
            fn from_str(text: &str) -> Result<Self, Error> {
                if is_slug(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(Error::invalid(
                        "invalid_name",
                        format!(
                            "a {} name has 3 to 63 characters of `a-z`, `0-9` and `-`, and no `-` at either end",
                            $subject.noun()
                        ),
                    )
                    .about($subject))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self, Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), &self.0)
            }
        }
    };
}

slug!(
    /// A tenant: the outermost boundary. Comes from the credential only.
    TenantId,
    Subject::Tenant
);
slug!(
    /// The immutable name of a warehouse, unique in its tenant. A workspace is a warehouse.
    WarehouseName,
    Subject::Warehouse
);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                text.parse().map(Self).map_err(|_| Error::invalid("invalid_id", "an id is a UUID"))
            }
        }
    };
}

uuid_id!(
    /// A warehouse.
    WarehouseId
);
uuid_id!(
    /// A namespace.
    NamespaceId
);
uuid_id!(
    /// A table or view as the catalog knows it (not the `table-uuid` inside the metadata).
    RelationId
);
uuid_id!(
    /// A user, service or group.
    PrincipalId
);
uuid_id!(
    /// A role.
    RoleId
);
uuid_id!(
    /// A policy: row filter, mask, hidden column or table restriction.
    PolicyId
);
uuid_id!(
    /// A durable job.
    JobId
);

/// The public part of an API key; the `id` of `id:secret`. `pk_` and 20 of `a-z2-7`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let tail = text.strip_prefix("pk_").unwrap_or_default();
        if tail.len() == 20 && tail.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b)) {
            Ok(Self(text.into()))
        } else {
            Err(Error::invalid("invalid_id", "an API key id is `pk_` and 20 characters of `a-z2-7`")
                .about(Subject::ApiKey))
        }
    }
}

impl TryFrom<String> for KeyId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.0)
    }
}

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub ulid::Ulid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }
    };
}

ulid_id!(
    /// One request; in logs, answers and audit records.
    RequestId
);
ulid_id!(
    /// One audit record.
    EventId
);

#[cfg(test)]
mod tests;
