//! Creating, dropping, renaming and releasing tables.

use std::sync::Arc;

use polder_policy::{NamespaceRef, TableRef};
use polder_types::{Error, Location, Micros, RelationId, Result, Subject, TenantId, WarehouseId};
use uuid::Uuid;

use super::{
    ColumnBinding, NewTable, TableRow,
    held::{self, Holder},
    place::{self, Place},
    retired,
};
use crate::{
    AuditDetail, AuditObject, JobWork, Outcome,
    audit::Trail,
    cache::{Change, table_key},
    db::{self, Session, sql},
    grants, homes,
    jobs::{self, NewJob},
    locations, tenants,
    tx::{Lock, Tx},
};

fn absent(table: &TableRef) -> Error {
    Error::not_found(Subject::Table, &table.ident().to_string())
}

fn object(table: &TableRef, version: i64) -> AuditObject {
    AuditObject::new(Subject::Table, table.id, table.ident().to_string(), version)
}

/// Makes a table at a name that was looked at in this transaction.
pub(super) async fn make(
    tx: &mut Tx,
    trail: &Trail,
    place: Place,
    namespace: NamespaceRef,
    id: RelationId,
    new: NewTable,
) -> Result<Arc<TableRow>> {
    let released = new
        .released_by
        .as_ref()
        .is_some_and(|permit| permit.tenant() == &trail.tenant && permit.version() == trail.policy_version);
    let warehouse = tx.warehouse(&namespace.warehouse).await?;
    if !warehouse.contains(&new.location) {
        return Err(Error::invalid("location_outside", "the location lies outside the warehouse").about(Subject::Table));
    }
    // SECURITY: checked inside the create transaction, so that two creates cannot both see a free place.
    refuse_overlap(tx, &trail.tenant, warehouse.warehouse.id, &new.location, None).await?;
    jobs::refuse_waiting(tx, &trail.tenant, &new.location, false).await?;
    let earlier = match new.registered {
        true => retired::reopen(tx, &trail.tenant, place.name(), &new.location, released).await?,
        false if released => None,
        false => retired::refuse(tx, &trail.tenant, &new.location).await.map(|()| None)?,
    };
    if !released && earlier.is_none() {
        homes::ground(tx, &namespace, &warehouse, &new.location).await?;
    }
    // What was there before is not what somebody staged.
    let holder = Holder { principal: trail.caller.principal.id, namespace: namespace.id(), name: &new.name };
    let holder = (!new.registered).then_some(holder);
    if held::refuse(tx, &trail.tenant, &new.location, trail.stamp.now, holder).await? {
        held::let_go(tx, &trail.tenant, &new.location).await?;
    }
    let quarantined = place.quarantines() || earlier.as_ref().is_some_and(|earlier| earlier.quarantined);
    let table = TableRef { namespace, id, name: new.name.as_str().into(), quarantined: quarantined && !released };
    let row = Arc::new(TableRow {
        table,
        warehouse,
        location: new.location,
        metadata_location: new.metadata_location,
        table_uuid: new.table_uuid,
        version: 1,
    });
    insert(tx, trail, &row).await?;
    let mut taken_over = place.take_over(tx, &trail.tenant, id, &new.bindings).await?;
    if let Some(earlier) = &earlier {
        taken_over += earlier.bind(tx, &trail.tenant, id).await?;
    }
    let (location, quarantined) = (row.location.to_string(), row.table.quarantined);
    let detail = AuditDetail::Placed { location, taken_over, quarantined };
    let action = if new.registered { "register_table" } else { "create_table" };
    trail.note(tx, action, object(&row.table, 1), detail).await?;
    tx.changed(Change::Table(row.clone()));
    Ok(row)
}

/// Refuses a location at, around or below which a table or view lies, one apart.
pub(crate) async fn refuse_overlap(
    session: &mut Session,
    tenant: &TenantId,
    warehouse: WarehouseId,
    location: &Location,
    but: Option<RelationId>,
) -> Result<()> {
    match overlaps(session, tenant, warehouse, location, but).await? {
        true => {
            Err(Error::invalid("location_overlap", "the location overlaps that of another table").about(Subject::Table))
        }
        false => Ok(()),
    }
}

/// True if a table or view lies at, around or below a location, one apart.
pub(crate) async fn overlaps(
    session: &mut Session,
    tenant: &TenantId,
    warehouse: WarehouseId,
    location: &Location,
    but: Option<RelationId>,
) -> Result<bool> {
    let (ancestors, (from, to)) = (db::json(&locations::ancestors(location))?, locations::below(location));
    // Two searches of one index: with OR, SQLite would read every row of the warehouse.
    let query = sql! {
        sqlite: "SELECT 1 FROM relations WHERE tenant_id = $1 AND warehouse_id = $2 \
                AND location IN (SELECT value FROM json_each($3)) AND id <> $6 \
            UNION ALL SELECT 1 FROM relations WHERE tenant_id = $1 AND warehouse_id = $2 \
                AND location >= $4 AND location < $5 AND id <> $6 LIMIT 1",
        postgres: "SELECT 1 FROM relations WHERE tenant_id = $1 AND warehouse_id = $2 \
                AND location IN (SELECT value FROM json_array_elements_text($3::json)) AND id <> $6 \
            UNION ALL SELECT 1 FROM relations WHERE tenant_id = $1 AND warehouse_id = $2 \
                AND location >= $4 AND location < $5 AND id <> $6 LIMIT 1",
    };
    let but = but.unwrap_or(RelationId(Uuid::nil()));
    let query = query.bind(tenant).bind(warehouse).bind(ancestors).bind(from).bind(to).bind(but);
    Ok(session.row(query).await?.is_some())
}

async fn insert(tx: &mut Tx, trail: &Trail, row: &TableRow) -> Result<()> {
    let query = sql("INSERT INTO relations (tenant_id, id, warehouse_id, namespace_id, kind, name, location, \
             metadata_location, table_uuid, quarantined, version, created_at) \
         VALUES ($1, $2, $3, $4, 'table', $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING");
    let query = query
        .bind(&trail.tenant)
        .bind(row.table.id)
        .bind(row.warehouse.warehouse.id)
        .bind(row.table.namespace.id())
        .bind(row.table.name.as_ref())
        .bind(row.location.to_string())
        .bind(row.metadata_location.as_str())
        .bind(row.table_uuid)
        .bind(row.table.quarantined)
        .bind(row.version)
        .bind(trail.stamp.now);
    // The place was looked at under the warehouse's lock, so this never happens; if it does, nothing is written (F1).
    match tx.execute(query).await? {
        0 => Err(Error::already_exists(Subject::Table, &row.table.ident().to_string())),
        _ => Ok(()),
    }
}

/// A drop that leaves no files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Purge {
    /// When the last key ends that may still open the place; `None` where there are no keys. Nobody puts anything there
    /// before.
    pub closed_until: Option<Micros>,
}

/// What becomes of a dropped table's files.
#[derive(Clone, Debug)]
pub(super) enum Leaving {
    /// They stay.
    Files,
    /// A job deletes them.
    Nothing(Purge),
    /// They stay, and whoever drops the table has told its last document, which must still be this one.
    Document(String),
}

pub(super) async fn delete(tx: &mut Tx, trail: &Trail, table: &TableRef, leaving: Leaving) -> Result<()> {
    tx.alone(Lock::Warehouse(table.namespace.warehouse.id)).await?;
    tenants::check_version(tx, trail).await?;
    let outcome = match &leaving {
        Leaving::Document(location) => Outcome::Table { relation: table.id, metadata_location: location.clone() },
        Leaving::Files | Leaving::Nothing(_) => Outcome::Done,
    };
    take_away(tx, trail, table, leaving).await?;
    trail.answered(tx, &outcome).await
}

/// Drops a table in a transaction that has the warehouse's lock and has checked the policy's version.
pub(super) async fn take_away(tx: &mut Tx, trail: &Trail, table: &TableRef, leaving: Leaving) -> Result<()> {
    // Before the row: what is bound to it goes with it.
    let restrictions = retired::Earlier::of(tx, &trail.tenant, table).await?;
    let expected = match &leaving {
        Leaving::Document(location) => Some(location.clone()),
        Leaving::Files | Leaving::Nothing(_) => None,
    };
    let query = sql("DELETE FROM relations \
         WHERE tenant_id = $1 AND id = $2 AND namespace_id = $3 AND name = $4 AND kind = 'table' \
            AND ($5 IS NULL OR metadata_location = $5) RETURNING version, location, metadata_location");
    let query = query.bind(&trail.tenant).bind(table.id).bind(table.namespace.id()).bind(table.name.as_ref());
    let Some(row) = tx.row(query.bind(expected)).await? else {
        let still = sql("SELECT 1 FROM relations WHERE tenant_id = $1 AND id = $2 AND namespace_id = $3 AND name = $4");
        let still = still.bind(&trail.tenant).bind(table.id).bind(table.namespace.id()).bind(table.name.as_ref());
        // Its pointer moved: whoever wants its last document looks again.
        return Err(if tx.row(still).await?.is_some() { tenants::stale() } else { absent(table) });
    };
    let (version, location, metadata_location) = (row.int(0)? + 1, row.text(1)?, row.text(2)?);
    retired::retire(tx, trail, table, &location, Some(&restrictions)).await?;
    // Allows die with the id (R19). What stands on the name stays: policies, and denies.
    if grants::die_with(tx, trail, "table", table.id.0, Subject::Table).await? > 0 {
        tenants::bump(tx, &trail.tenant).await?;
    }
    tx.changed(Change::TableGone(table_key(table)));
    match &leaving {
        // SECURITY: the place is free once it is empty, but not while keys that were handed out open it (R1).
        Leaving::Nothing(Purge { closed_until: Some(until) }) => {
            held::close(tx, &trail.tenant, &location, trail.stamp.now, *until).await?;
        }
        Leaving::Nothing(_) => {}
        Leaving::Files | Leaving::Document(_) => jobs::keep_old_metadata(tx, &trail.tenant, table.id).await?,
    }
    let (action, detail) = match leaving {
        Leaving::Files => ("drop_table", AuditDetail::None),
        Leaving::Nothing(_) => {
            let new = NewJob {
                work: JobWork::Purge { metadata_location },
                warehouse: table.namespace.warehouse.id,
                relation: table.id,
                relation_name: table.ident().to_string(),
                location,
                due_at: trail.stamp.now,
            };
            ("drop_table", AuditDetail::Purging { job: jobs::enqueue(tx, trail, new).await? })
        }
        Leaving::Document(_) => ("unregister_table", AuditDetail::Unregistered { metadata_location }),
    };
    trail.note(tx, action, object(table, version), detail).await
}

pub(super) async fn rename(
    tx: &mut Tx,
    (source, target): (&Trail, &Trail),
    from: &TableRef,
    mut to: TableRef,
    (seen, bindings): (String, Vec<ColumnBinding>),
) -> Result<Arc<TableRow>> {
    tx.alone(Lock::Warehouse(from.namespace.warehouse.id)).await?;
    // Before the table's own row, as in a commit: the tenant's is always the first of the two (docs/decisions/0008).
    let place = Place::look(tx, &[source, target], &to.namespace, &to.name)
        .await
        .map_err(|error| place::rename_refused(error, &from.ident(), &to.ident()))?;
    let query = sql! {
        sqlite: "SELECT quarantined, metadata_location FROM relations \
            WHERE tenant_id = $1 AND id = $2 AND namespace_id = $3 AND name = $4 AND kind = 'table'",
        // No commit moves the pointer between this look and the end.
        postgres: "SELECT quarantined, metadata_location FROM relations \
            WHERE tenant_id = $1 AND id = $2 AND namespace_id = $3 AND name = $4 AND kind = 'table' FOR NO KEY UPDATE",
    };
    let query = query.bind(&source.tenant).bind(from.id).bind(from.namespace.id()).bind(from.name.as_ref());
    let stands = tx.row(query).await?.ok_or_else(|| absent(from))?;
    let was_quarantined: bool = stands.get(0)?;
    // SECURITY: the columns to bind are those of the document that was looked at, and of no other.
    if place.is_restricted() && stands.text(1)? != seen {
        return Err(tenants::stale());
    }
    let moved = from.namespace.id() != to.namespace.id();
    to.quarantined = if moved { place.quarantines() } else { was_quarantined && !place.is_restricted() };
    let query = sql("UPDATE relations SET namespace_id = $1, name = $2, quarantined = $3, version = version + 1 \
         WHERE tenant_id = $4 AND id = $5 RETURNING version, location, metadata_location, table_uuid");
    let query = query.bind(to.namespace.id()).bind(to.name.as_ref()).bind(to.quarantined);
    let row = tx.row(query.bind(&source.tenant).bind(to.id)).await?.ok_or_else(|| absent(from))?;
    let row = Arc::new(TableRow {
        warehouse: tx.warehouse(&to.namespace.warehouse).await?,
        table: to,
        version: row.int(0)?,
        location: Location::parse(&row.text(1)?)?,
        metadata_location: row.text(2)?,
        table_uuid: row.uuid(3)?,
    });
    let taken_over = place.take_over(tx, &source.tenant, row.table.id, &bindings).await?;
    if moved || was_quarantined != row.table.quarantined {
        // The table's parents, or who may know it, changed: what was decided before may not hold any more.
        tenants::bump(tx, &source.tenant).await?;
    }
    source.answered(tx, &Outcome::Done).await?;
    let detail = AuditDetail::Renamed { from: from.ident().to_string(), taken_over };
    source.note(tx, "rename_table", object(&row.table, row.version), detail).await?;
    tx.changed(Change::TableGone(table_key(from)));
    tx.changed(Change::Table(row.clone()));
    Ok(row)
}

pub(super) async fn release(tx: &mut Tx, trail: &Trail, mut table: TableRef) -> Result<bool> {
    tx.alone(Lock::Warehouse(table.namespace.warehouse.id)).await?;
    tenants::check_version(tx, trail).await?;
    // A view waits for its release like a table.
    let query = sql("SELECT quarantined, kind = 'view' FROM relations \
         WHERE tenant_id = $1 AND id = $2 AND namespace_id = $3 AND name = $4");
    let query = query.bind(&trail.tenant).bind(table.id).bind(table.namespace.id()).bind(table.name.as_ref());
    let found = tx.row(query).await?.ok_or_else(|| absent(&table))?;
    if !found.get::<bool>(0)? {
        return Ok(false);
    }
    let subject = if found.get::<bool>(1)? { Subject::View } else { Subject::Table };
    let query = sql("UPDATE relations SET quarantined = FALSE, version = version + 1 \
         WHERE tenant_id = $1 AND id = $2 RETURNING version");
    let row = tx.row(query.bind(&trail.tenant).bind(table.id)).await?.ok_or_else(|| absent(&table))?;
    tenants::bump(tx, &trail.tenant).await?;
    table.quarantined = false;
    tx.changed(Change::TableGone(table_key(&table)));
    let released = AuditObject { subject, ..object(&table, row.int(0)?) };
    trail.note(tx, "release_table", released, AuditDetail::None).await?;
    Ok(true)
}
