//! Creating, replacing, dropping and renaming views, each with its audit row in one transaction.

use std::sync::Arc;

use polder_policy::{NamespaceRef, TableRef, ViewRef};
use polder_types::{Error, ErrorKind, RelationId, Result, Subject};

use super::{Lost, NewView, ViewRow, ViewSwap};
use crate::{
    AuditDetail, AuditObject, Outcome,
    audit::Trail,
    db::sql,
    grants, homes, jobs,
    tables::{
        change::refuse_overlap,
        held,
        place::{Place, RelationKind, rename_refused},
        retired,
    },
    tenants,
    tx::{Lock, Tx},
};

fn absent(view: &TableRef) -> Error {
    Error::not_found(Subject::View, &view.ident().to_string())
}

fn object(view: &TableRef, version: i64) -> AuditObject {
    AuditObject::new(Subject::View, view.id, view.ident().to_string(), version)
}

fn outside() -> Error {
    Error::invalid("location_outside", "the location lies outside the warehouse").about(Subject::View)
}

/// Makes a view, of a new document or of one that was there before.
pub(super) async fn make(
    tx: &mut Tx,
    trail: &Trail,
    action: &'static str,
    namespace: NamespaceRef,
    id: RelationId,
    new: NewView,
) -> Result<Arc<ViewRow>> {
    tx.alone(Lock::Warehouse(namespace.warehouse.id)).await?;
    let place = Place::look_for(tx, &[trail], &namespace, &new.name, RelationKind::View).await?;
    let released = new
        .released_by
        .as_ref()
        .is_some_and(|permit| permit.tenant() == &trail.tenant && permit.version() == trail.policy_version);
    let warehouse = tx.warehouse(&namespace.warehouse).await?;
    if !warehouse.contains(&new.location) {
        return Err(outside());
    }
    // SECURITY: as for tables, inside the transaction: a view over a table's directory could be dropped or moved so that
    // the place passes for another's.
    refuse_overlap(tx, &trail.tenant, warehouse.warehouse.id, &new.location, None).await?;
    jobs::refuse_waiting(tx, &trail.tenant, &new.location, false).await?;
    let earlier = match action == "register_view" {
        true => retired::reopen(tx, &trail.tenant, place.name(), &new.location, released).await?,
        false if released => None,
        false => retired::refuse(tx, &trail.tenant, &new.location).await.map(|()| None)?,
    };
    held::refuse(tx, &trail.tenant, &new.location, trail.stamp.now, None).await?;
    if !released && earlier.is_none() {
        homes::ground(tx, &namespace, &warehouse, &new.location).await?;
    }
    let quarantined = place.quarantines() || earlier.as_ref().is_some_and(|earlier| earlier.quarantined);
    let quarantined = quarantined && !released;
    let row = Arc::new(ViewRow {
        view: ViewRef { relation: TableRef { namespace, id, name: new.name.as_str().into(), quarantined } },
        warehouse,
        location: new.location,
        metadata_location: new.metadata_location,
        view_uuid: new.view_uuid,
        version: 1,
    });
    insert(tx, trail, &row).await?;
    // No columns are bound: whoever a restriction holds for does not read the view at all.
    let mut taken_over = place.take_over(tx, &trail.tenant, id, &[]).await?;
    if let Some(earlier) = &earlier {
        taken_over += earlier.bind(tx, &trail.tenant, id).await?;
    }
    let metadata_location = row.metadata_location.clone();
    trail.answered(tx, &Outcome::Table { relation: id, metadata_location }).await?;
    let detail = AuditDetail::Placed { location: row.location.to_string(), taken_over, quarantined };
    trail.note(tx, action, object(&row.view.relation, 1), detail).await?;
    Ok(row)
}

async fn insert(tx: &mut Tx, trail: &Trail, row: &ViewRow) -> Result<()> {
    let view = &row.view.relation;
    let query = sql("INSERT INTO relations (tenant_id, id, warehouse_id, namespace_id, kind, name, location, \
             metadata_location, table_uuid, quarantined, version, created_at) \
         VALUES ($1, $2, $3, $4, 'view', $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING");
    let query = query
        .bind(&trail.tenant)
        .bind(view.id)
        .bind(row.warehouse.warehouse.id)
        .bind(view.namespace.id())
        .bind(view.name.as_ref())
        .bind(row.location.to_string())
        .bind(row.metadata_location.as_str())
        .bind(row.view_uuid)
        .bind(view.quarantined)
        .bind(row.version)
        .bind(trail.stamp.now);
    // The place was looked at under the warehouse's lock, so this never happens; if it does, nothing is written (F1).
    match tx.execute(query).await? {
        0 => Err(Error::already_exists(Subject::View, &view.ident().to_string())),
        _ => Ok(()),
    }
}

/// Moves the pointer, and the view if its document says so.
pub(super) async fn replace(tx: &mut Tx, trail: &Trail, swap: &ViewSwap, lost: &Lost) -> Result<Arc<ViewRow>> {
    let view = &swap.permit.resource().relation;
    let warehouse = tx.warehouse(&view.namespace.warehouse).await?;
    if swap.new_location != swap.expected_location {
        tx.alone(Lock::Warehouse(view.namespace.warehouse.id)).await?;
        if !warehouse.contains(&swap.new_location) {
            return Err(outside());
        }
        // SECURITY: a move is checked like a creation (R4, R10).
        refuse_overlap(tx, &trail.tenant, view.namespace.warehouse.id, &swap.new_location, None).await?;
        jobs::refuse_waiting(tx, &trail.tenant, &swap.new_location, false).await?;
        held::refuse(tx, &trail.tenant, &swap.new_location, trail.stamp.now, None).await?;
        let editor = swap.released_by.as_ref();
        if editor.is_none_or(|permit| permit.tenant() != &trail.tenant || permit.version() != trail.policy_version) {
            retired::refuse(tx, &trail.tenant, &swap.new_location).await?;
            homes::ground(tx, &view.namespace, &warehouse, &swap.new_location).await?;
        }
    }
    let row = swap_pointer(tx, swap, lost).await?;
    if swap.new_location != swap.expected_location {
        // Its earlier files stay where they are.
        retired::retire(tx, trail, view, &swap.expected_location.to_string(), None).await?;
    }
    let row = Arc::new(ViewRow {
        view: ViewRef { relation: TableRef { quarantined: row.get(2)?, ..view.clone() } },
        warehouse,
        location: swap.new_location.clone(),
        metadata_location: swap.new_metadata_location.clone(),
        view_uuid: row.uuid(1)?,
        version: row.int(0)?,
    });
    note_commit(tx, trail, swap, &row).await?;
    Ok(row)
}

/// SECURITY: the swap holds only while the policy is the one that the permit was made under, and while the view still
/// stands, and lies, where it was authorized.
async fn swap_pointer(tx: &mut Tx, swap: &ViewSwap, lost: &Lost) -> Result<crate::db::Row> {
    let (permit, view) = (&swap.permit, &swap.permit.resource().relation);
    let query = sql! {
        sqlite: "UPDATE relations SET metadata_location = $1, location = $9, version = version + 1 \
            WHERE tenant_id = $2 AND id = $3 AND namespace_id = $4 AND name = $5 AND warehouse_id = $6 \
                AND kind = 'view' AND metadata_location = $7 AND location = $10 \
                AND EXISTS (SELECT 1 FROM tenants WHERE id = $2 AND version = $8) \
            RETURNING version, table_uuid, quarantined",
        postgres: "UPDATE relations SET metadata_location = $1, location = $9, version = version + 1 \
            WHERE tenant_id = $2 AND id = $3 AND namespace_id = $4 AND name = $5 AND warehouse_id = $6 \
                AND kind = 'view' AND metadata_location = $7 AND location = $10 \
                AND EXISTS (SELECT 1 FROM tenants WHERE id = $2 AND version = $8 \
                    AND pg_advisory_xact_lock_shared(hashtextextended($2, 0)) IS NOT NULL FOR SHARE) \
            RETURNING version, table_uuid, quarantined",
    };
    let query = query
        .bind(swap.new_metadata_location.as_str())
        .bind(permit.tenant())
        .bind(view.id)
        .bind(view.namespace.id())
        .bind(view.name.as_ref())
        .bind(view.namespace.warehouse.id)
        .bind(swap.expected_metadata_location.as_str())
        .bind(permit.version())
        .bind(swap.new_location.to_string())
        .bind(swap.expected_location.to_string());
    if let Some(row) = tx.row(query).await? {
        return Ok(row);
    }
    let query = sql("SELECT 1 FROM tenants WHERE id = $1 AND version = $2");
    if tx.row(query.bind(permit.tenant()).bind(permit.version())).await?.is_none() {
        return Err(tenants::stale());
    }
    lost.get_or_init(|| ());
    Err(Error::new(ErrorKind::Conflict, Subject::View, "commit_lost", "the view changed meanwhile"))
}

async fn note_commit(tx: &mut Tx, trail: &Trail, swap: &ViewSwap, row: &ViewRow) -> Result<()> {
    let (view, from) = (&row.view.relation, swap.expected_metadata_location.clone());
    let query = sql("INSERT INTO commits (tenant_id, relation_id, version, at, request_id, principal_id, \
             previous_metadata_location, metadata_location) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    let query = query
        .bind(&trail.tenant)
        .bind(view.id)
        .bind(row.version)
        .bind(trail.stamp.now)
        .bind(trail.stamp.request.to_string())
        .bind(trail.caller.principal.id)
        .bind(from.as_str())
        .bind(row.metadata_location.as_str());
    tx.execute(query).await?;
    let metadata_location = row.metadata_location.clone();
    trail.answered(tx, &Outcome::Table { relation: view.id, metadata_location }).await?;
    let detail = AuditDetail::Pointer { from, to: row.metadata_location.clone(), bound: 0 };
    trail.note(tx, "replace_view", object(view, row.version), detail).await
}

pub(super) async fn delete(tx: &mut Tx, trail: &Trail, view: &ViewRef) -> Result<()> {
    let view = &view.relation;
    tx.alone(Lock::Warehouse(view.namespace.warehouse.id)).await?;
    tenants::check_version(tx, trail).await?;
    let restrictions = retired::Earlier::of(tx, &trail.tenant, view).await?;
    let query = sql("DELETE FROM relations \
         WHERE tenant_id = $1 AND id = $2 AND namespace_id = $3 AND name = $4 AND kind = 'view' RETURNING version, location");
    let query = query.bind(&trail.tenant).bind(view.id).bind(view.namespace.id()).bind(view.name.as_ref());
    let row = tx.row(query).await?.ok_or_else(|| absent(view))?;
    retired::retire(tx, trail, view, &row.text(1)?, Some(&restrictions)).await?;
    // Allows die with the id (R19). What stands on the name stays: policies, and denies.
    if grants::die_with(tx, trail, "table", view.id.0, Subject::View).await? > 0 {
        tenants::bump(tx, &trail.tenant).await?;
    }
    trail.answered(tx, &Outcome::Done).await?;
    trail.note(tx, "drop_view", object(view, row.int(0)? + 1), AuditDetail::None).await
}

pub(super) async fn rename(
    tx: &mut Tx,
    (source, target): (&Trail, &Trail),
    from: &TableRef,
    mut to: TableRef,
) -> Result<()> {
    tx.alone(Lock::Warehouse(from.namespace.warehouse.id)).await?;
    // Before the view's own row: the tenant's is always the first of the two (docs/decisions/0008).
    let place = Place::look_for(tx, &[source, target], &to.namespace, &to.name, RelationKind::View)
        .await
        .map_err(|error| rename_refused(error, &from.ident(), &to.ident()))?;
    // Every other way to move or drop it waits for the warehouse's lock, and where its pointer stands does not matter here.
    let query = sql("SELECT quarantined FROM relations \
         WHERE tenant_id = $1 AND id = $2 AND namespace_id = $3 AND name = $4 AND kind = 'view'");
    let query = query.bind(&source.tenant).bind(from.id).bind(from.namespace.id()).bind(from.name.as_ref());
    let was_quarantined: bool = tx.row(query).await?.ok_or_else(|| absent(from))?.get(0)?;
    let moved = from.namespace.id() != to.namespace.id();
    to.quarantined = if moved { place.quarantines() } else { was_quarantined && !place.is_restricted() };
    let query = sql("UPDATE relations SET namespace_id = $1, name = $2, quarantined = $3, version = version + 1 \
         WHERE tenant_id = $4 AND id = $5 RETURNING version");
    let query = query.bind(to.namespace.id()).bind(to.name.as_ref()).bind(to.quarantined);
    let row = tx.row(query.bind(&source.tenant).bind(to.id)).await?.ok_or_else(|| absent(from))?;
    // SECURITY: restrictions of both names hold for it afterwards (R35).
    let taken_over = place.take_over(tx, &source.tenant, to.id, &[]).await?;
    if moved || was_quarantined != to.quarantined {
        // The view's parents, or who may know it, changed: what was decided before may not hold any more.
        tenants::bump(tx, &source.tenant).await?;
    }
    source.answered(tx, &Outcome::Done).await?;
    let detail = AuditDetail::Renamed { from: from.ident().to_string(), taken_over };
    source.note(tx, "rename_view", object(&to, row.int(0)?), detail).await
}
