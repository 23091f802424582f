//! The transaction of the commit protocol: compare and swap of every pointer and of the policy version, commit
//! records, audit rows. One table and no policy touched: three statements, and on PostgreSQL one more for its warehouse.

use std::sync::{Arc, OnceLock};

use polder_policy::TableRef;
use polder_types::{Error, ErrorKind, Location, RelationId, Result, Subject};

use super::{CommitOutcome, PointerSwap, TableRow};
use crate::{
    AuditDetail, AuditObject, Stamp, Store,
    audit::Trail,
    cache::Change,
    db::sql,
    is_stale, policies,
    tenants::{bump, stale},
    tx::{Tx, Written},
};

/// Which table's compare-and-swap was lost; told beside the error, which only rolls the job back.
type Loser = Arc<OnceLock<RelationId>>;

pub(super) async fn commit(store: &Store, swaps: Vec<PointerSwap>, stamp: Stamp) -> CommitOutcome {
    let Some(first) = swaps.first() else {
        return CommitOutcome::Committed(Vec::new());
    };
    // SECURITY: one transaction never reaches into two tenants.
    if swaps.iter().any(|swap| swap.permit.tenant() != first.permit.tenant()) {
        return CommitOutcome::RolledBack(Error::internal("a commit over two tenants"));
    }
    let loser = Loser::default();
    let lost = loser.clone();
    let written = store.submit("commit_tables", move |tx| Box::pin(async move { run(tx, &swaps, stamp, &lost).await }));
    match (written.await, loser.get()) {
        (Written::Done(rows), _) => CommitOutcome::Committed(rows),
        (Written::Refused(_), Some(table)) => CommitOutcome::Lost(*table),
        (Written::Refused(error), None) if is_stale(&error) => CommitOutcome::StalePolicy,
        (Written::Refused(error) | Written::RolledBack(error), _) => CommitOutcome::RolledBack(error),
        (Written::Unknown(error), _) => CommitOutcome::Unknown(error),
    }
}

async fn run(tx: &mut Tx, swaps: &[PointerSwap], stamp: Stamp, loser: &Loser) -> Result<Vec<Arc<TableRow>>> {
    let rows = move_pointers(tx, swaps, loser).await?;
    let mut newly_bound = 0;
    for (swap, row) in swaps.iter().zip(&rows) {
        let trail = Trail::of(&swap.permit, &stamp);
        let bound = policies::bind_columns(tx, &trail.tenant, row.table.id, &swap.bindings).await?;
        newly_bound += bound;
        record(tx, swap, row, &trail).await?;
        let (from, to) = (swap.expected_metadata_location.clone(), swap.new_metadata_location.clone());
        let object = AuditObject::new(Subject::Table, row.table.id, row.table.ident().to_string(), row.version);
        trail.note(tx, "commit_table", object, AuditDetail::Pointer { from, to, bound }).await?;
        tx.changed(Change::Table(row.clone()));
    }
    if let Some(first) = swaps.first() {
        let trail = Trail::of(&first.permit, &stamp);
        if newly_bound > 0 {
            bump(tx, &trail.tenant).await?;
        }
        if swaps.len() > 1 {
            let name = trail.tenant.to_string();
            let object = AuditObject { subject: Subject::Request, id: None, name, version: None };
            let detail = AuditDetail::Transaction { tables: swaps.len() };
            trail.note(tx, "commit_transaction", object, detail).await?;
        }
    }
    Ok(rows)
}

/// Moves all pointers, always in the order of the tables' ids: two transactions over the same tables never wait for
/// each other. The rows, in the order of the swaps.
async fn move_pointers(tx: &mut Tx, swaps: &[PointerSwap], loser: &Loser) -> Result<Vec<Arc<TableRow>>> {
    let mut order: Vec<(usize, &PointerSwap)> = swaps.iter().enumerate().collect();
    order.sort_by_key(|(_, swap)| swap.permit.resource().id);
    let mut rows = Vec::with_capacity(swaps.len());
    for (place, swap) in order {
        rows.push((place, move_pointer(tx, swap, loser).await?));
    }
    rows.sort_by_key(|(place, _)| *place);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// SECURITY: the swap holds only while the policy is the one that the permit was made under, and while the table
/// still stands where it was authorized.
async fn move_pointer(tx: &mut Tx, swap: &PointerSwap, loser: &Loser) -> Result<Arc<TableRow>> {
    let (permit, table) = (&swap.permit, swap.permit.resource());
    let query = sql! {
        sqlite: "UPDATE relations SET metadata_location = $1, version = version + 1 \
            WHERE tenant_id = $2 AND id = $3 AND namespace_id = $4 AND name = $5 AND warehouse_id = $6 \
                AND kind = 'table' AND metadata_location = $7 \
                AND EXISTS (SELECT 1 FROM tenants WHERE id = $2 AND version = $8) \
            RETURNING version, location, table_uuid, quarantined",
        postgres: "UPDATE relations SET metadata_location = $1, version = version + 1 \
            WHERE tenant_id = $2 AND id = $3 AND namespace_id = $4 AND name = $5 AND warehouse_id = $6 \
                AND kind = 'table' AND metadata_location = $7 \
                AND EXISTS (SELECT 1 FROM tenants WHERE id = $2 AND version = $8 \
                    AND pg_advisory_xact_lock_shared(hashtextextended($2, 0)) IS NOT NULL FOR SHARE) \
            RETURNING version, location, table_uuid, quarantined",
    };
    let query = query
        .bind(swap.new_metadata_location.as_str())
        .bind(permit.tenant())
        .bind(table.id)
        .bind(table.namespace.id())
        .bind(table.name.as_ref())
        .bind(table.namespace.warehouse.id)
        .bind(swap.expected_metadata_location.as_str())
        .bind(permit.version());
    let Some(row) = tx.row(query).await? else {
        return Err(why(tx, swap, loser).await?);
    };
    Ok(Arc::new(TableRow {
        table: TableRef { quarantined: row.get(3)?, ..table.clone() },
        warehouse: tx.warehouse(&table.namespace.warehouse).await?,
        location: Location::parse(&row.text(1)?)?,
        metadata_location: swap.new_metadata_location.clone(),
        table_uuid: row.uuid(2)?,
        version: row.int(0)?,
    }))
}

async fn why(tx: &mut Tx, swap: &PointerSwap, loser: &Loser) -> Result<Error> {
    let query = sql("SELECT 1 FROM tenants WHERE id = $1 AND version = $2");
    if tx.row(query.bind(swap.permit.tenant()).bind(swap.permit.version())).await?.is_none() {
        return Ok(stale());
    }
    let table = swap.permit.resource();
    loser.get_or_init(|| table.id);
    Ok(Error::new(ErrorKind::Conflict, Subject::Table, "commit_lost", "the table changed meanwhile"))
}

async fn record(tx: &mut Tx, swap: &PointerSwap, row: &TableRow, trail: &Trail) -> Result<()> {
    let query = sql("INSERT INTO commits (tenant_id, relation_id, version, at, request_id, principal_id, \
             previous_metadata_location, metadata_location) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    let query = query
        .bind(&trail.tenant)
        .bind(row.table.id)
        .bind(row.version)
        .bind(trail.stamp.now)
        .bind(trail.stamp.request.to_string())
        .bind(trail.actor.id)
        .bind(swap.expected_metadata_location.as_str())
        .bind(swap.new_metadata_location.as_str());
    tx.execute(query).await.map(drop)
}
