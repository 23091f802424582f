//! Tables: resolving, listing, and the ways they change. Views share the name space and have a file of their own.

pub(crate) mod change;
mod commit;
pub(crate) mod held;
mod list;
pub(crate) mod place;
mod register;
pub(crate) mod retired;

use std::sync::Arc;

use polder_policy::{ColumnPath, NamespaceRef, Permit, TableRef, WarehouseRef, actions};
use polder_types::{Error, Location, Micros, PolicyId, RelationId, Result, TableIdent};
use uuid::Uuid;

pub use change::Purge;
pub use held::Hold;
pub use register::{Registrar, Replaced};

use crate::{
    Stamp, Store, WarehouseRow,
    audit::Trail,
    db::{Row, sql},
    homes, jobs,
    namespaces::{namespace_of, path_of},
    warehouses::{self, WAREHOUSE_COLUMNS},
};

/// A table.
#[derive(Clone, Debug)]
pub struct TableRow {
    /// Itself with its parents.
    pub table: TableRef,
    /// Its warehouse.
    pub warehouse: Arc<WarehouseRow>,
    /// Its location.
    pub location: Location,
    /// Where its current metadata document lies.
    pub metadata_location: String,
    /// The `table-uuid` inside the document.
    pub table_uuid: Uuid,
    /// Grows with every change of the row.
    pub version: i64,
}

/// A field id that stands at a column path which a policy reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnBinding {
    /// The policy.
    pub policy: PolicyId,
    /// The column.
    pub path: ColumnPath,
    /// The field id now found there.
    pub field: i32,
}

/// A table to be made; its metadata document is written already.
#[derive(Clone, Debug)]
pub struct NewTable {
    /// Its name.
    pub name: String,
    /// Its location, below a root of its warehouse.
    pub location: Location,
    /// Where its metadata document lies.
    pub metadata_location: String,
    /// The `table-uuid` inside.
    pub table_uuid: Uuid,
    /// Its columns that policies on its name read (`snapshot.restrictions_on`).
    pub bindings: Vec<ColumnBinding>,
    /// A policy editor's permit: the table is not quarantined, and may lie where a dropped one lay, or in the home of another
    /// namespace.
    pub released_by: Option<Permit<actions::ManagePolicies>>,
    /// True if its files were there before: with the place of a dropped table it takes over what restricted that one.
    pub registered: bool,
}

/// A place that something is to lie at.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The warehouse, which the permit is about.
    pub warehouse: &'a WarehouseRow,
    /// The place.
    pub location: &'a Location,
    /// The time of the request: places are held for a while.
    pub now: Micros,
}

/// One pointer to be moved.
#[derive(Clone, Debug)]
pub struct PointerSwap {
    /// The permit for the table.
    pub permit: Permit<actions::CommitTable>,
    /// Where the pointer must stand.
    pub expected_metadata_location: String,
    /// Where it moves; `None`: it stays, and must still stand there when the others move.
    pub new_metadata_location: Option<String>,
    /// Columns that policies on the table read, as far as field ids are new at their paths.
    pub bindings: Vec<ColumnBinding>,
    /// Metadata files that the table's log names no more, to be deleted once the commit is known to have landed.
    pub fallen: Vec<String>,
    /// True if the new document was there before: none that a job may still delete.
    pub registers: bool,
}

/// A table to be made together with what else a commit does.
#[derive(Clone, Debug)]
pub struct Creation {
    /// The permit for the namespace.
    pub permit: Permit<actions::CreateTable>,
    /// The table.
    pub new: NewTable,
}

/// What became of a commit.
#[derive(Debug)]
pub enum CommitOutcome {
    /// All pointers moved, all tables made; the rows, in the order of the swaps and then of the creations.
    Committed(Vec<Arc<TableRow>>),
    /// Nothing happened: this table's pointer or name moved, or it is gone. Resolve again.
    Lost(RelationId),
    /// Nothing happened: the policy changed since the permit. Authorize again.
    StalePolicy,
    /// Nothing happened.
    RolledBack(Error),
    /// It is not known what happened: delete nothing.
    Unknown(Error),
}

/// A row of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableEntry {
    /// Its id.
    pub id: RelationId,
    /// Its namespace and name.
    pub ident: TableIdent,
}

impl Store {
    /// Finds a table by name.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn resolve_table(&self, warehouse: &WarehouseRef, ident: &TableIdent) -> Result<Option<Arc<TableRow>>> {
        let key = (warehouse.tenant.id.clone(), warehouse.id, ident.clone());
        if let Some(row) = self.caches().table(&key) {
            return Ok(Some(row));
        }
        let seen = self.caches().seen(&key);
        let query = sql("SELECT w.tenant_id, w.id, w.name, w.root, w.allowed_locations, w.settings_version, \
                w.is_default, w.created_at, n.path, r.id, r.quarantined, r.location, r.metadata_location, r.table_uuid, \
                r.version, t.version \
             FROM tenants t JOIN warehouses w ON w.tenant_id = t.id \
             JOIN namespaces n ON n.tenant_id = t.id AND n.warehouse_id = w.id \
             JOIN relations r ON r.tenant_id = t.id AND r.namespace_id = n.id \
             WHERE t.id = $1 AND w.id = $2 AND n.name_key = $3 AND r.name = $4 AND r.kind = 'table'");
        let query =
            query.bind(&warehouse.tenant.id).bind(warehouse.id).bind(ident.namespace.key()).bind(ident.name.as_str());
        let Some(row) = self.read().await?.row(query).await? else {
            return Ok(None);
        };
        self.caches().met_version(&warehouse.tenant.id, row.int(15)?);
        let within = Arc::new(warehouses::warehouse_row(&row)?);
        let row = Arc::new(table_row(&row, WAREHOUSE_COLUMNS, within, ident)?);
        self.caches().fill_table(seen, key, row.clone());
        Ok(Some(row))
    }

    /// Finds a table by its id, whatever it is called by now.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn resolve_relation(&self, warehouse: &WarehouseRef, id: RelationId) -> Result<Option<Arc<TableRow>>> {
        let query = sql("SELECT n.name_key, r.name FROM relations r \
             JOIN namespaces n ON n.tenant_id = r.tenant_id AND n.id = r.namespace_id \
             WHERE r.tenant_id = $1 AND r.id = $2 AND r.warehouse_id = $3 AND r.kind = 'table'");
        let query = query.bind(&warehouse.tenant.id).bind(id).bind(warehouse.id);
        let Some(row) = self.read().await?.row(query).await? else {
            return Ok(None);
        };
        let ident = TableIdent::new(namespace_of(&row.text(0)?)?, row.text(1)?)?;
        // Renamed between the two looks: the caller asks again, or takes it for gone.
        Ok(self.resolve_table(warehouse, &ident).await?.filter(|row| row.table.id == id))
    }

    /// Checks that a location overlaps no table of the warehouse now, that nobody else holds it, and, unless a policy editor
    /// asks, that no dropped table lay there and that it is not another namespace's. [`Store::commit_tables`] decides it for
    /// good.
    ///
    /// # Errors
    /// `Invalid` if it does; `Conflict` while files around it are still being deleted.
    pub async fn check_free_location(
        &self,
        permit: &Permit<actions::CreateTable>,
        released_by: Option<&Permit<actions::ManagePolicies>>,
        name: &str,
        site: Site<'_>,
    ) -> Result<()> {
        let (tenant, namespace, location) = (permit.tenant(), permit.resource(), site.location);
        let mut session = self.read().await?;
        change::refuse_overlap(&mut session, tenant, namespace.warehouse.id, location, None).await?;
        jobs::refuse_waiting(&mut session, tenant, location, false).await?;
        let holder = held::Holder { principal: permit.caller().principal.id, namespace: namespace.id(), name };
        held::refuse(&mut session, tenant, location, site.now, Some(holder)).await?;
        if released_by.is_some_and(|editor| editor.tenant() == tenant) {
            return Ok(());
        }
        retired::refuse(&mut session, tenant, location).await?;
        homes::ground(&mut session, namespace, site.warehouse, location).await.map(drop)
    }

    /// Drops a table: the row, and the allows that were bound to it. Files stay, or with `purge` are a job's to delete.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn drop_table(
        &self,
        permit: &Permit<actions::DropTable>,
        purge: Option<Purge>,
        stamp: &Stamp,
    ) -> Result<()> {
        let (trail, table) = (Trail::of(permit, stamp), permit.resource().clone());
        let leaving = purge.map_or(change::Leaving::Files, change::Leaving::Nothing);
        self.write("drop_table", move |tx| Box::pin(async move { change::delete(tx, &trail, &table, leaving).await }))
            .await
    }

    /// Renames a table within its warehouse. `bindings`: its columns that policies on the new name read, as found in
    /// the document `seen_metadata_location`.
    ///
    /// # Errors
    /// `stale_policy` ([`crate::is_stale`]) if policies stand on the new name and the table has another document now.
    /// `NotFound` for the table or the namespace, `AlreadyExists` at the destination, `Invalid` across warehouses.
    pub async fn rename_table(
        &self,
        source: &Permit<actions::RenameTable>,
        target: &Permit<actions::RenameInto>,
        name: &str,
        seen_metadata_location: &str,
        bindings: Vec<ColumnBinding>,
        stamp: &Stamp,
    ) -> Result<Arc<TableRow>> {
        let from = source.resource().clone();
        let to = TableRef { namespace: target.resource().clone(), name: name.into(), ..from.clone() };
        if from.namespace.warehouse != to.namespace.warehouse || source.caller() != target.caller() {
            return Err(Error::invalid("rename_across_warehouses", "a table cannot leave its warehouse"));
        }
        let trails = (Trail::of(source, stamp), Trail::of(target, stamp));
        let seen = (seen_metadata_location.to_owned(), bindings);
        self.write("rename_table", move |tx| {
            Box::pin(async move { change::rename(tx, (&trails.0, &trails.1), &from, to, seen).await })
        })
        .await
    }

    /// Ends a table's quarantine. True if it was quarantined.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn release_table(&self, permit: &Permit<actions::ReleaseTable>, stamp: &Stamp) -> Result<bool> {
        let (trail, table) = (Trail::of(permit, stamp), permit.resource().clone());
        self.write("release_table", move |tx| Box::pin(async move { change::release(tx, &trail, table).await })).await
    }

    /// Moves pointers and makes tables, all or none, if every pointer stands where its swap expects it, every name
    /// is free and the policy is still that of the permits. Each [`PointerSwap`] and [`Creation`] brings its permit.
    pub async fn commit_tables(
        &self,
        permitted_swaps: Vec<PointerSwap>,
        permitted_creations: Vec<Creation>,
        stamp: &Stamp,
    ) -> CommitOutcome {
        commit::commit(self, permitted_swaps, permitted_creations, *stamp).await
    }
}

/// Reads path and table from neighbouring columns.
pub(crate) fn table_row(
    row: &Row,
    column: usize,
    warehouse: Arc<WarehouseRow>,
    ident: &TableIdent,
) -> Result<TableRow> {
    let namespace = NamespaceRef {
        warehouse: warehouse.warehouse.clone(),
        chain: path_of(&row.get::<Vec<u8>>(column)?).into(),
        name: ident.namespace.clone(),
    };
    Ok(TableRow {
        table: TableRef {
            namespace,
            id: RelationId(row.uuid(column + 1)?),
            name: ident.name.as_str().into(),
            quarantined: row.get(column + 2)?,
        },
        warehouse,
        location: Location::parse(&row.text(column + 3)?)?,
        metadata_location: row.text(column + 4)?,
        table_uuid: row.uuid(column + 5)?,
        version: row.int(column + 6)?,
    })
}
