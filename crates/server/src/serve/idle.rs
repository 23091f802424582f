//! A connection whose peer must ask: it is left once no head of a request was complete for too long. One timer a
//! connection, looked at when it fires and not set anew with every request. What an answer may take is not its affair.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// What was last seen on one connection; cheap to clone, the same for all clones.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    begun: Instant,
    /// Milliseconds after `begun` at which the connection last got on.
    last_ms: AtomicU64,
    /// It has asked at least once.
    asked: AtomicBool,
    /// A request is at hand: whoever waits for its answer is not silent. HTTP/1 has one at a time.
    at_hand: AtomicBool,
}

impl Activity {
    /// Of a connection that was just accepted.
    pub(super) fn begin() -> Self {
        let (last_ms, asked, at_hand) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
        Self(Arc::new(Inner { begun: now(), last_ms, asked, at_hand }))
    }

    /// The head of a request is there.
    pub(super) fn asks(&self) {
        self.0.asked.store(true, Relaxed);
        self.0.at_hand.store(true, Relaxed);
    }

    /// Its answer is about to be written.
    pub(super) fn answered(&self) {
        self.gets_on();
        self.0.at_hand.store(false, Relaxed);
    }

    /// The peer took something.
    pub(super) fn gets_on(&self) {
        let since = now().saturating_duration_since(self.0.begun);
        self.0.last_ms.store(u64::try_from(since.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Ends once the peer has asked for nothing for `first` from now on, or for `next` after it had an answer.
    pub(super) async fn silent(&self, first: Duration, next: Duration) {
        let since = now();
        let mut until = since + first.min(next);
        loop {
            tokio::time::sleep_until(until).await;
            until = match (self.0.asked.load(Relaxed), self.0.at_hand.load(Relaxed)) {
                // SECURITY: from the start, whatever was written: TLS answers its peer before anything was asked.
                (false, _) => since + first,
                (true, true) => now() + next,
                (true, false) => self.0.begun + Duration::from_millis(self.0.last_ms.load(Relaxed)) + next,
            };
            if until <= now() {
                return;
            }
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "how long a peer is silent is no part of any decision")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
