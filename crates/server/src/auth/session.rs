//! A credential that was checked once: its principal is remembered until the policy changes or the credential ends.

use std::sync::{
    PoisonError, RwLock,
    atomic::{AtomicI64, Ordering},
};

use polder_policy::PolicySnapshot;
use polder_types::{Micros, Principal, TenantId};

use super::Identity;

/// How often the use of one credential is recorded by itself.
const RECORD_EVERY_SECONDS: i64 = 300;

/// A checked credential.
pub(super) struct Session {
    identity: Identity,
    known: RwLock<Option<Known>>,
    recorded_at: AtomicI64,
}

/// A principal, as of a policy version, until a moment.
struct Known {
    version: i64,
    until: Option<Micros>,
    principal: Principal,
}

impl Session {
    pub(super) fn new(identity: Identity) -> Self {
        Self { identity, known: RwLock::new(None), recorded_at: AtomicI64::new(i64::MIN) }
    }

    pub(super) fn tenant(&self) -> &TenantId {
        &self.identity.tenant
    }

    pub(super) fn expires_at(&self) -> Option<Micros> {
        self.identity.expires_at
    }

    /// The principal under this policy; `None` if the token has ended, or the key was revoked or has expired, or its
    /// principal was disabled.
    pub(super) fn principal(&self, snapshot: &PolicySnapshot, now: Micros) -> Option<Principal> {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = known.as_ref().filter(|known| known.version == snapshot.version()) {
                // SECURITY: the end is looked at on every use, not only when the policy changes.
                return known.until.is_none_or(|end| now < end).then(|| known.principal.clone());
            }
        }
        let identity = &self.identity;
        let principal = snapshot.admit(&identity.credential, identity.scopes, now)?;
        if identity.subject.is_some_and(|subject| subject != principal.id) {
            return None;
        }
        let key_end = identity.credential.key().and_then(|key| snapshot.key(key)?.expires_at);
        let until = identity.expires_at.into_iter().chain(key_end).min();
        if until.is_some_and(|end| end <= now) {
            return None;
        }
        let known = Known { version: snapshot.version(), until, principal: principal.clone() };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Some(principal)
    }

    /// True for the first caller after each interval.
    pub(super) fn record_is_due(&self, now: Micros) -> bool {
        let last = self.recorded_at.load(Ordering::Relaxed);
        now >= Micros(last).plus_seconds(RECORD_EVERY_SECONDS)
            && self.recorded_at.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests;
