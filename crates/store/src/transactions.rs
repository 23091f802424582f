//! PostgreSQL's transactions: one a job, many beside each other and on many nodes, over a bounded pool. A job that began
//! runs to its end whether or not its caller still waits. Deadlocks are tried again, since nothing happened. Refuses
//! more waiting jobs than there is room for.

use std::{
    sync::{Arc, PoisonError, RwLock, atomic::AtomicU64},
    time::Duration,
};

use futures::future::BoxFuture;
use polder_types::{Error, Result};
use sqlx::PgPool;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::Instant,
};
use tokio_util::task::TaskTracker;

use crate::{
    cache::Caches,
    db::{self, Session, failure, sql},
    fresh,
    tx::{LastEvent, Tx, Written, not_committed, overloaded, shutting_down, unknown},
    writer::guarded,
};

/// How often a job is tried again after a deadlock.
const RETRIES_MAX: u32 = 4;
/// The longest pause before the first retry, doubled for each further one.
const RETRY_PAUSE_MS: u64 = 8;
/// How long the answer to a COMMIT may take before the connection counts as dead.
const COMMIT_MAX: Duration = Duration::from_secs(5);
/// How long to ask what became of a transaction (design: 5 s), and how often.
const SETTLE_MAX: Duration = Duration::from_secs(5);
const SETTLE_EVERY: Duration = Duration::from_millis(50);

/// The way to the transactions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Transactions(Arc<Inner>);

struct Inner {
    pool: PgPool,
    /// For [`Transactions::settle`] alone: a transaction holds its place in `pool` until its outcome is known, so who
    /// asks there would wait for those who wait for him.
    settlers: PgPool,
    /// Jobs that wait or run.
    room: Arc<Semaphore>,
    closed: RwLock<bool>,
    jobs: TaskTracker,
    caches: Arc<Caches>,
    last_event: LastEvent,
    statements: Arc<AtomicU64>,
}

/// What became of one attempt.
enum Attempt<T> {
    Ended(Written<T>),
    /// The database rolled back because of others.
    Again(Error),
}

impl Transactions {
    /// `pool` and `settlers` lead to the same database; `settlers` is used by nobody else.
    pub(crate) fn new(
        (pool, settlers): (PgPool, PgPool),
        queue_max: usize,
        caches: Arc<Caches>,
        statements: Arc<AtomicU64>,
    ) -> Self {
        let room = Arc::new(Semaphore::new(queue_max.max(1)));
        let (closed, jobs) = (RwLock::new(false), TaskTracker::new());
        let last_event = LastEvent::default();
        Self(Arc::new(Inner { pool, settlers, room, closed, jobs, caches, last_event, statements }))
    }

    /// Hands a job over; it runs even if nobody waits for its answer.
    ///
    /// # Errors
    /// `Unavailable` if it will not run.
    pub(crate) fn submit<T, F>(&self, name: &'static str, work: F) -> Result<oneshot::Receiver<Written<T>>>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T>> + Clone + Send + 'static,
    {
        // Held while the task is made: after `close` has set it, no further job begins.
        let closed = self.0.closed.read().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Err(shutting_down());
        }
        let place = self.0.room.clone().try_acquire_owned().map_err(|_| overloaded())?;
        let (answer, answered) = oneshot::channel();
        let transactions = self.clone();
        self.0.jobs.spawn(async move {
            let written = transactions.run(name, work, place).await;
            // A caller that hung up has no use for the answer.
            drop(answer.send(written));
        });
        Ok(answered)
    }

    /// Lets no further job in, and finishes those accepted.
    pub(crate) async fn close(&self) {
        *self.0.closed.write().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.jobs.close();
        self.0.jobs.wait().await;
        self.0.pool.close().await;
        self.0.settlers.close().await;
    }

    async fn run<T, F>(&self, name: &'static str, work: F, _place: OwnedSemaphorePermit) -> Written<T>
    where
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T>> + Clone,
    {
        let mut attempts = 0;
        loop {
            match self.attempt(name, work.clone()).await {
                Attempt::Ended(written) => return written,
                Attempt::Again(error) if attempts == RETRIES_MAX => return Written::RolledBack(not_committed(error)),
                Attempt::Again(_) => pause(attempts).await,
            }
            attempts += 1;
        }
    }

    async fn attempt<T, F>(&self, name: &'static str, work: F) -> Attempt<T>
    where
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T>>,
    {
        let (mut tx, id) = match self.begin().await {
            Ok(begun) => begun,
            Err(error) => return Attempt::Ended(Written::RolledBack(not_committed(error))),
        };
        let result = guarded(name, async { work(&mut tx).await }).await;
        let value = match result {
            Ok(value) if !tx.has_failed() => value,
            Ok(_) => {
                let error = Error::internal("a statement failed and its job went on");
                return self.rolled_back(tx, Written::RolledBack(not_committed(error))).await;
            }
            Err(error) if error.code() == db::AGAIN => {
                roll_back(&mut tx).await;
                return Attempt::Again(error);
            }
            Err(error) if error.code() == db::IO => {
                return self.rolled_back(tx, Written::RolledBack(not_committed(error))).await;
            }
            Err(error) => return self.rolled_back(tx, Written::Refused(error)).await,
        };
        match self.commit(tx, &id).await {
            Outcome::Committed => Attempt::Ended(Written::Done(value)),
            Outcome::RolledBack(error) if error.code() == db::AGAIN => Attempt::Again(error),
            Outcome::RolledBack(error) => Attempt::Ended(Written::RolledBack(not_committed(error))),
            Outcome::Unknown(error) => Attempt::Ended(Written::Unknown(unknown(error))),
        }
    }

    /// Begins a transaction and asks for its id in the same round trip, so that its outcome can be asked for whatever
    /// the job does.
    async fn begin(&self) -> Result<(Tx, String)> {
        let conn = self.0.pool.acquire().await.map_err(failure)?;
        let mut session = Session::postgres(conn, self.0.statements.clone());
        let row = session.control_row("BEGIN; SELECT pg_current_xact_id()::text").await;
        let id = row.and_then(|row| row.ok_or_else(|| Error::internal("a transaction without an id"))?.text(0));
        match id {
            Ok(id) => Ok((Tx::new(session, self.0.caches.clone(), self.0.last_event.clone()), id)),
            Err(error) => {
                session.abandon();
                Err(error)
            }
        }
    }

    async fn rolled_back<T>(&self, mut tx: Tx, written: Written<T>) -> Attempt<T> {
        roll_back(&mut tx).await;
        Attempt::Ended(written)
    }

    async fn commit(&self, mut tx: Tx, id: &str) -> Outcome {
        let committed = tokio::time::timeout(COMMIT_MAX, tx.control("COMMIT")).await;
        let outcome = match committed {
            Ok(Ok(())) => Outcome::Committed,
            Ok(Err(error)) => {
                tx.session.abandon();
                self.settle(id, error).await
            }
            Err(_) => {
                tx.session.abandon();
                self.settle(id, Error::unavailable(db::IO, "the metadata database does not answer")).await
            }
        };
        if matches!(outcome, Outcome::Committed) {
            tx.caches.publish(std::mem::take(&mut tx.changes));
        }
        outcome
    }

    /// Finds out what became of a transaction whose COMMIT was not answered. Looking at rows would prove nothing: a
    /// COMMIT on its way may still land, so PostgreSQL itself is asked until the transaction is over (F18).
    async fn settle(&self, id: &str, error: Error) -> Outcome {
        let until = deadline(SETTLE_MAX);
        loop {
            match tokio::time::timeout_at(until, self.status(id)).await {
                Ok(Ok(Some(status))) if status == "committed" => return Outcome::Committed,
                Ok(Ok(Some(status))) if status == "aborted" => return Outcome::RolledBack(error),
                Ok(Ok(None)) | Err(_) => return Outcome::Unknown(error),
                // In progress, or the database is away.
                Ok(_) => {}
            }
            if tokio::time::timeout_at(until, tokio::time::sleep(SETTLE_EVERY)).await.is_err() {
                return Outcome::Unknown(error);
            }
        }
    }

    async fn status(&self, id: &str) -> Result<Option<String>> {
        let conn = self.0.settlers.acquire().await.map_err(failure)?;
        let mut session = Session::postgres(conn, self.0.statements.clone());
        let row = session.row(sql("SELECT pg_xact_status($1::text::xid8)").bind(id)).await?;
        row.map_or(Ok(None), |row| row.get(0))
    }
}

/// What became of a transaction.
enum Outcome {
    Committed,
    RolledBack(Error),
    Unknown(Error),
}

async fn roll_back(tx: &mut Tx) {
    if tx.control("ROLLBACK").await.is_err() {
        // Without a connection the server rolls back by itself.
        tx.session.abandon();
    }
}

async fn pause(attempts: u32) {
    let bound = RETRY_PAUSE_MS << attempts.min(RETRIES_MAX);
    let random = fresh::bytes::<8>().map_or(0, u64::from_be_bytes);
    tokio::time::sleep(Duration::from_millis(1 + random % bound)).await;
}

#[allow(clippy::disallowed_methods, reason = "how long to wait for the database, not what time it is")]
fn deadline(within: Duration) -> Instant {
    Instant::now() + within
}
