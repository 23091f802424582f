//! The one clock of the server, and the ids of requests. Everything else takes time as a value.

use polder_types::{Micros, RequestId};
use tokio::time::Instant;
use ulid::Ulid;
use uuid::Uuid;

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

/// A ULID; the two halves of a random UUID are folded so that no bit is fixed.
#[allow(clippy::disallowed_methods, reason = "the one source of request ids; they guard nothing")]
fn request_id(now: Micros) -> RequestId {
    let random = Uuid::new_v4().as_u128();
    RequestId(Ulid::from_parts(u64::try_from(now.millis()).unwrap_or_default(), random ^ (random >> 48)))
}
