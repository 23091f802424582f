//! Users' tokens: what the claims of a verified token say about who is meant. Refuses whatever is missing, of another
//! type or contradicts itself; knows no principal (the policy finds it, or nobody is meant).

use std::sync::Arc;

use polder_types::{Assertion, CredentialId, Micros, Result, Scopes, Secret, TenantId, WarehouseName, Who};
use serde_json::Value;

use super::{
    Identity,
    jwt::{Claims, Verifier},
};
use crate::config::{Auth, ClaimNames};

/// Most bytes of a subject or a name to show.
const NAME_BYTES_MAX: usize = 255;
/// Most groups, and most bytes of one.
const GROUPS_MAX: usize = 200;

/// Reads users' tokens.
pub(crate) struct UserTokens {
    verifier: Verifier,
    names: ClaimNames,
    scopes_max: Scopes,
}

impl UserTokens {
    /// With the configured key, if there is one.
    ///
    /// # Errors
    /// `Invalid` for a key that cannot be used.
    pub(crate) fn new(config: &Auth) -> Result<Option<Self>> {
        let Some(key) = &config.user_key else { return Ok(None) };
        let verifier = Verifier::new(key, config.issuer.clone(), config.audience.clone())?;
        Ok(Some(Self { verifier, names: config.claims.clone(), scopes_max: config.scopes_max }))
    }

    /// Whom a token means; `None` if it is not good.
    pub(crate) fn identify(&self, token: &Secret, now: Micros) -> Option<Identity> {
        let claims = self.verifier.verify(token, now)?;
        let assertion = Assertion {
            who: Who::Subject(name(claims.text(&self.names.user)?)?),
            scopes: self.scopes(&claims)?,
            workspace: self.workspace(&claims)?,
            groups: self.groups(&claims)?,
            display: claims.text(&self.names.display).and_then(name),
        };
        Some(Identity {
            tenant: self.tenant(&claims)?,
            credential: CredentialId::Asserted(Arc::new(assertion)),
            scopes: None,
            expires_at: claims.expires_at(),
            subject: None,
        })
    }

    /// The tenant, under whichever of its names; two that differ are none.
    fn tenant(&self, claims: &Claims) -> Option<TenantId> {
        let mut found: Option<&str> = None;
        for value in self.names.tenant.iter().filter_map(|name| claims.claim(name)) {
            let text = value.as_str()?;
            if found.is_some_and(|known| known != text) {
                return None;
            }
            found = Some(text);
        }
        found?.parse().ok()
    }

    /// `Some(None)` if the token names no workspace.
    fn workspace(&self, claims: &Claims) -> Option<Option<WarehouseName>> {
        match claims.claim(&self.names.workspace) {
            None => Some(None),
            Some(value) => value.as_str()?.parse().ok().map(Some),
        }
    }

    fn groups(&self, claims: &Claims) -> Option<Option<Vec<String>>> {
        let Some(value) = claims.claim(&self.names.groups) else { return Some(None) };
        let groups = value.as_array()?;
        if groups.len() > GROUPS_MAX {
            return None;
        }
        groups.iter().map(|group| name(group.as_str()?)).collect::<Option<Vec<_>>>().map(Some)
    }

    /// What the token may do: at most what is configured, and of that what it names, if it names anything. Words that
    /// are no scopes of ours (`openid`) are others' affair.
    fn scopes(&self, claims: &Claims) -> Option<Scopes> {
        let mut found: Option<Vec<&str>> = None;
        for value in self.names.scopes.iter().filter_map(|name| claims.claim(name)) {
            let words = words(value)?;
            if found.as_ref().is_some_and(|known| *known != words) {
                return None;
            }
            found = Some(words);
        }
        let Some(words) = found else { return Some(self.scopes_max) };
        let wanted = words.into_iter().filter_map(|word| word.parse::<Scopes>().ok()).flat_map(Scopes::iter);
        Some(wanted.filter(|scope| self.scopes_max.allows(*scope)).fold(Scopes::NONE, Scopes::with))
    }
}

/// The words of `scope` (one text) or `scp` (a text or a list).
fn words(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(text.split_ascii_whitespace().collect()),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// A text that may stand in records and be compared.
pub(super) fn name(text: &str) -> Option<String> {
    let plain = !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && !text.chars().any(|c| c.is_control() || polder_types::is_deceptive(c));
    plain.then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
