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
    /// Who acts for it, if it does not act itself (RFC 8693 §1.1). Only what both may do is done.
    pub actor: Option<Arc<Principal>>,
}

/// A principal as permits and records name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PrincipalRef {
    /// Its id.
    pub id: PrincipalId,
    /// Its name.
    pub name: Arc<str>,
}

/// Who did something: on whose behalf, and who acted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// On whose behalf.
    pub principal: PrincipalRef,
    /// Who acted, if it was another one.
    pub actor: Option<PrincipalRef>,
}

impl Caller {
    /// A principal that acts itself.
    #[must_use]
    pub fn plain(id: PrincipalId, name: impl Into<Arc<str>>) -> Self {
        Self { principal: PrincipalRef { id, name: name.into() }, actor: None }
    }

    /// Bytes that stand for these two and for nobody else, whatever they are called: what is made for a session of
    /// somebody who is acted for is not for the one itself, nor the other way round.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.principal.id.0.as_bytes().to_vec();
        bytes.extend(self.actor.iter().flat_map(|actor| actor.id.0.into_bytes()));
        bytes
    }
}

impl Principal {
    /// The one warehouse that this credential may see; `None` if it may see every one of its tenant.
    #[must_use]
    pub fn workspace(&self) -> Option<&WarehouseName> {
        self.credential.assertion()?.workspace.as_ref()
    }

    /// Itself, and whoever acts for it: all of them must be allowed.
    pub fn acting(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |principal| principal.actor.as_deref())
    }

    /// How permits and records name it and its actor.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller { principal: self.reference(), actor: self.actor.as_deref().map(Self::reference) }
    }

    fn reference(&self) -> PrincipalRef {
        PrincipalRef { id: self.id, name: self.name.clone() }
    }
}
