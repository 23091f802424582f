//! Execution: a verified plan on the gateway's own threads, within its row, byte, time and memory caps.
//!
//! Owns the runtime, its big stacks, the slots of each tenant and cancellation: when the caller goes away, the work
//! stops. A panic in the engine is an opaque error.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use datafusion::{arrow::array::RecordBatch, physical_plan::execute_stream};
use futures::StreamExt;
use polder_types::{Error, TenantId};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    error::{Phase, busy, deadline, internal, running},
    functions::value_bytes,
    portion::copied,
    verify::VerifiedQuery,
    watch::StopOnDrop,
};

/// The stack of every thread that plans, optimises, runs or drops a plan. Address space, not memory.
const STACK_BYTES: usize = 32 * 1024 * 1024;
/// Most threads that plan at once.
const PLANNERS_MAX: usize = 16;

/// The rows of an answer.
#[derive(Debug)]
pub(crate) struct Rows {
    /// In order; together at most the row cap.
    pub(crate) batches: Vec<RecordBatch>,
    /// How many rows.
    pub(crate) count: usize,
    /// True if there were more than a cap lets through.
    pub(crate) truncated: bool,
}

/// The threads and slots of the gateway.
pub(crate) struct Pool {
    runtime: Option<Runtime>,
    handle: Handle,
    slots: Mutex<HashMap<TenantId, Weak<Semaphore>>>,
    slots_per_tenant: usize,
}

/// The right to run one query. Held by the work itself, so that what cannot be cancelled still counts.
#[derive(Debug, Clone)]
pub(crate) struct Slot(#[expect(dead_code, reason = "held, not read")] Arc<(OwnedSemaphorePermit, Arc<Semaphore>)>);

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// `Internal` if the system gives none.
    pub(crate) fn new(threads: usize, slots_per_tenant: usize) -> Result<Self, Error> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(PLANNERS_MAX)
            .thread_stack_size(STACK_BYTES)
            .thread_name("polder-query")
            .enable_all()
            .build()
            .map_err(Error::internal)?;
        let handle = runtime.handle().clone();
        Ok(Self { runtime: Some(runtime), handle, slots: Mutex::new(HashMap::new()), slots_per_tenant })
    }

    /// The runtime that the work on its threads waits with.
    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits for a slot of the tenant.
    ///
    /// # Errors
    /// `RateLimited` if none is free in time.
    pub(crate) async fn slot(&self, tenant: &TenantId, until: Instant) -> Result<Slot, Error> {
        let semaphore = self.semaphore(tenant);
        match tokio::time::timeout_at(until, semaphore.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Slot(Arc::new((permit, semaphore)))),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    fn semaphore(&self, tenant: &TenantId) -> Arc<Semaphore> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = slots.get(tenant).and_then(Weak::upgrade) {
            return semaphore;
        }
        slots.retain(|_, semaphore| semaphore.strong_count() > 0);
        let semaphore = Arc::new(Semaphore::new(self.slots_per_tenant));
        slots.insert(tenant.clone(), Arc::downgrade(&semaphore));
        semaphore
    }

    /// Runs planning work on a thread of its own, up to the deadline. What runs longer is left behind with its slot.
    ///
    /// # Errors
    /// The work's own; `Deadline`; `Internal` if it panicked.
    pub(crate) async fn think<T, F>(&self, slot: &Slot, until: Instant, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, Error> + Send + 'static,
    {
        self.apart(slot.clone(), until, work).await
    }

    /// As [`Pool::think`], for whatever gives the right to it.
    ///
    /// # Errors
    /// As [`Pool::think`].
    pub(crate) async fn apart<H, T, F>(&self, held: H, until: Instant, work: F) -> Result<T, Error>
    where
        H: Send + 'static,
        T: Send + 'static,
        F: FnOnce() -> Result<T, Error> + Send + 'static,
    {
        let task = self.handle.spawn_blocking(move || {
            let result = work();
            drop(held);
            result
        });
        match tokio::time::timeout_at(until, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(internal(Phase::Plan, "planning panicked")),
            Err(_) => Err(deadline()),
        }
    }

    /// Runs a verified query and collects its rows.
    ///
    /// # Errors
    /// `Deadline`, `memory`, or the one `runtime_error`.
    pub(crate) async fn run(
        &self,
        slot: Slot,
        until: Instant,
        query: VerifiedQuery,
        caps: Caps,
    ) -> Result<Rows, Error> {
        // The deadline, or the caller is gone: what does not yield looks at the flag, what does is aborted.
        let _stop = StopOnDrop(query.query().clone());
        let task = AbortOnDropHandle::new(self.handle.spawn(async move {
            let rows = collect(&query, caps).await;
            drop(query);
            drop(slot);
            rows
        }));
        match tokio::time::timeout_at(until, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(internal(Phase::Run, "the engine panicked")),
            Err(_) => Err(deadline()),
        }
    }
}

impl Pool {
    /// Drops a plan on a big stack.
    pub(crate) fn discard<T: Send + 'static>(&self, slot: &Slot, plan: T) {
        let slot = slot.clone();
        self.handle.spawn_blocking(move || {
            drop(plan);
            drop(slot);
        });
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The caps of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps {
    /// Most rows.
    pub(crate) rows_max: usize,
    /// Most bytes of values.
    pub(crate) bytes_max: usize,
}

async fn collect(query: &VerifiedQuery, caps: Caps) -> Result<Rows, Error> {
    let mut stream = execute_stream(query.plan().clone(), query.task().clone()).map_err(|error| running(&error))?;
    let mut rows = Rows { batches: Vec::new(), count: 0, truncated: false };
    // The renderer cuts by the exact size; here it is only bounded what is held until then.
    let mut bytes_left = caps.bytes_max.saturating_mul(2);
    while !rows.truncated
        && let Some(batch) = stream.next().await
    {
        let batch = batch.map_err(|error| running(&error))?;
        let rows_left = caps.rows_max.saturating_sub(rows.count);
        let fitting = fitting(&batch, rows_left, &mut bytes_left);
        rows.truncated = fitting < batch.num_rows();
        if fitting > 0 {
            rows.count += fitting;
            // So that an answer takes no more memory than its values.
            rows.batches.push(copied(&batch.slice(0, fitting)));
        }
    }
    Ok(rows)
}

/// How many of a batch's rows fit. SECURITY: counted by values, row by row: how many batches there are, and what they
/// hold beside their values, depends on files and on hidden rows.
fn fitting(batch: &RecordBatch, rows_left: usize, bytes_left: &mut usize) -> usize {
    let bytes = |row: usize| batch.columns().iter().fold(0, |sum: usize, c| sum.saturating_add(value_bytes(c, row)));
    let fits = |row: &usize| match bytes_left.checked_sub(bytes(*row)) {
        Some(left) => {
            *bytes_left = left;
            true
        }
        None => false,
    };
    (0..batch.num_rows().min(rows_left)).take_while(fits).count()
}

#[cfg(test)]
mod tests;
