//! The store as a whole: what it is opened with, what every noun shares, and how it is closed.

use std::{
    fs::File,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::future::BoxFuture;
use polder_types::{Error, Micros, RequestId, Result, Secret};
use tokio_util::task::TaskTracker;

use crate::{
    IdempotencyKey, RootKey, SigningKey,
    cache::Caches,
    counted::Counted,
    db::{Db, Session},
    open,
    reports::Reports,
    root_key::Keys,
    snapshot::Snapshots,
    transactions::Transactions,
    tx::{Tx, Written, unknown},
    writer::Writer,
};

/// Which request a change belongs to, and when it happens: time is a value.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The request.
    pub request: RequestId,
    /// Now.
    pub now: Micros,
    /// The key of a request that must have one outcome, however often it comes.
    pub keyed: Option<IdempotencyKey>,
}

impl Stamp {
    /// A request without an `Idempotency-Key`.
    #[must_use]
    pub fn new(request: RequestId, now: Micros) -> Self {
        Self { request, now, keyed: None }
    }
}

/// The metadata database.
#[derive(Clone, Debug)]
pub enum Database {
    /// A SQLite file, which this process alone owns.
    Sqlite(PathBuf),
    /// A PostgreSQL database, which several nodes may use: `postgres://user:password@host/name?sslmode=verify-full`.
    Postgres(Secret),
}

/// What a store is opened with.
#[derive(Debug)]
pub struct StoreOptions {
    /// Which one.
    pub database: Database,
    /// The root key.
    pub root_key: RootKey,
    /// Most read connections.
    pub readers: u32,
    /// Most connections that write, in PostgreSQL.
    pub writers: u32,
    /// Most writes waiting; one more is answered 503.
    pub queue: usize,
}

impl StoreOptions {
    /// A SQLite file with the usual sizes; it is made if absent.
    #[must_use]
    pub fn new(path: PathBuf, root_key: RootKey) -> Self {
        Self { database: Database::Sqlite(path), root_key, readers: 4, writers: 1, queue: 1_024 }
    }

    /// A PostgreSQL database with the usual sizes, by its URL.
    #[must_use]
    pub fn postgres(url: Secret, root_key: RootKey) -> Self {
        Self { database: Database::Postgres(url), root_key, readers: 8, writers: 8, queue: 1_024 }
    }
}

/// The metadata database. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

/// How changes are written.
pub(crate) enum Writing {
    /// By the one writer of a SQLite file, several jobs in one transaction.
    Grouped {
        /// The way to it.
        writer: Writer,
        /// Its task.
        task: TaskTracker,
    },
    /// By transactions beside each other, in PostgreSQL.
    Beside(Transactions),
}

struct Inner {
    db: Db,
    writing: Writing,
    /// Counts on their way to the writer.
    flushes: TaskTracker,
    caches: Arc<Caches>,
    snapshots: Snapshots,
    counted: Counted,
    reports: Reports,
    keys: Keys,
    signing_key: SigningKey,
    statements: Arc<AtomicU64>,
    /// Held as long as the store lives, where one process owns the database.
    _lock: Option<File>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

/// True if nothing happened because the permit was made under an older policy: authorize again and retry.
#[must_use]
pub fn is_stale(error: &Error) -> bool {
    error.code() == "stale_policy"
}

impl Store {
    /// Opens the database, makes its tables if absent, and brings its schema up to date.
    ///
    /// # Errors
    /// `Invalid` if another process owns the file, if it is no database, if it is newer than this binary by more than
    /// one version, or if the root key is not the one that it was made with; `Unavailable` if it is not there.
    pub async fn open(options: StoreOptions, now: Micros) -> Result<Self> {
        let keys = Keys::derive(&options.root_key)?;
        let statements = Arc::new(AtomicU64::new(0));
        let opened = match &options.database {
            Database::Sqlite(path) => open::sqlite(path, &options, &keys, &statements, now).await?,
            Database::Postgres(url) => open::postgres(url, &options, &keys, &statements, now).await?,
        };
        Ok(Self(Arc::new(Inner {
            db: opened.db,
            writing: opened.writing,
            flushes: TaskTracker::new(),
            caches: opened.caches,
            snapshots: Snapshots::new(),
            counted: Counted::new(),
            reports: Reports::default(),
            keys,
            signing_key: opened.signing_key,
            statements,
            _lock: opened.lock,
        })))
    }

    /// Writes what was counted, refuses new writes, finishes those accepted, and closes the file.
    pub async fn close(&self) {
        self.0.flushes.close();
        self.0.flushes.wait().await;
        if let Err(error) = self.write_counted().await {
            tracing::error!(error = ?error, "events that were counted could not be written");
        }
        if let Err(error) = self.write_reports().await {
            tracing::warn!(error = ?error, "reports of clients could not be written");
        }
        match &self.0.writing {
            Writing::Grouped { writer, task } => {
                writer.close();
                task.close();
                task.wait().await;
            }
            Writing::Beside(transactions) => transactions.close().await,
        }
        self.0.db.close().await;
    }

    /// How many statements ran so far, without BEGIN, SAVEPOINT, COMMIT and the like.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.0.statements.load(Ordering::Relaxed)
    }

    /// The key that signs our tokens.
    #[must_use]
    pub fn signing_key(&self) -> &SigningKey {
        &self.0.signing_key
    }

    pub(crate) fn caches(&self) -> &Caches {
        &self.0.caches
    }

    pub(crate) fn snapshots(&self) -> &Snapshots {
        &self.0.snapshots
    }

    pub(crate) fn counted(&self) -> &Counted {
        &self.0.counted
    }

    pub(crate) fn reports(&self) -> &Reports {
        &self.0.reports
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn flushes(&self) -> &TaskTracker {
        &self.0.flushes
    }

    /// True if other nodes may write to the database.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.0.db, Db::Postgres(..))
    }

    pub(crate) async fn read(&self) -> Result<Session> {
        self.0.db.read(&self.0.statements).await
    }

    pub(crate) async fn read_together(&self) -> Result<Session> {
        self.0.db.read_together(&self.0.statements).await
    }

    /// Runs a job on the writer and waits for its COMMIT.
    pub(crate) async fn write<T, F>(&self, name: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T>> + Clone + Send + 'static,
    {
        self.submit(name, work).await.into_result()
    }

    /// Hands a job over. It runs even if the future that this returns is dropped; on PostgreSQL it runs again, with what
    /// it was given, if the database rolled it back because of others.
    pub(crate) fn submit<T, F>(
        &self,
        name: &'static str,
        work: F,
    ) -> impl Future<Output = Written<T>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T>> + Clone + Send + 'static,
    {
        let queued = match &self.0.writing {
            Writing::Grouped { writer, .. } => writer.submit(name, work),
            Writing::Beside(transactions) => transactions.submit(name, work),
        };
        async move {
            match queued {
                Err(error) => Written::RolledBack(error),
                Ok(answered) => {
                    answered.await.unwrap_or_else(|_| Written::Unknown(unknown(Error::internal("the writer is gone"))))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
