//! SQLite's one writer: jobs over moved data, up to 64 in one transaction, each in a savepoint unless it is alone; COMMIT,
//! then the caches, then the answers. A job that began runs to its end whether or not its caller still waits. Refuses more
//! waiting jobs than the queue holds, and everything after an I/O error.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{FutureExt, future::BoxFuture};
use polder_types::{Error, Result};
use tokio::sync::{mpsc, oneshot};

use crate::{
    db,
    tx::{Tx, Written, not_committed, overloaded, shutting_down, unknown},
};

/// Most jobs of one transaction.
const GROUP_MAX: usize = 64;

/// The way to the writer task.
pub(crate) struct Writer {
    queue: RwLock<Option<mpsc::Sender<Box<dyn Job>>>>,
    read_only: Arc<AtomicBool>,
}

impl Writer {
    /// Makes the writer and the task that does its work until [`Writer::close`].
    pub(crate) fn new(tx: Tx, queue_max: usize) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, receiver) = mpsc::channel(queue_max.max(1));
        let read_only = Arc::new(AtomicBool::new(false));
        let task = run(tx, receiver, read_only.clone());
        (Self { queue: RwLock::new(Some(sender)), read_only }, task)
    }

    /// Hands a job over; it runs even if nobody waits for its answer.
    ///
    /// # Errors
    /// `Unavailable` if it will not run.
    pub(crate) fn submit<T, F>(&self, name: &'static str, work: F) -> Result<oneshot::Receiver<Written<T>>>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.enqueue(Box::new(TypedJob { name, work: Some(work), result: None, answer }))?;
        Ok(answered)
    }

    fn enqueue(&self, job: Box<dyn Job>) -> Result<()> {
        if self.read_only.load(Ordering::Acquire) {
            return Err(read_only());
        }
        let queue = self.queue.read().unwrap_or_else(PoisonError::into_inner);
        queue.as_ref().ok_or_else(shutting_down)?.try_send(job).map_err(|_| overloaded())
    }

    /// Lets no further job in; those accepted are finished.
    pub(crate) fn close(&self) {
        drop(self.queue.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn read_only() -> Error {
    Error::unavailable("read_only", "the metadata database failed; this node only reads until it is restarted")
}

/// What became of a transaction.
enum Group {
    Committed,
    RolledBack(Error),
    Unknown(Error),
}

trait Job: Send {
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, Result<()>>;
    fn finish(self: Box<Self>, group: &Group);
}

struct TypedJob<T, F> {
    name: &'static str,
    work: Option<F>,
    result: Option<Result<T>>,
    answer: oneshot::Sender<Written<T>>,
}

impl<T, F> Job for TypedJob<T, F>
where
    T: Send + 'static,
    F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T>> + Send + 'static,
{
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let Some(work) = self.work.take() else {
                return Err(Error::internal("a job ran twice"));
            };
            // A bug in one job must not take the writer down: its savepoint is rolled back like any failure's.
            let result = guarded(self.name, async { work(tx).await }).await;
            let outcome = result.as_ref().map(|_| ()).map_err(Clone::clone);
            self.result = Some(result);
            outcome
        })
    }

    fn finish(self: Box<Self>, group: &Group) {
        let written = match (group, self.result) {
            (Group::Committed, Some(Ok(value))) => Written::Done(value),
            (Group::Committed, Some(Err(error))) => Written::Refused(error),
            (Group::Committed, None) => Written::RolledBack(Error::internal("a job did not run")),
            (Group::RolledBack(error), _) => Written::RolledBack(error.clone()),
            (Group::Unknown(error), _) => Written::Unknown(unknown(error.clone())),
        };
        // A caller that hung up has no use for the answer.
        drop(self.answer.send(written));
    }
}

/// Runs a job; a panic is its error.
pub(crate) async fn guarded<T>(name: &'static str, job: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(job).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(job = name, "a job of the writer panicked");
        Err(Error::internal("a job panicked"))
    })
}

async fn run(mut tx: Tx, mut queue: mpsc::Receiver<Box<dyn Job>>, stop: Arc<AtomicBool>) {
    let mut jobs = Vec::with_capacity(GROUP_MAX);
    while queue.recv_many(&mut jobs, GROUP_MAX).await > 0 {
        let group = if stop.load(Ordering::Acquire) {
            Group::RolledBack(read_only())
        } else {
            transact(&mut tx, &mut jobs, &stop).await
        };
        if matches!(group, Group::Committed) {
            tx.caches.publish(std::mem::take(&mut tx.changes));
        }
        tx.caches.release(std::mem::take(&mut tx.withdrawn));
        tx.changes.clear();
        tx.witness = None;
        jobs.drain(..).for_each(|job| job.finish(&group));
    }
    tx.session.close();
}

async fn transact(tx: &mut Tx, jobs: &mut [Box<dyn Job>], stop: &AtomicBool) -> Group {
    if let Err(error) = tx.control("BEGIN IMMEDIATE").await {
        return Group::RolledBack(not_committed(noted(error, stop)));
    }
    if let [job] = jobs {
        return run_alone(tx, job.as_mut(), stop).await;
    }
    for job in jobs {
        if let Err(error) = run_in_savepoint(tx, job.as_mut()).await {
            drop(tx.control("ROLLBACK").await); // SQLite may have rolled back by itself
            return Group::RolledBack(not_committed(noted(error, stop)));
        }
    }
    commit(tx, stop).await
}

async fn commit(tx: &mut Tx, stop: &AtomicBool) -> Group {
    tx.withdrawn = tx.caches.withdraw(&tx.changes);
    match tx.control("COMMIT").await {
        Ok(()) => Group::Committed,
        Err(error) => settle(tx, noted(error, stop), stop).await,
    }
}

/// Runs the only job of a transaction, which is its savepoint: one that is refused is rolled back whole.
async fn run_alone(tx: &mut Tx, job: &mut dyn Job, stop: &AtomicBool) -> Group {
    let Err(error) = job.run(tx).await else { return commit(tx, stop).await };
    (tx.witness, tx.changes) = (None, Vec::new());
    let rolled_back = tx.control("ROLLBACK").await;
    if error.code() == db::IO {
        return Group::RolledBack(not_committed(noted(error, stop)));
    }
    match rolled_back {
        // Nothing was written, as after the COMMIT of a group in which every job was refused.
        Ok(()) => Group::Committed,
        Err(error) => Group::RolledBack(not_committed(noted(error, stop))),
    }
}

/// Runs one job. An error of this function means that the whole transaction is lost.
async fn run_in_savepoint(tx: &mut Tx, job: &mut dyn Job) -> Result<()> {
    let (changes, witness) = (tx.changes.len(), tx.witness.clone());
    tx.control("SAVEPOINT job").await?;
    if let Err(error) = job.run(tx).await {
        tx.changes.truncate(changes);
        tx.witness = witness;
        if error.code() == db::IO {
            return Err(error);
        }
        tx.control("ROLLBACK TO job").await?;
    }
    tx.control("RELEASE job").await
}

/// Finds out whether a COMMIT that failed took place, by reading again in the same process.
// SECURITY: after an I/O error, not to find it proves nothing. SQLite writes all frames and the mark of the commit into
// the log before it flushes, and if the flush fails it forgets them in memory only: killed now, it finds them there when
// it opens the file again, and the files that the commit names must still be there (F4, F18).
async fn settle(tx: &mut Tx, error: Error, stop: &AtomicBool) -> Group {
    drop(tx.control("ROLLBACK").await); // nothing to roll back if the COMMIT did take place
    let Some(witness) = tx.witness.take() else {
        return Group::Unknown(error);
    };
    match tx.landed(&witness).await {
        Ok(true) => Group::Committed,
        Ok(false) if error.code() == db::IO => Group::Unknown(error),
        Ok(false) => Group::RolledBack(not_committed(error)),
        Err(again) => Group::Unknown(noted(again, stop)),
    }
}

/// Makes the node read-only after an I/O error.
fn noted(error: Error, stop: &AtomicBool) -> Error {
    if error.code() == db::IO && !stop.swap(true, Ordering::AcqRel) {
        tracing::error!(error = ?error, "the metadata database failed: this node is read-only now");
    }
    error
}

#[cfg(test)]
mod tests;
