//! Reading Iceberg tables under a policy. (Contract types only, until the owner of this folder puts the rest here.)

use std::sync::atomic::{AtomicU64, Ordering};

use polder_policy::BoundPredicate;
use polder_types::Micros;

/// A leakproof predicate of the statement: columns of the governed schema by index, unmasked ones only.
pub(crate) type PushedPredicate = BoundPredicate<usize>;

/// What the scans of one query share.
#[derive(Debug)]
pub(crate) struct QueryLocal {
    pub(crate) salt: [u8; 32],
    pub(crate) now: Micros,
    bytes: AtomicU64,
}

impl QueryLocal {
    pub(crate) fn new(salt: [u8; 32], now: Micros) -> Self {
        Self { salt, now, bytes: AtomicU64::new(0) }
    }

    /// Bytes that left the barrier.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
