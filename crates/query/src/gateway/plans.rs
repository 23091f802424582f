//! Plans of scans: `scan/planning` on the gateway's threads, one turn a request, and the sealed texts that stand for what
//! is left of them.
//!
//! Nothing is kept of a plan but that it was cancelled, here and for an hour: its id and its tasks carry it. SECURITY: they
//! are opened with the permit of the very call, which is of the same tenant, principal and table.

use std::{future::Future, time::Duration};

use moka::sync::Cache;
use polder_catalog::{OpCtx, scans::ScanTable};
use polder_store::PlanToken;
use polder_types::{Error, ErrorKind, Result, Subject, rest::PlanTableScanRequest};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::{Gateway, salt};
use crate::{
    queue::PlanQueue,
    scan::planning::{Page, Plan, PlanCache, Planning, Task, packed, unpacked},
};

/// How long a plan may be asked about.
const PLAN_LIFETIME: Duration = Duration::from_secs(3_600);
/// Most plans that are remembered as cancelled.
const CANCELLED_MAX: u64 = 100_000;
/// Memory for manifests that were read.
const MANIFESTS_BYTES: u64 = 64 * 1024 * 1024;
/// Most bytes of a plan's id, which is part of a path.
const PLAN_ID_BYTES_MAX: usize = 4 * 1024;

/// What plans share.
#[derive(Debug)]
pub(super) struct Plans {
    queue: PlanQueue,
    cache: PlanCache,
    cancelled: Cache<String, ()>,
}

impl Plans {
    pub(super) fn new() -> Self {
        Self {
            queue: PlanQueue::new(),
            cache: PlanCache::new(MANIFESTS_BYTES),
            cancelled: Cache::builder().max_capacity(CANCELLED_MAX).time_to_live(PLAN_LIFETIME).build(),
        }
    }
}

/// Files of a scan, as the REST specification writes them.
#[derive(Debug)]
pub struct ScanTasks {
    /// `DeleteFile`s that the scan tasks refer to.
    pub delete_files: Vec<Box<RawValue>>,
    /// `FileScanTask`s.
    pub file_scan_tasks: Vec<Box<RawValue>>,
    /// What is to be asked for the others.
    pub plan_tasks: Vec<String>,
}

impl Gateway {
    /// Plans a scan: its id, and the first of its files.
    ///
    /// # Errors
    /// `Invalid` for what does not fit the table; `Unavailable` if too many are planned now.
    pub async fn plan_scan(
        &self,
        ctx: &OpCtx,
        table: ScanTable,
        request: PlanTableScanRequest,
    ) -> Result<(String, ScanTasks)> {
        let fresh = (fresh_id()?, ctx.now().0);
        let (plan, page) = self.planned(ctx, &table, move |on| async move { on.begin(&request, fresh).await }).await?;
        let mut id = seal(ctx, &table, PlanToken::Plan, &plan)?;
        if id.len() > PLAN_ID_BYTES_MAX {
            id = seal(ctx, &table, PlanToken::Plan, &plan.bare())?;
        }
        Ok((id, tasks(ctx, &table, page)?))
    }

    /// The first files of a plan once more; `None` if it was cancelled.
    ///
    /// # Errors
    /// `NotFound` for an id that is no plan of this caller and table, or is too old.
    pub async fn planned_scan(&self, ctx: &OpCtx, table: ScanTable, id: &str) -> Result<Option<ScanTasks>> {
        let plan = open_plan(ctx, &table, id)?;
        if self.plans.cancelled.contains_key(&plan.id) {
            return Ok(None);
        }
        let page = self.planned(ctx, &table, move |on| async move { on.again(&plan).await }).await?;
        tasks(ctx, &table, page).map(Some)
    }

    /// Forgets a plan.
    ///
    /// # Errors
    /// As [`Gateway::planned_scan`].
    pub fn cancel_plan(&self, ctx: &OpCtx, table: &ScanTable, id: &str) -> Result<()> {
        self.plans.cancelled.insert(open_plan(ctx, table, id)?.id, ());
        Ok(())
    }

    /// Checks that a plan may still be asked about.
    ///
    /// # Errors
    /// As [`Gateway::planned_scan`]; `NotFound` also if it was cancelled.
    pub fn check_plan(&self, ctx: &OpCtx, table: &ScanTable, id: &str) -> Result<()> {
        let plan = open_plan(ctx, table, id)?;
        if self.plans.cancelled.contains_key(&plan.id) { Err(absent(Subject::Plan)) } else { Ok(()) }
    }

    /// Further files of a plan.
    ///
    /// # Errors
    /// `NotFound` for a task that is none of this caller and table, or is of a plan that is too old or was cancelled.
    pub async fn scan_tasks(&self, ctx: &OpCtx, table: ScanTable, task: &str) -> Result<ScanTasks> {
        let opened = ctx.catalog().store().open_plan(&table.permit, PlanToken::Task, task);
        let task: Option<Task> = opened.and_then(|bytes| unpacked(&bytes));
        let task = task.filter(|task| is_alive(ctx, &task.plan) && !self.plans.cancelled.contains_key(&task.plan.id));
        let task = task.ok_or_else(|| absent(Subject::PlanTask))?;
        let page = self.planned(ctx, &table, move |on| async move { on.go_on(&task).await }).await?;
        tasks(ctx, &table, page)
    }

    /// Runs planning work apart from the server's own threads, in its turn and within the caller's time.
    async fn planned<T, F, W>(&self, ctx: &OpCtx, table: &ScanTable, work: W) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>>,
        W: FnOnce(Planning) -> F + Send + 'static,
    {
        let until = ctx.deadline();
        let turn = self.plans.queue.turn(ctx.tenant(), until).await?;
        let stop = CancellationToken::new();
        // Whoever goes away stops the work: it looks before each manifest.
        let _gone = stop.clone().drop_guard();
        let on = Planning::new(&self.plans.cache, table, stop)?;
        let handle = self.pool.handle();
        let done = self.pool.apart(turn, until, move || handle.block_on(work(on))).await;
        done.map_err(|error| match error.kind() {
            // What was read is kept, so that it goes faster the next time.
            ErrorKind::Deadline => {
                Error::unavailable("plan_deadline", "planning the scan took too long; try again, or narrow the filter")
                    .with_retry_after(Duration::from_secs(1))
            }
            _ => error,
        })
    }
}

fn absent(subject: Subject) -> Error {
    let message = match subject {
        Subject::Plan => "the plan id does not exist",
        _ => "the plan task does not exist",
    };
    Error::new(ErrorKind::NotFound, subject, "unknown_plan", message)
}

fn open_plan(ctx: &OpCtx, table: &ScanTable, id: &str) -> Result<Plan> {
    let opened = ctx.catalog().store().open_plan(&table.permit, PlanToken::Plan, id);
    let plan: Option<Plan> = opened.and_then(|bytes| unpacked(&bytes));
    plan.filter(|plan| is_alive(ctx, plan)).ok_or_else(|| absent(Subject::Plan))
}

fn is_alive(ctx: &OpCtx, plan: &Plan) -> bool {
    let age = ctx.now().0.saturating_sub(plan.issued);
    u128::try_from(age).map_or(true, |age| age < PLAN_LIFETIME.as_micros())
}

fn seal<T: serde::Serialize>(ctx: &OpCtx, table: &ScanTable, kind: PlanToken, value: &T) -> Result<String> {
    ctx.catalog().store().seal_plan(&table.permit, kind, &packed(value)?)
}

fn tasks(ctx: &OpCtx, table: &ScanTable, page: Page) -> Result<ScanTasks> {
    let further = page.further.iter().map(|task| seal(ctx, table, PlanToken::Task, task));
    let plan_tasks = further.collect::<Result<_>>()?;
    Ok(ScanTasks { delete_files: page.deletes, file_scan_tasks: page.files, plan_tasks })
}

fn fresh_id() -> Result<String> {
    Ok(salt()?.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}
