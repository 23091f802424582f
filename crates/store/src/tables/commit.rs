//! The transaction of the commit protocol: compare and swap of every pointer and of the policy version, tables that are
//! made with them, commit records, audit rows, the outcome of a keyed request. One table and no policy touched:
//! three statements, and on PostgreSQL one more for its warehouse.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use polder_policy::TableRef;
use polder_types::{Error, ErrorKind, Location, RelationId, Result, Subject};

use super::{CommitOutcome, Creation, PointerSwap, TableRow, change, place::Place};
use crate::{
    AuditDetail, AuditObject, JobWork, OLD_METADATA_SECONDS, Outcome, Stamp, Store,
    audit::Trail,
    cache::Change,
    db::sql,
    fresh, is_stale,
    jobs::{self, NewJob},
    policies,
    tenants::{bump, stale},
    tx::{Lock, Tx, Written},
};

/// Which table's compare-and-swap was lost; told beside the error, which only rolls the job back.
type Loser = Arc<OnceLock<RelationId>>;

pub(super) async fn commit(
    store: &Store,
    swaps: Vec<PointerSwap>,
    creations: Vec<Creation>,
    stamp: Stamp,
) -> CommitOutcome {
    let swapping = swaps.iter().map(|swap| Trail::of(&swap.permit, &stamp));
    let mut trails = swapping.chain(creations.iter().map(|creation| Trail::of(&creation.permit, &stamp)));
    let Some(trail) = trails.next() else {
        return CommitOutcome::Committed(Vec::new());
    };
    // SECURITY: one transaction never reaches into two tenants, and is never of two callers.
    if trails.any(|other| other.tenant != trail.tenant || other.caller != trail.caller) {
        return CommitOutcome::RolledBack(Error::internal("a commit over two tenants or callers"));
    }
    let loser = Loser::default();
    let lost = loser.clone();
    let written = store
        .submit("commit_tables", move |tx| Box::pin(async move { run(tx, &trail, &swaps, creations, &lost).await }));
    match (written.await, loser.get()) {
        (Written::Done(rows), _) => CommitOutcome::Committed(rows),
        (Written::Refused(_), Some(table)) => CommitOutcome::Lost(*table),
        (Written::Refused(error), None) if is_stale(&error) => CommitOutcome::StalePolicy,
        (Written::Refused(error) | Written::RolledBack(error), _) => CommitOutcome::RolledBack(error),
        (Written::Unknown(error), _) => CommitOutcome::Unknown(error),
    }
}

async fn run(
    tx: &mut Tx,
    trail: &Trail,
    swaps: &[PointerSwap],
    creations: Vec<Creation>,
    loser: &Loser,
) -> Result<Vec<Arc<TableRow>>> {
    alone_where_made(tx, &creations).await?;
    // Everything is compared with the policy's version before anything moves that version on.
    let mut places = Vec::with_capacity(creations.len());
    for Creation { permit, new } in &creations {
        let trail = Trail::of(permit, &trail.stamp);
        places.push(Place::look(tx, &[&trail], permit.resource(), &new.name).await?);
    }
    let mut rows = move_pointers(tx, swaps, loser).await?;
    let mut newly_bound = 0;
    for (swap, row) in swaps.iter().zip(&rows) {
        newly_bound += note_move(tx, swap, row, trail).await?;
    }
    if newly_bound > 0 {
        bump(tx, &trail.tenant).await?;
    }
    for (Creation { permit, new }, place) in creations.into_iter().zip(places) {
        let trail = Trail::of(&permit, &trail.stamp);
        let id = RelationId(fresh::uuid(trail.stamp.now)?);
        rows.push(change::make(tx, &trail, place, permit.resource().clone(), id, new).await?);
    }
    finish(tx, trail, &rows).await?;
    Ok(rows)
}

/// Whoever makes tables in a warehouse does so alone. Always in the order of the ids, as everything that waits.
async fn alone_where_made(tx: &mut Tx, creations: &[Creation]) -> Result<()> {
    let warehouses: BTreeSet<_> = creations.iter().map(|creation| creation.permit.resource().warehouse.id).collect();
    for warehouse in warehouses {
        tx.alone(Lock::Warehouse(warehouse)).await?;
    }
    Ok(())
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

/// Writes what belongs to the commit as a whole.
async fn finish(tx: &mut Tx, trail: &Trail, rows: &[Arc<TableRow>]) -> Result<()> {
    let outcome = match rows {
        [row] => Outcome::Table { relation: row.table.id, metadata_location: row.metadata_location.clone() },
        _ => Outcome::Done,
    };
    trail.answered(tx, &outcome).await?;
    if rows.len() > 1 {
        let name = trail.tenant.to_string();
        let object = AuditObject { subject: Subject::Request, id: None, name, version: None };
        let detail = AuditDetail::Transaction { tables: rows.len() };
        trail.note(tx, "commit_transaction", object, detail).await?;
    }
    Ok(())
}

/// SECURITY: the swap holds only while the policy is the one that the permit was made under, and while the table
/// still stands where it was authorized. A pointer that stays is written all the same, so that its row is locked
/// until the others have moved.
async fn move_pointer(tx: &mut Tx, swap: &PointerSwap, loser: &Loser) -> Result<Arc<TableRow>> {
    let (permit, table) = (&swap.permit, swap.permit.resource());
    let next = swap.new_metadata_location.as_ref().unwrap_or(&swap.expected_metadata_location);
    let query = sql! {
        sqlite: "UPDATE relations SET metadata_location = $1, version = version + $9 \
            WHERE tenant_id = $2 AND id = $3 AND namespace_id = $4 AND name = $5 AND warehouse_id = $6 \
                AND kind = 'table' AND metadata_location = $7 \
                AND EXISTS (SELECT 1 FROM tenants WHERE id = $2 AND version = $8) \
            RETURNING version, location, table_uuid, quarantined",
        postgres: "UPDATE relations SET metadata_location = $1, version = version + $9 \
            WHERE tenant_id = $2 AND id = $3 AND namespace_id = $4 AND name = $5 AND warehouse_id = $6 \
                AND kind = 'table' AND metadata_location = $7 \
                AND EXISTS (SELECT 1 FROM tenants WHERE id = $2 AND version = $8 \
                    AND pg_advisory_xact_lock_shared(hashtextextended($2, 0)) IS NOT NULL FOR SHARE) \
            RETURNING version, location, table_uuid, quarantined",
    };
    let query = query
        .bind(next.as_str())
        .bind(permit.tenant())
        .bind(table.id)
        .bind(table.namespace.id())
        .bind(table.name.as_ref())
        .bind(table.namespace.warehouse.id)
        .bind(swap.expected_metadata_location.as_str())
        .bind(permit.version())
        .bind(i64::from(swap.new_metadata_location.is_some()));
    let Some(row) = tx.row(query).await? else {
        return Err(why(tx, swap, loser).await?);
    };
    Ok(Arc::new(TableRow {
        table: TableRef { quarantined: row.get(3)?, ..table.clone() },
        warehouse: tx.warehouse(&table.namespace.warehouse).await?,
        location: Location::parse(&row.text(1)?)?,
        metadata_location: next.clone(),
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

/// Writes what belongs to one pointer that moved. How many columns policies are newly bound to.
async fn note_move(tx: &mut Tx, swap: &PointerSwap, row: &Arc<TableRow>, trail: &Trail) -> Result<u64> {
    let Some(to) = &swap.new_metadata_location else {
        return Ok(0);
    };
    let bound = policies::bind_columns(tx, &trail.tenant, row.table.id, &swap.bindings).await?;
    let query = sql("INSERT INTO commits (tenant_id, relation_id, version, at, request_id, principal_id, \
             previous_metadata_location, metadata_location) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    let query = query
        .bind(&trail.tenant)
        .bind(row.table.id)
        .bind(row.version)
        .bind(trail.stamp.now)
        .bind(trail.stamp.request.to_string())
        .bind(trail.caller.principal.id)
        .bind(swap.expected_metadata_location.as_str())
        .bind(to.as_str());
    tx.execute(query).await?;
    if swap.registers {
        jobs::keep_old_metadata(tx, &trail.tenant, row.table.id).await?;
        jobs::refuse_waiting(tx, &trail.tenant, &row.location, false).await?;
    }
    if !swap.fallen.is_empty() {
        // In this transaction: they are deleted if the commit landed, and only then (F4).
        let new = NewJob {
            work: JobWork::OldMetadata { files: swap.fallen.clone() },
            warehouse: row.warehouse.warehouse.id,
            relation: row.table.id,
            relation_name: row.table.ident().to_string(),
            location: row.location.to_string(),
            due_at: trail.stamp.now.plus_seconds(OLD_METADATA_SECONDS),
        };
        jobs::enqueue(tx, trail, new).await?;
    }
    let (from, to) = (swap.expected_metadata_location.clone(), to.clone());
    let object = AuditObject::new(Subject::Table, row.table.id, row.table.ident().to_string(), row.version);
    trail.note(tx, "commit_table", object, AuditDetail::Pointer { from, to, bound }).await?;
    tx.changed(Change::Table(row.clone()));
    Ok(bound)
}
