//! Credentials that live: found again for the same holder, table, access and policy for the first half of their life,
//! made once however many ask at a time. Refuses to hand one to anybody else, and any under another policy.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use moka::future::Cache;
use polder_types::{Caller, Micros, Result, TenantId};
use uuid::Uuid;

use super::{LIFE_MAX_SECONDS, scope::Scope, sts::Session};

/// Most credentials that are remembered; one more costs a request to STS.
const LIVE_MAX: u64 = 10_000;

/// Whose credential for what, decided how.
// SECURITY: with the policy's version in it, nothing is found again after any change of keys, roles, grants or policies,
// and with the caller nothing is found by anybody else, nor by who acts for it (R18, R30).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Holder {
    pub(crate) tenant: TenantId,
    pub(crate) caller: Caller,
    pub(crate) table_id: Uuid,
    pub(crate) scope: Scope,
    pub(crate) delegation: &'static str,
    pub(crate) policy_version: i64,
}

/// A session and when it was made.
#[derive(Clone, Debug)]
pub(crate) struct LiveSession {
    pub(crate) session: Arc<Session>,
    made_at: Micros,
}

impl LiveSession {
    /// In the second half of its life a client would soon ask for another: Java's does 5 minutes before the end.
    fn is_young(&self, now: Micros) -> bool {
        let life = self.session.expires_at.0.saturating_sub(self.made_at.0);
        now.0 < self.made_at.0.saturating_add(life / 2)
    }
}

/// Where a session comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was there.
    Live,
    /// Another request of the same holder made it meanwhile.
    Shared,
    /// It was made now.
    Made,
}

/// The credentials of one bucket.
pub(crate) struct Live(Cache<Holder, LiveSession>);

impl Live {
    pub(crate) fn new() -> Self {
        let life = Duration::from_secs(LIFE_MAX_SECONDS.unsigned_abs());
        Self(Cache::builder().max_capacity(LIVE_MAX).time_to_live(life).build())
    }

    /// Finds the holder's session, or makes one. Who waits for one that another request of the same holder makes, finds it.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) async fn find_or(
        &self,
        holder: Holder,
        now: Micros,
        make: impl Future<Output = Result<Session>>,
    ) -> Result<(LiveSession, Origin)> {
        if let Some(found) = self.0.get(&holder).await {
            if found.is_young(now) {
                return Ok((found, Origin::Live));
            }
            self.0.invalidate(&holder).await;
        }
        let made = AtomicBool::new(false);
        let make = async {
            let session = make.await?;
            made.store(true, Ordering::Relaxed);
            Ok(LiveSession { session: Arc::new(session), made_at: now })
        };
        let found = self.0.try_get_with(holder, make).await;
        let found = found.map_err(|error: Arc<polder_types::Error>| error.as_ref().clone())?;
        Ok((found, if made.load(Ordering::Relaxed) { Origin::Made } else { Origin::Shared }))
    }
}

#[cfg(test)]
mod tests;
