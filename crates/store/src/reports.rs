//! What clients report of their scans and commits: counts under closed names, gathered in memory and written with the
//! counted events; of each tenant the newest are kept. No record of anything: what a crash takes is lost, and what is
//! too much is dropped and counted.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use polder_policy::{Permit, actions};
use polder_types::{Caller, Error, Micros, PrincipalId, PrincipalRef, RelationId, RequestId, Result, TenantId};
use uuid::Uuid;

use crate::{
    Page, PageRequest, Stamp, Store, audit,
    db::{self, Row, sql},
    fresh,
    tx::Tx,
};

/// Most reports of one tenant that wait for their flush; a further one takes the place of the oldest.
const WAITING_TENANT_MAX: usize = 512;
/// Most reports that wait, of all tenants; a further one is dropped.
const WAITING_MAX: usize = 8_192;
/// Most reports of one transaction, so that commits do not wait long behind a flush.
const CHUNK: usize = 256;
/// Reports that are kept of one tenant, the newest.
pub(crate) const KEPT_MAX: i64 = 10_000;

/// A report.
#[derive(Clone, Debug)]
pub struct NewReport {
    /// `scan` or `commit`.
    pub kind: &'static str,
    /// The snapshot that was read or made.
    pub snapshot_id: i64,
    /// What was counted, under names from a closed list.
    pub metrics: BTreeMap<&'static str, i64>,
}

/// A report as it is kept. What somebody reports is what somebody says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    /// Its id.
    pub id: Uuid,
    /// When it came.
    pub at: Micros,
    /// The request.
    pub request: String,
    /// Who sent it.
    pub caller: Caller,
    /// The table.
    pub relation: RelationId,
    /// What the table was called then.
    pub relation_name: String,
    /// `scan` or `commit`.
    pub kind: String,
    /// The snapshot that was read or made.
    pub snapshot_id: i64,
    /// What was counted.
    pub metrics: BTreeMap<String, i64>,
}

#[derive(Clone, Debug)]
struct Waiting {
    id: Uuid,
    at: Micros,
    request: RequestId,
    caller: Caller,
    relation: RelationId,
    relation_name: String,
    report: NewReport,
}

#[derive(Default)]
struct Memory {
    waiting: HashMap<TenantId, VecDeque<Waiting>>,
    count: usize,
    dropped: u64,
}

impl Memory {
    fn add(&mut self, tenant: &TenantId, waiting: Waiting) {
        let of_tenant = self.waiting.entry(tenant.clone()).or_default();
        if of_tenant.len() >= WAITING_TENANT_MAX {
            of_tenant.pop_front();
            self.count -= 1;
            self.dropped = self.dropped.saturating_add(1);
        }
        if self.count >= WAITING_MAX {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.count += 1;
        of_tenant.push_back(waiting);
    }

    /// Takes back what could not be written, before what came since.
    fn put_back(&mut self, tenant: &TenantId, reports: VecDeque<Waiting>) {
        if reports.is_empty() {
            return;
        }
        let of_tenant = self.waiting.entry(tenant.clone()).or_default();
        for report in reports.into_iter().rev() {
            if of_tenant.len() >= WAITING_TENANT_MAX || self.count >= WAITING_MAX {
                self.dropped = self.dropped.saturating_add(1);
            } else {
                self.count += 1;
                of_tenant.push_front(report);
            }
        }
    }
}

/// Reports that wait for their flush.
#[derive(Default)]
pub(crate) struct Reports(Mutex<Memory>);

impl Reports {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Keeps a report about a table: in memory, until the next flush.
    ///
    /// # Errors
    /// `Internal` if the system has no random bytes.
    pub fn keep_report(&self, permit: &Permit<actions::ReportMetrics>, report: NewReport, stamp: &Stamp) -> Result<()> {
        let waiting = Waiting {
            id: fresh::uuid(stamp.now)?,
            at: stamp.now,
            request: stamp.request,
            caller: permit.caller().clone(),
            relation: permit.resource().id,
            relation_name: permit.resource().qualified().to_string(),
            report,
        };
        self.reports().memory().add(permit.tenant(), waiting);
        Ok(())
    }

    /// How many reports were dropped since the start, because too many came between two flushes.
    #[must_use]
    pub fn reports_dropped(&self) -> u64 {
        self.reports().memory().dropped
    }

    /// Writes the reports that wait; those that could not be written wait on.
    pub(crate) async fn write_reports(&self) -> Result<()> {
        let waiting = {
            let mut memory = self.reports().memory();
            memory.count = 0;
            std::mem::take(&mut memory.waiting)
        };
        let mut outcome = Ok(());
        for (tenant, mut left) in waiting {
            while outcome.is_ok() && !left.is_empty() {
                let chunk: Arc<[Waiting]> = left.iter().take(CHUNK).cloned().collect();
                let (of, count) = (tenant.clone(), chunk.len());
                outcome =
                    self.write("write_reports", move |tx| Box::pin(async move { write(tx, &of, &chunk).await })).await;
                if outcome.is_ok() {
                    left.drain(..count);
                }
            }
            // With the ids they have, so that none is written twice if it did land.
            self.reports().memory().put_back(&tenant, left);
        }
        outcome
    }

    /// Lists the reports that are kept of the tenant, newest first; of one table if that is wanted.
    ///
    /// # Errors
    /// `Invalid` for a page token of another list.
    pub async fn list_reports(
        &self,
        permit: &Permit<actions::ListReports>,
        of: Option<RelationId>,
        page: &PageRequest,
    ) -> Result<Page<ReportRow>> {
        let cursor = self.cursor(permit, &format!("reports {of:?}"), page)?;
        let after = cursor.after.as_deref().map(str::parse::<Uuid>).transpose().map_err(Error::internal)?;
        let query = sql("SELECT id, at, request_id, principal_id, principal_name, actor_id, actor_name, relation_id, \
                relation_name, kind, snapshot_id, metrics \
             FROM metrics_reports WHERE tenant_id = $1 AND id < $2 AND ($3 IS NULL OR relation_id = $3) \
             ORDER BY id DESC LIMIT $4");
        let after = after.unwrap_or(Uuid::from_u128(u128::MAX));
        let query = query.bind(permit.tenant()).bind(after).bind(of.map(|relation| relation.0)).bind(cursor.limit);
        let rows = self.read().await?.rows(query).await?;
        let rows = rows.iter().map(report_row).collect::<Result<Vec<_>>>()?;
        self.page(&cursor, rows, |row| row.id.to_string())
    }
}

/// Writes reports of one tenant, and forgets its oldest.
async fn write(tx: &mut Tx, tenant: &TenantId, reports: &[Waiting]) -> Result<()> {
    for waiting in reports {
        let Waiting { id, at, request, caller, relation, relation_name, report } = waiting;
        let query = sql("INSERT INTO metrics_reports (tenant_id, id, at, request_id, principal_id, principal_name, \
                actor_id, actor_name, relation_id, relation_name, kind, snapshot_id, metrics) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (tenant_id, id) DO NOTHING");
        let query = query
            .bind(tenant)
            .bind(*id)
            .bind(*at)
            .bind(request.to_string())
            .bind(caller.principal.id)
            .bind(caller.principal.name.as_ref())
            .bind(caller.actor.as_ref().map(|actor| actor.id))
            .bind(caller.actor.as_ref().map(|actor| actor.name.as_ref()))
            .bind(*relation)
            .bind(relation_name.as_str())
            .bind(report.kind)
            .bind(report.snapshot_id)
            .bind(db::json(&report.metrics)?);
        tx.execute(query).await?;
    }
    let query = sql("DELETE FROM metrics_reports WHERE tenant_id = $1 AND id <= (SELECT id FROM metrics_reports \
         WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)");
    tx.execute(query.bind(tenant).bind(KEPT_MAX)).await.map(drop)
}

fn report_row(row: &Row) -> Result<ReportRow> {
    let principal = PrincipalRef { id: PrincipalId(row.uuid(3)?), name: row.text(4)?.into() };
    Ok(ReportRow {
        id: row.uuid(0)?,
        at: row.micros(1)?,
        request: row.text(2)?,
        caller: Caller { principal, actor: audit::principal_ref(row, 5)? },
        relation: RelationId(row.uuid(7)?),
        relation_name: row.text(8)?,
        kind: row.text(9)?,
        snapshot_id: row.int(10)?,
        metrics: row.json(11)?,
    })
}
