//! Who is asking.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{CredentialId, PrincipalId, RoleId, Scopes, TenantId, WarehouseName};

/// The kind of a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A program.
    Service,
}

impl PrincipalKind {
    /// The word stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
        }
    }
}

/// A typed attribute of a principal, for row filters and conditional masks. Lists never equal a scalar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attribute {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text, always a literal, never spliced into anything.
    Text(String),
    /// Several texts, for `in`.
    List(Vec<String>),
}

/// An authenticated caller. Made by the door only; a tenant in it came from the credential.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// Its id.
    pub id: PrincipalId,
    /// Its name, unique in the tenant.
    pub name: Arc<str>,
    /// Person or program.
    pub kind: PrincipalKind,
    /// What it authenticated with.
    pub credential: CredentialId,
    /// What the credential may do at all.
    pub scopes: Scopes,
    /// The roles it holds, sorted.
    pub roles: Arc<[RoleId]>,
    /// Attributes for filters and masks.
    pub attributes: Arc<BTreeMap<String, Attribute>>,
}

impl Principal {
    /// The one warehouse that this credential may see; `None` if it may see every one of its tenant.
    #[must_use]
    pub fn workspace(&self) -> Option<&WarehouseName> {
        self.credential.assertion()?.workspace.as_ref()
    }
}
