//! Who plans a scan now, and who waits: a few at once, fewer of one tenant, and a short queue for each.
//!
//! Refuses whoever would wait behind a full queue or for too long: 503, for nothing was done.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use polder_types::{Error, Result, TenantId};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Most plans at once.
const PLANS_MAX: usize = 4;
/// Most plans of one tenant at once, so that another one always gets its turn.
const PLANS_PER_TENANT_MAX: usize = 2;
/// Most plans of one tenant that run or wait.
const QUEUE_PER_TENANT_MAX: usize = 32;

/// The queue.
#[derive(Debug)]
pub(crate) struct PlanQueue {
    all: Arc<Semaphore>,
    lanes: Mutex<HashMap<TenantId, Weak<Lane>>>,
}

#[derive(Debug)]
struct Lane {
    /// Places in the queue.
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

/// The right to plan one scan. Held by the work itself, so that what cannot be stopped at once still counts.
#[derive(Debug)]
pub(crate) struct Turn {
    #[expect(dead_code, reason = "held, not read")]
    permits: [OwnedSemaphorePermit; 3],
    #[expect(dead_code, reason = "held, not read: the lane lives as long as somebody is in it")]
    lane: Arc<Lane>,
}

impl PlanQueue {
    pub(crate) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(PLANS_MAX)), lanes: Mutex::default() }
    }

    /// Waits for a turn of the tenant.
    ///
    /// # Errors
    /// `Unavailable` if too many wait already, or if it does not come in time.
    pub(crate) async fn turn(&self, tenant: &TenantId, until: Instant) -> Result<Turn> {
        let lane = self.lane(tenant);
        let place = Arc::clone(&lane.places).try_acquire_owned().map_err(|_| busy())?;
        let both = async {
            let own = Arc::clone(&lane.running).acquire_owned().await.ok()?;
            let one = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some([place, own, one])
        };
        let permits = tokio::time::timeout_at(until, both).await.ok().flatten().ok_or_else(busy)?;
        Ok(Turn { permits, lane })
    }

    fn lane(&self, tenant: &TenantId) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(tenant).and_then(Weak::upgrade) {
            return lane;
        }
        lanes.retain(|_, lane| lane.strong_count() > 0);
        let (places, running) = (Semaphore::new(QUEUE_PER_TENANT_MAX), Semaphore::new(PLANS_PER_TENANT_MAX));
        let lane = Arc::new(Lane { places: Arc::new(places), running: Arc::new(running) });
        lanes.insert(tenant.clone(), Arc::downgrade(&lane));
        lane
    }
}

fn busy() -> Error {
    Error::unavailable("too_many_plans", "too many scans of this tenant are being planned; try again later")
        .with_retry_after(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "a test waits by the real clock")]
    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    /// One tenant takes its share, waits in its own queue and is refused beyond it; another gets its turn all the same.
    #[tokio::test]
    async fn a_tenant_fills_its_own_queue_only() {
        let (queue, one): (_, TenantId) = (PlanQueue::new(), "one-tenant".parse().unwrap());
        let mut turns = Vec::new();
        for _ in 0..PLANS_PER_TENANT_MAX {
            turns.push(queue.turn(&one, soon()).await.unwrap());
        }
        let waiting = (PLANS_PER_TENANT_MAX..QUEUE_PER_TENANT_MAX).map(|_| queue.turn(&one, soon()));
        let mut waiting = Box::pin(futures::future::join_all(waiting));
        assert!(futures::poll!(&mut waiting).is_pending());
        let refused = queue.turn(&one, soon()).await.unwrap_err();
        assert_eq!((refused.code(), refused.kind()), ("too_many_plans", polder_types::ErrorKind::Unavailable));
        assert!(refused.retry_after().is_some());
        drop(queue.turn(&"other".parse().unwrap(), soon()).await.unwrap());
        assert!(waiting.await.iter().all(Result::is_err), "nobody waits for ever");
        turns.pop();
        drop(queue.turn(&one, soon()).await.unwrap());
    }
}
