//! One transaction as a job sees it, and what became of a job. The same for both databases: SQLite has one writer,
//! so every lock is for PostgreSQL alone, where transactions of many nodes run beside each other (docs/decisions/0008).

use std::sync::{Arc, Mutex, PoisonError};

use polder_policy::WarehouseRef;
use polder_types::{Error, ErrorKind, EventId, Micros, Result, Subject, WarehouseId};

use crate::{
    WarehouseRow,
    audit::Witness,
    cache::{Caches, Change, Withdrawn},
    db::{Session, sql},
    fresh, warehouses,
};

/// The id of the newest audit record of a process.
pub(crate) type LastEvent = Arc<Mutex<Option<EventId>>>;

/// The writer's side of a transaction: what a job may do.
pub(crate) struct Tx {
    pub(crate) session: Session,
    pub(crate) caches: Arc<Caches>,
    /// What the jobs of this transaction changed so far.
    pub(crate) changes: Vec<Change>,
    /// Tables that nobody keeps while the transaction commits.
    pub(crate) withdrawn: Withdrawn,
    /// The last audit record of this transaction: found after a failed COMMIT, the transaction landed.
    pub(crate) witness: Option<Witness>,
    /// The id of the last audit record of this process, so that ids grow in the order of writing.
    last_event: LastEvent,
}

impl std::ops::Deref for Tx {
    type Target = Session;
    fn deref(&self) -> &Session {
        &self.session
    }
}

impl std::ops::DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl Tx {
    pub(crate) fn new(session: Session, caches: Arc<Caches>, last_event: LastEvent) -> Self {
        Self { session, caches, changes: Vec::new(), withdrawn: Withdrawn::default(), witness: None, last_event }
    }

    /// Notes a change for the caches.
    pub(crate) fn changed(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(crate) fn witnessed(&mut self, witness: Witness) {
        self.witness = Some(witness);
    }

    /// An id for an audit record, larger than every one before.
    pub(crate) fn next_event(&mut self, at: Micros) -> Result<EventId> {
        let fresh = fresh::event_id(at)?;
        let mut last = self.last_event.lock().unwrap_or_else(PoisonError::into_inner);
        let after = last.and_then(|last| last.0.increment()).map(EventId);
        let next = after.map_or(fresh, |after| after.max(fresh));
        *last = Some(next);
        Ok(next)
    }

    /// The warehouse as this transaction sees it; from the cache while nothing about warehouses changed in it.
    pub(crate) async fn warehouse(&mut self, warehouse: &WarehouseRef) -> Result<Arc<WarehouseRow>> {
        let key = (warehouse.tenant.id.clone(), warehouse.name.clone());
        let changed = self.changes.iter().any(|change| matches!(change, Change::Warehouses));
        let cached = if changed { None } else { self.caches.warehouses.get(&key) };
        let row = match cached {
            Some(row) => Some(row),
            None => warehouses::select(&mut self.session, &key.0, &key.1).await?.map(Arc::new),
        };
        row.filter(|row| row.warehouse.id == warehouse.id)
            .ok_or_else(|| Error::not_found(Subject::Warehouse, warehouse.name.as_str()))
    }

    /// Waits until nobody else holds the lock, and holds it until the transaction ends. Taken before the tenant's row,
    /// so that nobody who waits here holds that.
    pub(crate) async fn alone(&mut self, lock: Lock) -> Result<()> {
        if self.is_shared() {
            self.row(sql("SELECT pg_advisory_xact_lock($1)").bind(lock.key())).await?;
        }
        Ok(())
    }

    /// True if the transaction of a record is in the database.
    pub(crate) async fn landed(&mut self, witness: &Witness) -> Result<bool> {
        let query = sql("SELECT 1 FROM audit WHERE tenant_id = $1 AND id = $2");
        Ok(self.row(query.bind(witness.tenant.as_str()).bind(witness.id.as_str())).await?.is_some())
    }
}

/// What only one transaction at a time may work on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lock {
    /// The first tenant, and the keys of the installation.
    Installation,
    /// The roots and allowed locations of all warehouses.
    Locations,
    /// The tree of one warehouse: names, and locations of tables.
    Warehouse(WarehouseId),
}

impl Lock {
    /// The number of an advisory lock: 64 bits of a hash, so that two warehouses share one only by rare chance, which
    /// would make them wait and nothing worse.
    fn key(self) -> i64 {
        let mut hasher = blake3::Hasher::new();
        match self {
            Self::Installation => hasher.update(b"polder installation"),
            Self::Locations => hasher.update(b"polder locations"),
            Self::Warehouse(id) => hasher.update(b"polder warehouse ").update(id.0.as_bytes()),
        };
        let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// What became of a job.
#[derive(Debug)]
pub(crate) enum Written<T> {
    /// Committed.
    Done(T),
    /// The job itself said no; nothing happened.
    Refused(Error),
    /// Nothing happened; `Unavailable`.
    RolledBack(Error),
    /// It is not known whether it happened.
    Unknown(Error),
}

impl<T> Written<T> {
    /// For callers that need no more than the error's kind.
    pub(crate) fn into_result(self) -> Result<T> {
        match self {
            Self::Done(value) => Ok(value),
            Self::Refused(error) | Self::RolledBack(error) | Self::Unknown(error) => Err(error),
        }
    }
}

/// A sure failure: nothing happened, so it is 503 whatever the cause.
pub(crate) fn not_committed(error: Error) -> Error {
    Error::unavailable("not_committed", "the change could not be written; try again").with_source(error)
}

pub(crate) fn unknown(error: Error) -> Error {
    Error::new(
        ErrorKind::CommitStateUnknown,
        Subject::Request,
        "commit_state_unknown",
        "it is not known whether the change was made; read again before retrying",
    )
    .with_source(error)
}

pub(crate) fn shutting_down() -> Error {
    Error::unavailable("shutting_down", "the server is shutting down")
}

pub(crate) fn overloaded() -> Error {
    Error::unavailable("overloaded", "too many changes are waiting; try again")
}
