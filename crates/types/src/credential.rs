//! What a principal authenticated with: an API key (or a token made from it), somebody else's word for who it is, or a
//! token of somebody who acts for it.

use std::sync::Arc;

use crate::{KeyId, PrincipalId, Scopes, Subject, WarehouseName};

/// What a principal authenticated with. Enough to ask a newer policy for the same principal again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialId {
    /// A key, directly or by a token minted for that key.
    Key(KeyId),
    /// A verified statement of an issuer, or of a developer's debug headers.
    Asserted(Arc<Assertion>),
    /// A token that was minted for the key of somebody who acts for the principal.
    Impersonated(Arc<Impersonation>),
}

/// Who acts for whom. Whether it may is asked of the policy each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impersonation {
    /// The actor's key.
    pub key: KeyId,
    /// Who acts.
    pub actor: PrincipalId,
    /// For whom.
    pub subject: PrincipalId,
}

/// Who somebody is, in the words of whoever vouches for it. The tenant stands beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// Which principal is meant.
    pub who: Who,
    /// The most that it may do.
    pub scopes: Scopes,
    /// The one warehouse that it may see.
    pub workspace: Option<WarehouseName>,
    /// Groups, for the attribute `groups` of row filters and masks; never roles.
    pub groups: Option<Vec<String>>,
    /// A name to show in records, mostly an email address.
    pub display: Option<String>,
}

/// Which principal of the tenant an assertion means; it must exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The one whose attribute `external_subject` is this text.
    Subject(String),
    /// The one that is named `debug`.
    Debug,
}

impl CredentialId {
    /// The key that it is, or that its token was minted for: of an impersonation the actor's.
    #[must_use]
    pub fn key(&self) -> Option<&KeyId> {
        match self {
            Self::Key(key) => Some(key),
            Self::Impersonated(of) => Some(&of.key),
            Self::Asserted(_) => None,
        }
    }

    /// The assertion, if it is one.
    #[must_use]
    pub fn assertion(&self) -> Option<&Assertion> {
        match self {
            Self::Key(_) | Self::Impersonated(_) => None,
            Self::Asserted(assertion) => Some(assertion),
        }
    }

    /// How a record names it: the key's id, or the kind of assertion.
    #[must_use]
    pub fn object(&self) -> (Subject, String) {
        match self {
            Self::Key(key) => (Subject::ApiKey, key.to_string()),
            Self::Impersonated(of) => (Subject::ApiKey, of.key.to_string()),
            Self::Asserted(assertion) => {
                let kind = match assertion.who {
                    Who::Subject(_) => "user_token",
                    Who::Debug => "debug_headers",
                };
                (Subject::Principal, kind.to_owned())
            }
        }
    }
}
