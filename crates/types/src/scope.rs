//! OAuth scopes: what a credential can do at all, before any grant is looked at (S-030).

use std::{fmt, str::FromStr};

use crate::{Error, Subject};

/// One scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The Iceberg REST door, and every governed read door with it (they never show more than it does).
    Catalog,
    /// `describe` only.
    Describe,
    /// `find` only.
    Find,
    /// `ask` only.
    Ask,
    /// SQL through `query` and `explain` only.
    Query,
    /// Administration of warehouses.
    AdminWarehouses,
    /// Administration of tenants (only the operator tenant's principals).
    AdminTenants,
    /// Administration of principals, keys, roles and grants.
    AdminAccess,
    /// Administration of policies.
    AdminPolicies,
    /// Reading the audit trail.
    AdminAudit,
}

impl Scope {
    const ALL: [Self; 10] = [
        Self::Catalog,
        Self::Describe,
        Self::Find,
        Self::Ask,
        Self::Query,
        Self::AdminWarehouses,
        Self::AdminTenants,
        Self::AdminAccess,
        Self::AdminPolicies,
        Self::AdminAudit,
    ];

    /// The text on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Describe => "describe",
            Self::Find => "find",
            Self::Ask => "ask",
            Self::Query => "query",
            Self::AdminWarehouses => "admin:warehouses",
            Self::AdminTenants => "admin:tenants",
            Self::AdminAccess => "admin:access",
            Self::AdminPolicies => "admin:policies",
            Self::AdminAudit => "admin:audit",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of scopes. `admin:*` on the wire stands for every `admin:` scope.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u16);

impl Scopes {
    /// No scope at all.
    pub const NONE: Self = Self(0);

    /// What a key gets unless said otherwise: the data doors, no administration.
    #[must_use]
    pub fn data() -> Self {
        Self::NONE.with(Scope::Catalog)
    }

    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Scope::ALL.into_iter().fold(Self::NONE, Self::with)
    }

    /// Adds one scope.
    #[must_use]
    pub fn with(self, scope: Scope) -> Self {
        Self(self.0 | scope.bit())
    }

    /// True if this credential may enter a door that wants `scope`.
    #[must_use]
    pub fn allows(self, scope: Scope) -> bool {
        let read_doors = matches!(scope, Scope::Describe | Scope::Find | Scope::Ask | Scope::Query);
        self.0 & scope.bit() != 0 || (read_doors && self.0 & Scope::Catalog.bit() != 0)
    }

    /// True if every scope of `self` is allowed by `other`.
    #[must_use]
    pub fn within(self, other: Self) -> bool {
        self.iter().all(|scope| other.allows(scope))
    }

    /// The scopes in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }

    /// Those that open no door of administration.
    #[must_use]
    pub fn without_administration(self) -> Self {
        let data = |scope: &Scope| !scope.as_str().starts_with("admin:");
        self.iter().filter(data).fold(Self::NONE, Self::with)
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromStr for Scopes {
    type Err = Error;

    /// Parses the space-separated form of RFC 6749 §3.3.
    ///
    /// # Errors
    /// `Invalid` with code `invalid_scope` for an unknown scope.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut scopes = Self::NONE;
        for word in text.split_ascii_whitespace() {
            if word == "admin:*" {
                scopes = Scope::ALL.into_iter().filter(|s| s.as_str().contains(':')).fold(scopes, Self::with);
                continue;
            }
            let scope = Scope::ALL.into_iter().find(|s| s.as_str() == word).ok_or_else(|| {
                Error::invalid(
                    "invalid_scope",
                    "unknown scope; known are `catalog`, `describe`, `find`, `ask`, `query`, `admin:*` and its parts",
                )
                .about(Subject::ApiKey)
            })?;
            scopes = scopes.with(scope);
        }
        Ok(scopes)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}
