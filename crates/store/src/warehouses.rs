//! Warehouses. Their roots and allowed locations are disjoint over all tenants, compared as parsed segments.

use std::sync::Arc;

use polder_policy::{Permit, TenantRef, WarehouseRef, actions};
use polder_types::{Error, ErrorKind, Location, Micros, Result, Subject, TenantId, WarehouseId, WarehouseName};

use crate::{
    AuditDetail, AuditObject, Page, PageRequest, Stamp, Store,
    audit::Trail,
    cache::Change,
    db::{self, Row, Session, sql},
    fresh, grants, jobs, locations, tenants,
    tx::{Lock, Tx},
};

/// A warehouse.
#[derive(Clone, Debug)]
pub struct WarehouseRow {
    /// Itself.
    pub warehouse: WarehouseRef,
    /// Where its tables live unless they say otherwise.
    pub root: Location,
    /// Further locations that tables may live in.
    pub allowed_locations: Vec<Location>,
    /// Grows with every change of the row.
    pub settings_version: i64,
    /// True if paths without a warehouse mean it.
    pub default: bool,
    /// When it was made.
    pub created_at: Micros,
}

impl WarehouseRow {
    /// True if the location is a root of this warehouse or lies below one.
    #[must_use]
    pub fn contains(&self, location: &Location) -> bool {
        location.is_within(&self.root) || self.allowed_locations.iter().any(|allowed| location.is_within(allowed))
    }
}

/// A warehouse to be made.
#[derive(Clone, Debug)]
pub struct NewWarehouse {
    /// Its immutable name.
    pub name: WarehouseName,
    /// Its root.
    pub root: Location,
    /// Further locations.
    pub allowed_locations: Vec<Location>,
    /// Make it the default one, instead of the one that was.
    pub default: bool,
}

impl Store {
    /// Finds a warehouse by name.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn resolve_warehouse(
        &self,
        tenant: &TenantId,
        name: &WarehouseName,
    ) -> Result<Option<Arc<WarehouseRow>>> {
        let key = (tenant.clone(), name.clone());
        if let Some(row) = self.caches().warehouses.get(&key) {
            return Ok(Some(row));
        }
        let seen = self.caches().seen(&key);
        let query = sql("SELECT w.tenant_id, w.id, w.name, w.root, w.allowed_locations, w.settings_version, \
                w.is_default, w.created_at, t.version \
             FROM tenants t JOIN warehouses w ON w.tenant_id = t.id WHERE t.id = $1 AND w.name = $2");
        let row = self.read().await?.row(query.bind(tenant).bind(name)).await?;
        let row = row.map(|row| self.met(&row, tenant)).transpose()?;
        if let Some(row) = &row {
            self.caches().fill(&self.caches().warehouses, seen, key, row.clone());
        }
        Ok(row)
    }

    /// The tenant's default warehouse, or its only one.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn default_warehouse(&self, tenant: &TenantId) -> Result<Option<Arc<WarehouseRow>>> {
        if let Some(row) = self.caches().default_warehouses.get(tenant) {
            return Ok(Some(row));
        }
        let seen = self.caches().seen(tenant);
        let query =
            sql("SELECT w.tenant_id, w.id, w.name, w.root, w.allowed_locations, w.settings_version, w.is_default, \
                w.created_at, t.version \
             FROM tenants t JOIN warehouses w ON w.tenant_id = t.id \
             WHERE t.id = $1 ORDER BY w.is_default DESC, w.name LIMIT 2");
        let rows = self.read().await?.rows(query.bind(tenant)).await?;
        let rows = rows.iter().map(|row| self.met(row, tenant)).collect::<Result<Vec<_>>>()?;
        let only = rows.len() == 1;
        let row = rows.into_iter().next().filter(|row| row.default || only);
        if let Some(row) = &row {
            self.caches().fill(&self.caches().default_warehouses, seen, tenant.clone(), row.clone());
        }
        Ok(row)
    }

    /// Reads a warehouse, and notes the policy version of the same moment, which stands behind it.
    fn met(&self, row: &Row, tenant: &TenantId) -> Result<Arc<WarehouseRow>> {
        self.caches().met_version(tenant, row.int(WAREHOUSE_COLUMNS)?);
        warehouse_row(row).map(Arc::new)
    }

    /// Makes a warehouse.
    ///
    /// # Errors
    /// `AlreadyExists` for a taken name, `Conflict` if a location overlaps one of any warehouse, `Invalid` if its
    /// own locations overlap.
    pub async fn create_warehouse(
        &self,
        permit: &Permit<actions::ManageWarehouses>,
        new: NewWarehouse,
        stamp: &Stamp,
    ) -> Result<Arc<WarehouseRow>> {
        let trail = Trail::of(permit, stamp);
        let row = WarehouseRow {
            warehouse: WarehouseRef {
                tenant: TenantRef { id: permit.tenant().clone() },
                id: WarehouseId(fresh::uuid(stamp.now)?),
                name: new.name,
            },
            root: new.root,
            allowed_locations: new.allowed_locations,
            settings_version: 1,
            default: new.default,
            created_at: stamp.now,
        };
        self.write("create_warehouse", move |tx| Box::pin(async move { create(tx, &trail, row).await })).await
    }

    /// Deletes a warehouse without namespaces.
    ///
    /// # Errors
    /// `NotFound`; `NotEmpty` while it has namespaces.
    pub async fn delete_warehouse(
        &self,
        permit: &Permit<actions::ManageWarehouses>,
        name: &WarehouseName,
        stamp: &Stamp,
    ) -> Result<()> {
        let (trail, name) = (Trail::of(permit, stamp), name.clone());
        self.write("delete_warehouse", move |tx| Box::pin(async move { delete(tx, &trail, &name).await })).await
    }

    /// Shows a warehouse.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn show_warehouse(
        &self,
        permit: &Permit<actions::ListWarehouses>,
        name: &WarehouseName,
    ) -> Result<Arc<WarehouseRow>> {
        let found = self.resolve_warehouse(permit.tenant(), name).await?;
        found.ok_or_else(|| Error::not_found(Subject::Warehouse, name.as_str()))
    }

    /// Lists warehouses by name.
    ///
    /// # Errors
    /// `Invalid` for a page token of another list.
    pub async fn list_warehouses(
        &self,
        permit: &Permit<actions::ListWarehouses>,
        page: &PageRequest,
    ) -> Result<Page<WarehouseRow>> {
        let cursor = self.cursor(permit, "warehouses", page)?;
        let query =
            sql("SELECT tenant_id, id, name, root, allowed_locations, settings_version, is_default, created_at \
             FROM warehouses WHERE tenant_id = $1 AND name > $2 ORDER BY name LIMIT $3");
        let query = query.bind(permit.tenant()).bind(cursor.after.clone().unwrap_or_default()).bind(cursor.limit);
        let rows = self.read().await?.rows(query).await?;
        let rows = rows.iter().map(warehouse_row).collect::<Result<Vec<_>>>()?;
        self.page(&cursor, rows, |row| row.warehouse.name.to_string())
    }
}

/// Reads one warehouse by name.
pub(crate) async fn select(
    session: &mut Session,
    tenant: &TenantId,
    name: &WarehouseName,
) -> Result<Option<WarehouseRow>> {
    let query = sql("SELECT tenant_id, id, name, root, allowed_locations, settings_version, is_default, created_at \
         FROM warehouses WHERE tenant_id = $1 AND name = $2");
    session.row(query.bind(tenant).bind(name)).await?.as_ref().map(warehouse_row).transpose()
}

/// How many columns a warehouse has in a statement.
pub(crate) const WAREHOUSE_COLUMNS: usize = 8;

/// Reads a warehouse from the first columns.
pub(crate) fn warehouse_row(row: &Row) -> Result<WarehouseRow> {
    let allowed: Vec<String> = row.json(4)?;
    Ok(WarehouseRow {
        warehouse: WarehouseRef {
            tenant: TenantRef { id: row.parse(0)? },
            id: WarehouseId(row.uuid(1)?),
            name: row.parse(2)?,
        },
        root: Location::parse(&row.text(3)?)?,
        allowed_locations: allowed.iter().map(|text| Location::parse(text)).collect::<Result<_>>()?,
        settings_version: row.int(5)?,
        default: row.get(6)?,
        created_at: row.micros(7)?,
    })
}

async fn create(tx: &mut Tx, trail: &Trail, row: WarehouseRow) -> Result<Arc<WarehouseRow>> {
    tenants::check_and_bump(tx, trail).await?;
    if select(tx, &trail.tenant, &row.warehouse.name).await?.is_some() {
        return Err(Error::already_exists(Subject::Warehouse, row.warehouse.name.as_str()));
    }
    if row.default {
        retire_default(tx, trail).await?;
    }
    insert(tx, &row).await?;
    insert_locations(tx, &row).await?;
    let taken_over =
        grants::take_over(tx, &trail.tenant, "warehouse", row.warehouse.id.0, &row.warehouse.name, None).await?;
    tx.changed(Change::Warehouses);
    let object = AuditObject::new(Subject::Warehouse, row.warehouse.id, row.warehouse.name.as_str(), 1);
    let detail = AuditDetail::Placed { location: row.root.to_string(), taken_over, quarantined: false };
    trail.note(tx, "create_warehouse", object, detail).await?;
    Ok(Arc::new(row))
}

async fn insert(tx: &mut Tx, row: &WarehouseRow) -> Result<()> {
    let allowed: Vec<String> = row.allowed_locations.iter().map(Location::to_string).collect();
    let query = sql("INSERT INTO warehouses \
             (tenant_id, id, name, root, allowed_locations, settings_version, is_default, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    let query = query
        .bind(&row.warehouse.tenant.id)
        .bind(row.warehouse.id)
        .bind(&row.warehouse.name)
        .bind(row.root.to_string())
        .bind(db::json(&allowed)?)
        .bind(row.settings_version)
        .bind(row.default)
        .bind(row.created_at);
    tx.execute(query).await.map(drop)
}

/// SECURITY: the one place where a location enters a warehouse. It looks at all tenants on purpose, and its error
/// does not say whose location stands in the way.
async fn insert_locations(tx: &mut Tx, row: &WarehouseRow) -> Result<()> {
    tx.alone(Lock::Locations).await?;
    let mine: Vec<&Location> = std::iter::once(&row.root).chain(&row.allowed_locations).collect();
    for (index, location) in mine.iter().enumerate() {
        if mine.iter().skip(index + 1).any(|other| location.overlaps(other)) {
            return Err(Error::invalid("location_overlap", format!("`{location}` is given twice or inside another"))
                .about(Subject::Warehouse));
        }
        let (ancestors, (from, to)) = (db::json(&locations::ancestors(location))?, locations::below(location));
        let query = sql! {
            sqlite: "SELECT 1 FROM warehouse_locations \
                WHERE location IN (SELECT value FROM json_each($1)) OR (location >= $2 AND location < $3) LIMIT 1",
            postgres: "SELECT 1 FROM warehouse_locations \
                WHERE location IN (SELECT value FROM json_array_elements_text($1::json)) \
                    OR (location >= $2 AND location < $3) LIMIT 1",
        };
        if tx.row(query.bind(ancestors).bind(from).bind(to)).await?.is_some() {
            return Err(Error::conflict("location_overlap", format!("`{location}` overlaps another warehouse"))
                .about(Subject::Warehouse));
        }
    }
    for location in mine {
        let query = sql("INSERT INTO warehouse_locations (location, tenant_id, warehouse_id) VALUES ($1, $2, $3)");
        let query = query.bind(location.to_string()).bind(&row.warehouse.tenant.id).bind(row.warehouse.id);
        tx.execute(query).await?;
    }
    Ok(())
}

async fn retire_default(tx: &mut Tx, trail: &Trail) -> Result<()> {
    let query = sql("UPDATE warehouses SET is_default = FALSE, settings_version = settings_version + 1 \
         WHERE tenant_id = $1 AND is_default RETURNING id, name, settings_version");
    for row in tx.rows(query.bind(&trail.tenant)).await? {
        let object = AuditObject::new(Subject::Warehouse, row.uuid(0)?, row.text(1)?, row.int(2)?);
        trail.note(tx, "update_warehouse", object, AuditDetail::None).await?;
    }
    Ok(())
}

async fn delete(tx: &mut Tx, trail: &Trail, name: &WarehouseName) -> Result<()> {
    tenants::check_and_bump(tx, trail).await?;
    let absent = || Error::not_found(Subject::Warehouse, name.as_str());
    let row = select(tx, &trail.tenant, name).await?.ok_or_else(absent)?;
    let id = row.warehouse.id;
    let query = sql("SELECT 1 FROM namespaces WHERE tenant_id = $1 AND warehouse_id = $2 LIMIT 1");
    if tx.row(query.bind(&trail.tenant).bind(id)).await?.is_some() {
        let message = format!("warehouse `{name}` is not empty: drop its namespaces first");
        return Err(Error::new(ErrorKind::NotEmpty, Subject::Warehouse, "not_empty", message));
    }
    // SECURITY: its roots are anybody's once it is gone, so nothing of it may still be deleted then (A-001, F9).
    if jobs::has_waiting(tx, &trail.tenant, id).await? {
        let message = format!("files of dropped tables of warehouse `{name}` are still being deleted; try again later");
        return Err(Error::new(ErrorKind::NotEmpty, Subject::Warehouse, "not_empty", message));
    }
    grants::die_with(tx, trail, "warehouse", id.0, Subject::Warehouse).await?;
    let query = sql("DELETE FROM warehouse_locations WHERE tenant_id = $1 AND warehouse_id = $2");
    tx.execute(query.bind(&trail.tenant).bind(id)).await?;
    tx.execute(sql("DELETE FROM warehouses WHERE tenant_id = $1 AND id = $2").bind(&trail.tenant).bind(id)).await?;
    tx.changed(Change::Warehouses);
    let object = AuditObject::new(Subject::Warehouse, id, name.as_str(), row.settings_version + 1);
    trail.note(tx, "delete_warehouse", object, AuditDetail::None).await
}
