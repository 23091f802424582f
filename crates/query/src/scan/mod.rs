//! Reading Iceberg tables under a policy: what leaves is filtered, masked, projected and rebuilt, in this order.
//!
//! Owns the files of one table (`files`), what a table's manifests name (`named`, for its purge), what a snapshot holds (`inventory`, `avro`), which files may matter (`prune`), how
//! a file is read (`read`, `evolve`, `deletes`) and the barrier itself (`filter`, `wanted`, `mask`, `compact`, `barrier`).
//! Refuses to read anything outside the table's location, to write, and to answer partly: what this build cannot read
//! or mask exactly is an error.
//!
//! Iceberg's crate parses metadata and manifests; files are read with Parquet directly, because its reader matches
//! nested fields by position, and drops rows with a null in a column that an equality delete names.

mod avro;
mod barrier;
mod bind;
mod compact;
mod deletes;
mod error;
mod evolve;
mod files;
mod filter;
mod inventory;
mod mask;
mod named;
pub(crate) mod planning;
mod prune;
mod read;
mod source;
mod table;
mod values;
mod wanted;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod random;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use polder_policy::BoundPredicate;

pub(crate) use compact::rebuilt;
pub(crate) use files::erasable;
pub(crate) use inventory::MANIFEST_BYTES_MAX;
pub(crate) use named::{files_of, manifests_of};
pub(crate) use source::GovernedSource;
pub(crate) use table::TableCache;

/// A leakproof predicate of the statement: columns of the governed schema by index, unmasked ones only.
pub(crate) type PushedPredicate = BoundPredicate<usize>;

/// What the scans of one query share.
pub(crate) struct QueryLocal {
    salt: [u8; 32],
    bytes: AtomicU64,
    stopped: AtomicBool,
}

// SECURITY: functions hold it, and the engine writes functions into its errors: the salt is a secret of the query.
impl std::fmt::Debug for QueryLocal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("QueryLocal")
    }
}

impl QueryLocal {
    /// `salt` is fresh random bytes: `sha-256-query-local` is only as secret as they are.
    pub(crate) fn new(salt: [u8; 32]) -> Self {
        Self { salt, bytes: AtomicU64::new(0), stopped: AtomicBool::new(false) }
    }

    /// Bytes that left the barrier.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Says that nobody waits for the query any more.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// True if nobody waits for the query any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn count(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
