//! One fair lock a table around a commit, so that committers of one process queue instead of losing to each other.

use std::sync::Arc;

use moka::sync::Cache;
use polder_types::{Error, RelationId, Result};
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};

/// Most commits that wait for one table.
const WAITING_MAX: usize = 64;
/// Most tables whose locks are remembered; an evicted lock costs a lost compare-and-swap at worst.
const TABLES_MAX: u64 = 100_000;

/// The locks of all tables.
#[derive(Clone, Debug)]
pub(crate) struct CommitLocks {
    tables: Cache<RelationId, Arc<TableLock>>,
}

#[derive(Debug)]
struct TableLock {
    // Tokio's mutex is fair: it serves in order of arrival.
    turn: Arc<Mutex<()>>,
    places: Semaphore,
}

/// The right to commit to a table; given back when dropped.
#[derive(Debug)]
pub(crate) struct CommitTurn {
    _turn: OwnedMutexGuard<()>,
}

impl CommitLocks {
    pub(crate) fn new() -> Self {
        Self { tables: Cache::new(TABLES_MAX) }
    }

    /// Waits for the table's turn.
    ///
    /// # Errors
    /// `Unavailable` if too many wait already.
    pub(crate) async fn turn(&self, table: RelationId) -> Result<CommitTurn> {
        let lock = self
            .tables
            .get_with(table, || Arc::new(TableLock { turn: Arc::default(), places: Semaphore::new(WAITING_MAX) }));
        let _place = lock
            .places
            .try_acquire()
            .map_err(|_| Error::unavailable("too_many_commits", "too many commits wait for this table"))?;
        Ok(CommitTurn { _turn: Arc::clone(&lock.turn).lock_owned().await })
    }
}

#[cfg(test)]
mod tests;
