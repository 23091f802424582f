//! The vocabulary of Polder: ids, names, locations, principals, secrets, errors and the Iceberg REST
//! wire types. Owns grammar and parsing; refuses I/O, clocks and decisions.

mod credential;
mod error;
mod ids;
mod location;
mod names;
mod principal;
pub mod rest;
mod scope;
mod secret;

pub use credential::{Assertion, CredentialId, Impersonation, Who};
pub use error::{Detail, Error, ErrorKind, Position, Result, Subject};
pub use ids::{
    EventId, JobId, KeyId, NamespaceId, PolicyId, PrincipalId, RelationId, RequestId, RoleId, TenantId, WarehouseId,
    WarehouseName,
};
pub use location::LOCATION_BYTES_MAX;
pub use location::{Location, LocationError};
pub use names::{
    NAMESPACE_DEPTH_MAX, NameError, Namespace, QualifiedName, TableIdent, check_name, is_deceptive, is_refused,
};
pub use principal::{Attribute, Caller, Principal, PrincipalKind, PrincipalRef};
pub use scope::{Scope, Scopes};
pub use secret::Secret;

/// Microseconds since the Unix epoch, UTC. Time enters as a value; nothing here reads a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Whole milliseconds since the epoch, rounded down.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The moment `seconds` later (earlier when negative), saturating.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }
}
