//! The one clock of the server, and the ids of requests. Everything else takes time as a value.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use polder_types::{Micros, RequestId};
use tokio::time::Instant;
use ulid::Ulid;

/// The moment a request arrived, and its id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Its id, in logs, answers and audit records.
    pub(crate) request_id: RequestId,
    /// By the wall clock, for decisions and records.
    pub(crate) now: Micros,
    /// By the steady clock, for deadlines and durations.
    pub(crate) at: Instant,
}

impl Arrival {
    /// Takes the time.
    #[allow(clippy::disallowed_methods, reason = "the one clock: every request takes its time from here")]
    pub(crate) fn now() -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let now = Micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX));
        Self { request_id: request_id(now), now, at: Instant::now() }
    }

    /// Microseconds since the arrival.
    pub(crate) fn elapsed_us(&self) -> u64 {
        u64::try_from(self.at.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// A ULID whose random part is a keyed hash of a counter: unique in the process, and no call of the system a request.
fn request_id(now: Micros) -> RequestId {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    let (high, low) = (KEY.hash_one((count, 1_u8)), KEY.hash_one((count, 0_u8)));
    let random = (u128::from(high) << 64) | u128::from(low);
    RequestId(Ulid::from_parts(u64::try_from(now.millis()).unwrap_or_default(), random))
}

#[cfg(test)]
mod tests {
    use super::Arrival;

    #[test]
    fn no_two_requests_have_one_id() {
        let ids: std::collections::HashSet<String> =
            (0..100_000).map(|_| Arrival::now().request_id.to_string()).collect();
        assert_eq!(ids.len(), 100_000);
    }
}
