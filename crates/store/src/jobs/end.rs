//! How an attempt ends: done, tried again later, given up, or handed back; and the record of each job's end, in the name
//! of who asked for it.

use polder_types::{Micros, Result, Subject};

use super::{ClaimedJob, JOB_ATTEMPTS_MAX, JOB_LEASE_SECONDS, JobState, JobWork};
use crate::{AuditDetail, AuditObject, AuditRecord, Decision, Store, audit, db::sql, tx::Tx};

/// The pause after the first attempt that failed; doubled for each further one.
const PAUSE_SECONDS: i64 = 1;
/// The longest pause.
const PAUSE_SECONDS_MAX: i64 = 3_600;
/// How long a job that is over can be seen.
const KEPT_SECONDS: i64 = 7 * 24 * 3_600;
/// Most jobs that one sweep forgets.
const SWEEP_MAX: i64 = 1_000;

/// What stood in a job's way; a closed set, for lists and figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobProblem {
    /// The warehouse is no more.
    WarehouseGone,
    /// A table lies where the job would delete.
    LocationInUse,
    /// The location lies below no root of the warehouse any more.
    LocationOutside,
    /// The table's document was not there when the job began.
    MetadataGone,
    /// A document or manifest cannot be read.
    Unreadable,
    /// The store cannot be reached, or refuses.
    Unavailable,
}

impl JobProblem {
    /// The word stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WarehouseGone => "warehouse_gone",
            Self::LocationInUse => "location_in_use",
            Self::LocationOutside => "location_outside",
            Self::MetadataGone => "metadata_gone",
            Self::Unreadable => "unreadable",
            Self::Unavailable => "unavailable",
        }
    }

    /// True if a further attempt would meet the same.
    fn is_lasting(self) -> bool {
        !matches!(self, Self::Unreadable | Self::Unavailable)
    }
}

impl ClaimedJob {
    /// True if the last attempt that was left died with its process: no further one is made.
    #[must_use]
    pub fn is_worn_out(&self) -> bool {
        self.row.attempts > JOB_ATTEMPTS_MAX
    }

    /// True if an attempt that fails with this is the last one.
    #[must_use]
    pub fn gives_up(&self, problem: JobProblem) -> bool {
        problem.is_lasting() || self.row.attempts >= JOB_ATTEMPTS_MAX
    }
}

impl Store {
    /// Says that a worker is still there. False if the lease went to another one: it must stop.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn renew_job(&self, job: &ClaimedJob, now: Micros) -> Result<bool> {
        let (tenant, id, holder) = (job.row.tenant.clone(), job.row.id, job.holder);
        self.write("renew_job", move |tx| {
            Box::pin(async move {
                let query = sql("UPDATE jobs SET due_at = $1 \
                     WHERE tenant_id = $2 AND id = $3 AND holder = $4 AND state = 'waiting'");
                let query = query.bind(now.plus_seconds(JOB_LEASE_SECONDS)).bind(&tenant).bind(id).bind(holder);
                Ok(tx.execute(query).await? > 0)
            })
        })
        .await
    }

    /// Hands a job back as it was, since the process stops.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn release_job(&self, job: &ClaimedJob, now: Micros, files: u64) -> Result<()> {
        let (job, files) = (job.clone(), count(files));
        self.write("release_job", move |tx| {
            Box::pin(async move {
                let query =
                    sql("UPDATE jobs SET holder = NULL, due_at = $1, attempts = attempts - 1, files = files + $2 \
                     WHERE tenant_id = $3 AND id = $4 AND holder = $5 AND state = 'waiting'");
                let query = query.bind(now).bind(files).bind(&job.row.tenant).bind(job.row.id).bind(job.holder);
                tx.execute(query).await.map(drop)
            })
        })
        .await
    }

    /// Ends a job that is done. `emptied`: nothing is left at the location, which is free for everybody again.
    ///
    /// # Errors
    /// `Unavailable` if the database is; another attempt finds nothing left to do.
    pub async fn finish_job(&self, job: &ClaimedJob, now: Micros, files: u64, emptied: bool) -> Result<()> {
        let (job, files) = (job.clone(), count(files));
        self.write("finish_job", move |tx| Box::pin(async move { finish(tx, &job, now, files, emptied).await })).await
    }

    /// Puts a job off after an attempt that failed, or gives it up.
    ///
    /// # Errors
    /// `Unavailable` if the database is; the lease ends by itself.
    pub async fn put_job_off(&self, job: &ClaimedJob, now: Micros, files: u64, problem: JobProblem) -> Result<()> {
        let (job, files) = (job.clone(), count(files));
        self.write("put_job_off", move |tx| Box::pin(async move { put_off(tx, &job, now, files, problem).await })).await
    }

    /// Forgets jobs that are over for a week, a bounded number of them.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub(crate) async fn sweep_jobs(&self, now: Micros) -> Result<()> {
        let before = now.plus_seconds(-KEPT_SECONDS);
        let old = sql("SELECT 1 FROM jobs WHERE state <> 'waiting' AND ended_at <= $1 LIMIT 1");
        if self.read().await?.row(old.bind(before)).await?.is_none() {
            return Ok(());
        }
        self.write("sweep_jobs", move |tx| {
            Box::pin(async move {
                let query = sql("DELETE FROM jobs WHERE id IN (SELECT id FROM jobs \
                     WHERE state <> 'waiting' AND ended_at <= $1 ORDER BY ended_at LIMIT $2)");
                tx.execute(query.bind(before).bind(SWEEP_MAX)).await.map(drop)
            })
        })
        .await
    }
}

fn count(files: u64) -> i64 {
    i64::try_from(files).unwrap_or(i64::MAX)
}

async fn finish(tx: &mut Tx, job: &ClaimedJob, now: Micros, files: i64, emptied: bool) -> Result<()> {
    let Some(total) = end(tx, job, now, files, JobState::Done, None).await? else {
        return Ok(());
    };
    if emptied && matches!(job.row.work, JobWork::Purge { .. }) {
        // Whoever lay there before this table too: nothing is left, and nobody can have come while the job waited.
        let query = sql("DELETE FROM retired_locations WHERE tenant_id = $1 AND location = $2");
        let query = query.bind(&job.row.tenant).bind(job.row.location.to_string());
        tx.execute(query).await?;
    }
    if matches!(job.row.work, JobWork::OldMetadata { .. }) {
        // A busy table makes one with every commit: the record is enough.
        let query = sql("DELETE FROM jobs WHERE tenant_id = $1 AND id = $2");
        tx.execute(query.bind(&job.row.tenant).bind(job.row.id)).await?;
    }
    note(tx, job, now, total, JobState::Done, None).await
}

async fn put_off(tx: &mut Tx, job: &ClaimedJob, now: Micros, files: i64, problem: JobProblem) -> Result<()> {
    if job.gives_up(problem) {
        let ended = end(tx, job, now, files, JobState::Failed, Some(problem)).await?;
        return match ended {
            Some(total) => note(tx, job, now, total, JobState::Failed, Some(problem)).await,
            None => Ok(()),
        };
    }
    let doubled = u32::try_from(job.row.attempts.clamp(1, 32) - 1).unwrap_or_default();
    let pause = PAUSE_SECONDS.checked_shl(doubled).unwrap_or(PAUSE_SECONDS_MAX).clamp(PAUSE_SECONDS, PAUSE_SECONDS_MAX);
    let query = sql("UPDATE jobs SET holder = NULL, due_at = $1, files = files + $2, problem = $3 \
         WHERE tenant_id = $4 AND id = $5 AND holder = $6 AND state = 'waiting'");
    let query = query.bind(now.plus_seconds(pause)).bind(files).bind(problem.as_str());
    tx.execute(query.bind(&job.row.tenant).bind(job.row.id).bind(job.holder)).await.map(drop)
}

/// Ends the job if its lease is still this one's; how many files it has deleted in all.
async fn end(
    tx: &mut Tx,
    job: &ClaimedJob,
    now: Micros,
    files: i64,
    state: JobState,
    problem: Option<JobProblem>,
) -> Result<Option<i64>> {
    let query = sql("UPDATE jobs SET state = $1, holder = NULL, ended_at = $2, files = files + $3, problem = $4 \
         WHERE tenant_id = $5 AND id = $6 AND holder = $7 AND state = 'waiting' RETURNING files");
    let query = query.bind(state.as_str()).bind(now).bind(files).bind(problem.map(JobProblem::as_str));
    let row = tx.row(query.bind(&job.row.tenant).bind(job.row.id).bind(job.holder)).await?;
    row.map(|row| row.int(0)).transpose()
}

async fn note(
    tx: &mut Tx,
    job: &ClaimedJob,
    now: Micros,
    files: i64,
    state: JobState,
    problem: Option<JobProblem>,
) -> Result<()> {
    let object = AuditObject {
        subject: Subject::Table,
        id: Some(job.row.relation.to_string()),
        name: job.row.relation_name.clone(),
        version: None,
    };
    let detail = AuditDetail::Job {
        job: job.row.id,
        state: state.as_str(),
        files,
        attempts: job.row.attempts,
        problem: problem.map(JobProblem::as_str),
    };
    let record = AuditRecord {
        tenant: Some(job.row.tenant.clone()),
        at: now,
        request: job.row.request,
        caller: Some(job.row.asked_by.clone()),
        action: job.row.work.kind(),
        object,
        decision: Decision::Allow,
        reason: None,
        policy_version: None,
        detail,
    };
    audit::insert(tx, &record, 1).await
}
