//! Who may act for whom: the holders of a role for those of another, as an administrator said (decision 0030). Asked when a
//! token is made and again at each of its requests, of the policy of that moment.

use std::sync::Arc;

use polder_types::{CredentialId, Impersonation, Micros, Principal, PrincipalId, Scopes};

use super::{PolicySnapshot, PrincipalRecord};

/// Why nobody is acted for; goes into the audit record, never to the caller, who is told one thing for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImpersonationDenial {
    /// No principal of the tenant answers to the text, or two do.
    Unknown,
    /// The one who does is disabled, or the actor may not act for it.
    Refused(PrincipalRecord),
}

impl ImpersonationDenial {
    /// The word in the audit record.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown_subject",
            Self::Refused(_) => "impersonation_refused",
        }
    }
}

impl PolicySnapshot {
    /// The principal that an actor means by a name or an external subject, with the actor beside it.
    ///
    /// # Errors
    /// [`ImpersonationDenial`].
    pub fn impersonate(&self, actor: &Principal, text: &str, now: Micros) -> Result<Principal, ImpersonationDenial> {
        let subject = self.answering_to(text).ok_or(ImpersonationDenial::Unknown)?;
        let refused = || ImpersonationDenial::Refused(subject.clone());
        // SECURITY: nobody acts for another in the name of a third (R38).
        let CredentialId::Key(key) = &actor.credential else { return Err(refused()) };
        let of = Impersonation { key: key.clone(), actor: actor.id, subject: subject.id };
        let credential = CredentialId::Impersonated(Arc::new(of));
        self.admit(&credential, Some(actor.scopes.without_administration()), now).ok_or_else(refused)
    }

    /// The principal that is acted for with a live key of the actor. `None` if any of it does not hold now.
    pub(super) fn impersonated(
        &self,
        of: &Impersonation,
        credential: &CredentialId,
        scopes: Option<Scopes>,
        now: Micros,
    ) -> Option<Principal> {
        let actor = self.authenticate(&of.key, scopes, now).filter(|actor| actor.id == of.actor)?;
        let subject = self.principals.get(&of.subject).filter(|subject| subject.enabled)?;
        // SECURITY: asked at every request; taken back, it ends the session (R18, R38).
        self.may_impersonate(&actor, subject).then_some(())?;
        let principal = self.principal(subject, credential.clone(), actor.scopes.without_administration());
        Some(Principal { actor: Some(Arc::new(actor)), ..principal })
    }

    fn may_impersonate(&self, actor: &Principal, subject: &PrincipalRecord) -> bool {
        let mut reached = actor.roles.iter().filter_map(|role| self.impersonations.get(role)).flatten();
        reached.any(|role| subject.roles.contains(role))
    }

    /// The one principal that has this name or this external subject.
    fn answering_to(&self, text: &str) -> Option<&PrincipalRecord> {
        let named = self.principals.values().find(|record| record.name.as_ref() == text).map(|record| record.id);
        let linked: Option<Option<PrincipalId>> = self.by_subject.get(text).copied();
        let id = match (named, linked) {
            (Some(id), None) | (None, Some(Some(id))) => id,
            (Some(named), Some(Some(linked))) if named == linked => named,
            // SECURITY: a text that two answer to is nobody's.
            _ => return None,
        };
        self.principals.get(&id)
    }
}

#[cfg(test)]
mod tests;
