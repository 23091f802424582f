//! Durable jobs: files that a change to the catalog leaves to be deleted. A job is made in the transaction of its change,
//! taken by one worker at a time under a lease that ends by itself, tried again after growing pauses, and given up
//! visibly and on record. Knows nothing of files.

mod end;
mod list;

use std::sync::Arc;

use polder_types::{
    Caller, Error, JobId, Location, Micros, PrincipalId, PrincipalRef, RelationId, RequestId, Result, Subject,
    TenantId, WarehouseId,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Store, WarehouseRow,
    audit::{self, Trail},
    db::{self, Row, Session, sql},
    fresh, locations,
    tables::change::overlaps,
    tx::Tx,
    warehouses,
};
pub use end::JobProblem;

/// How long a worker may go without saying that it is still there.
pub const JOB_LEASE_SECONDS: i64 = 60;
/// After so many attempts a job is given up.
pub const JOB_ATTEMPTS_MAX: i64 = 12;
/// How long old metadata files stay: somebody who read the table a moment ago may still open one.
pub const OLD_METADATA_SECONDS: i64 = 60;
/// Places around a location that one statement looks at.
const LEVELS: usize = 16;

/// What a job does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum JobWork {
    /// Deletes what a dropped table's own metadata names.
    Purge {
        /// Its last document.
        metadata_location: String,
    },
    /// Deletes metadata files that a table's log names no more (`write.metadata.delete-after-commit.enabled`).
    OldMetadata {
        /// The files.
        files: Vec<String>,
    },
}

impl JobWork {
    /// The word of its kind, in lists, metrics and the audit trail.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Purge { .. } => "purge_table",
            Self::OldMetadata { .. } => "remove_metadata",
        }
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It waits for its next attempt, or runs.
    Waiting,
    /// It is done.
    Done,
    /// It was given up.
    Failed,
}

impl JobState {
    /// The word stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    fn of(text: &str) -> Result<Self> {
        [Self::Waiting, Self::Done, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::internal("a job is in a state that is not known"))
    }
}

/// A job.
#[derive(Clone, Debug)]
pub struct JobRow {
    /// Its tenant.
    pub tenant: TenantId,
    /// Its id.
    pub id: JobId,
    /// What it does.
    pub work: JobWork,
    /// The warehouse whose roots bound it.
    pub warehouse: WarehouseId,
    /// The table, which may be gone.
    pub relation: RelationId,
    /// What the table was called.
    pub relation_name: String,
    /// The table's location: nothing outside is touched.
    pub location: Location,
    /// Who asked for it, and for whom.
    pub asked_by: Caller,
    /// In which request.
    pub request: RequestId,
    /// Where it stands.
    pub state: JobState,
    /// How often it was begun.
    pub attempts: i64,
    /// When its next attempt may begin; while it runs, when its lease ends.
    pub due_at: Micros,
    /// How many files it has deleted.
    pub files: i64,
    /// What stood in its way last.
    pub problem: Option<String>,
    /// When it was made.
    pub created_at: Micros,
    /// When it ended.
    pub ended_at: Option<Micros>,
}

/// A job that its holder alone may work on while the lease lasts.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// The job.
    pub row: JobRow,
    /// Its warehouse, if it is still there.
    pub warehouse: Option<Arc<WarehouseRow>>,
    /// True if a table lies where the job would delete.
    pub occupied: bool,
    holder: Uuid,
}

/// What there is to do.
#[derive(Debug)]
pub enum Claim {
    /// This.
    Job(Box<ClaimedJob>),
    /// Nothing now.
    Idle {
        /// When something is due, if anything waits.
        next: Option<Micros>,
    },
}

/// A job to be made.
pub(crate) struct NewJob {
    pub(crate) work: JobWork,
    pub(crate) warehouse: WarehouseId,
    pub(crate) relation: RelationId,
    pub(crate) relation_name: String,
    pub(crate) location: String,
    pub(crate) due_at: Micros,
}

/// The columns of a job, in the order that `job_row` reads.
macro_rules! job_columns {
    () => {
        "tenant_id, id, work, warehouse_id, relation_id, relation_name, location, principal_id, principal_name, \
         request_id, state, attempts, due_at, files, problem, created_at, ended_at, actor_id, actor_name"
    };
}
use job_columns;

/// Makes a job in the transaction of what asks for it.
pub(crate) async fn enqueue(tx: &mut Tx, trail: &Trail, new: NewJob) -> Result<JobId> {
    let id = JobId(fresh::uuid(trail.stamp.now)?);
    let query =
        sql("INSERT INTO jobs (tenant_id, id, kind, work, warehouse_id, relation_id, relation_name, location, \
             principal_id, principal_name, request_id, state, attempts, due_at, files, created_at, \
             actor_id, actor_name) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'waiting', 0, $12, 0, $13, $14, $15)");
    let query = query
        .bind(&trail.tenant)
        .bind(id)
        .bind(new.work.kind())
        .bind(db::json(&new.work)?)
        .bind(new.warehouse)
        .bind(new.relation)
        .bind(new.relation_name)
        .bind(new.location)
        .bind(trail.caller.principal.id)
        .bind(trail.caller.principal.name.as_ref())
        .bind(trail.stamp.request.to_string())
        .bind(new.due_at)
        .bind(trail.stamp.now)
        .bind(trail.caller.actor.as_ref().map(|actor| actor.id))
        .bind(trail.caller.actor.as_ref().map(|actor| actor.name.as_ref()));
    tx.execute(query).await?;
    Ok(id)
}

/// Refuses a location at, around or below one where files are still to be deleted; `purges`: where a dropped table's are.
// SECURITY: no table is made, by whomever, where a job of an earlier one may still delete (F9).
pub(crate) async fn refuse_waiting(
    session: &mut Session,
    tenant: &TenantId,
    location: &Location,
    purges: bool,
) -> Result<()> {
    for some in locations::ancestors(location).chunks(LEVELS) {
        let (from, to) = locations::below(location);
        let mut query = sql("SELECT 1 FROM jobs WHERE tenant_id = $1 AND location >= $2 AND location < $3 \
                AND state = 'waiting' AND (kind = 'purge_table' OR NOT $20) \
             UNION ALL SELECT 1 FROM jobs WHERE tenant_id = $1 \
                AND location IN ($4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) \
                AND state = 'waiting' AND (kind = 'purge_table' OR NOT $20) LIMIT 1");
        query = query.bind(tenant).bind(from).bind(to);
        for level in 0..LEVELS {
            query = query.bind(some.get(level).or(some.last()).map_or("", String::as_str));
        }
        if session.row(query.bind(purges)).await?.is_some() {
            return Err(Error::conflict(
                "location_being_purged",
                "files at the location are still being deleted; try again later, or choose another one",
            )
            .about(Subject::Table));
        }
    }
    Ok(())
}

/// Lets old metadata files of a table stay, that no worker has begun to delete: whoever drops the table without purge leaves
/// its files as they are, and whoever registers an earlier document may want one of them.
pub(crate) async fn keep_old_metadata(tx: &mut Tx, tenant: &TenantId, relation: RelationId) -> Result<()> {
    let query = sql("DELETE FROM jobs WHERE tenant_id = $1 AND relation_id = $2 AND kind = 'remove_metadata' \
         AND state = 'waiting' AND holder IS NULL");
    tx.execute(query.bind(tenant).bind(relation)).await.map(drop)
}

/// True while a warehouse has jobs that are not over.
pub(crate) async fn has_waiting(tx: &mut Tx, tenant: &TenantId, warehouse: WarehouseId) -> Result<bool> {
    let query = sql("SELECT 1 FROM jobs WHERE tenant_id = $1 AND warehouse_id = $2 AND state = 'waiting' LIMIT 1");
    Ok(tx.row(query.bind(tenant).bind(warehouse)).await?.is_some())
}

/// Takes back the leases of a process that is gone: whoever opens a database that one process owns.
pub(crate) async fn release_all(session: &mut Session) -> Result<()> {
    let query = sql("UPDATE jobs SET holder = NULL, due_at = 0 WHERE state = 'waiting' AND holder IS NOT NULL");
    session.execute(query).await.map(drop)
}

impl Store {
    /// Takes the job that is due longest, for the time of a lease.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn claim_job(&self, holder: Uuid, now: Micros) -> Result<Claim> {
        // Looked at first: an idle server writes nothing.
        let earliest = sql("SELECT min(due_at) FROM jobs WHERE state = 'waiting'");
        let earliest = self.read().await?.row(earliest).await?;
        let next = earliest.map(|row| row.get::<Option<i64>>(0)).transpose()?.flatten().map(Micros);
        if next.is_none_or(|next| next > now) {
            return Ok(Claim::Idle { next });
        }
        let claimed = self.write("claim_job", move |tx| Box::pin(async move { claim(tx, holder, now).await })).await?;
        // Another node was faster: look again in a moment.
        Ok(claimed.map_or(Claim::Idle { next: Some(now.plus_seconds(1)) }, |job| Claim::Job(Box::new(job))))
    }
}

async fn claim(tx: &mut Tx, holder: Uuid, now: Micros) -> Result<Option<ClaimedJob>> {
    let query = sql! {
        sqlite: concat!("UPDATE jobs SET holder = $1, due_at = $2, attempts = attempts + 1 WHERE id = (SELECT id FROM jobs \
                WHERE state = 'waiting' AND due_at <= $3 ORDER BY due_at LIMIT 1) RETURNING ", job_columns!()),
        // Two nodes that look at once take two jobs.
        postgres: concat!("UPDATE jobs SET holder = $1, due_at = $2, attempts = attempts + 1 WHERE id = (SELECT id FROM jobs \
                WHERE state = 'waiting' AND due_at <= $3 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING ",
            job_columns!()),
    };
    let query = query.bind(holder).bind(now.plus_seconds(JOB_LEASE_SECONDS)).bind(now);
    let Some(row) = tx.row(query).await? else {
        return Ok(None);
    };
    let row = job_row(&row)?;
    let query = sql("SELECT tenant_id, id, name, root, allowed_locations, settings_version, is_default, created_at \
         FROM warehouses WHERE tenant_id = $1 AND id = $2");
    let found = tx.row(query.bind(&row.tenant).bind(row.warehouse)).await?;
    let warehouse = found.as_ref().map(warehouses::warehouse_row).transpose()?.map(Arc::new);
    let occupied = matches!(row.work, JobWork::Purge { .. }) && {
        // None can come there while the job waits.
        overlaps(tx, &row.tenant, row.warehouse, &row.location, None).await?
    };
    Ok(Some(ClaimedJob { row, warehouse, occupied, holder }))
}

fn job_row(row: &Row) -> Result<JobRow> {
    let request = ulid::Ulid::from_string(&row.text(9)?).map_err(Error::internal)?;
    let principal = PrincipalRef { id: PrincipalId(row.uuid(7)?), name: row.text(8)?.into() };
    let actor = audit::principal_ref(row, 17)?;
    Ok(JobRow {
        tenant: row.parse(0)?,
        id: JobId(row.uuid(1)?),
        work: row.json(2)?,
        warehouse: WarehouseId(row.uuid(3)?),
        relation: RelationId(row.uuid(4)?),
        relation_name: row.text(5)?,
        location: Location::parse(&row.text(6)?)?,
        asked_by: Caller { principal, actor },
        request: RequestId(request),
        state: JobState::of(&row.text(10)?)?,
        attempts: row.int(11)?,
        due_at: row.micros(12)?,
        files: row.int(13)?,
        problem: row.get(14)?,
        created_at: row.micros(15)?,
        ended_at: row.get::<Option<i64>>(16)?.map(Micros),
    })
}
