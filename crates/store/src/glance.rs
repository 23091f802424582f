//! What a request names, in the same statement as the version of the policy that decides on it: where other nodes write
//! to the database, a request begins with this one read, and a load needs no other. Rows found here are no answer yet;
//! they become one by the same permits as any row.

use std::sync::{Arc, Mutex, PoisonError};

use polder_policy::{PolicySnapshot, TenantRef, WarehouseRef};
use polder_types::{Namespace, Result, TableIdent, TenantId, WarehouseName};
use uuid::Uuid;

use crate::{
    NamespaceRow, Store, TableRow, TenantRow, WarehouseRow,
    db::{Row, sql},
    namespaces::namespace_row,
    tables::table_row,
    warehouses::{WAREHOUSE_COLUMNS, warehouse_row},
};

/// Where namespace, table and tenant stand in the statement.
const NAMESPACE: usize = WAREHOUSE_COLUMNS;
const TABLE: usize = NAMESPACE + 3;
const TENANT: usize = TABLE + 7;

/// What a path names.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// The warehouse.
    pub warehouse: Option<WarehouseName>,
    /// A namespace in it.
    pub namespace: Option<Namespace>,
    /// A table in that.
    pub table: Option<String>,
}

/// Rows as they were when the request began. What was not found is not here: look again.
#[derive(Debug, Default)]
pub struct Glance {
    warehouse: Option<Arc<WarehouseRow>>,
    namespace: Option<Arc<NamespaceRow>>,
    table: Mutex<Option<Arc<TableRow>>>,
}

impl Glance {
    /// The warehouse of this name.
    #[must_use]
    pub fn warehouse(&self, tenant: &TenantId, name: &WarehouseName) -> Option<Arc<WarehouseRow>> {
        let is_it = |row: &&Arc<WarehouseRow>| row.warehouse.tenant.id == *tenant && row.warehouse.name == *name;
        self.warehouse.as_ref().filter(is_it).cloned()
    }

    /// The namespace of this name.
    #[must_use]
    pub fn namespace(&self, warehouse: &WarehouseRef, name: &Namespace) -> Option<Arc<NamespaceRow>> {
        let is_it = |row: &&Arc<NamespaceRow>| row.namespace.warehouse == *warehouse && row.namespace.name == *name;
        self.namespace.as_ref().filter(is_it).cloned()
    }

    /// The table of this name, once: its pointer moves, so whoever asks again wants it as it is then.
    #[must_use]
    pub fn take_table(&self, warehouse: &WarehouseRef, ident: &TableIdent) -> Option<Arc<TableRow>> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.take_if(|row| row.table.namespace.warehouse == *warehouse && row.table.ident() == *ident)
    }

    fn read(row: &Row, named: &Named) -> Result<Self> {
        let (Some(_), Some(_)) = (&named.warehouse, row.get::<Option<Uuid>>(1)?) else { return Ok(Self::default()) };
        let warehouse = Arc::new(warehouse_row(row)?);
        let mut glance = Self { warehouse: Some(warehouse.clone()), ..Self::default() };
        let (Some(name), Some(_)) = (&named.namespace, row.get::<Option<Vec<u8>>>(NAMESPACE)?) else {
            return Ok(glance);
        };
        match &named.table {
            // The properties, which may be large, are not read for a table.
            None => glance.namespace = Some(Arc::new(namespace_row(row, NAMESPACE, &warehouse.warehouse, name)?)),
            Some(table) if row.get::<Option<Uuid>>(TABLE + 1)?.is_some() => {
                let ident = TableIdent { namespace: name.clone(), name: table.clone() };
                glance.table = Mutex::new(Some(Arc::new(table_row(row, TABLE, warehouse, &ident)?)));
            }
            Some(_) => {}
        }
        Ok(glance)
    }
}

impl Store {
    /// The policy that decides on a request now, and the rows it names, in one statement. Where this process owns the
    /// database, it has them at hand anyway: no row is read, and nobody asks what is named. `None` if the tenant is gone.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn glance(
        &self,
        tenant: &TenantId,
        named: impl FnOnce() -> Named,
    ) -> Result<Option<(Arc<PolicySnapshot>, Glance)>> {
        if !self.is_shared() {
            let snapshot = self.policy_snapshot(tenant).await?;
            return Ok(snapshot.map(|snapshot| (snapshot, Glance::default())));
        }
        let named = named();
        // The relation is found by all of its key: joined plainly, a planner without statistics reads what has the name in
        // every namespace.
        let query = sql("SELECT w.tenant_id, w.id, w.name, w.root, w.allowed_locations, w.settings_version, \
                w.is_default, w.created_at, \
                n.path, CASE WHEN $4 IS NULL THEN n.properties ELSE '{}' END, n.version, \
                n.path, r.id, r.quarantined, r.location, r.metadata_location, r.table_uuid, r.version, \
                t.version, t.operator, t.created_at \
             FROM tenants t \
             LEFT JOIN warehouses w ON w.tenant_id = t.id AND w.name = $2 \
             LEFT JOIN namespaces n ON n.tenant_id = t.id AND n.warehouse_id = w.id AND n.name_key = $3 \
             LEFT JOIN LATERAL (SELECT * FROM relations r WHERE r.tenant_id = $1 AND r.namespace_id = n.id \
                AND r.name = $4 AND r.kind = 'table' LIMIT 1) r ON true \
             WHERE t.id = $1");
        let query = query
            .bind(tenant)
            .bind(named.warehouse.as_ref())
            .bind(named.namespace.as_ref().map(Namespace::key))
            .bind(named.table.clone());
        let Some(row) = self.read().await?.row(query).await? else { return Ok(None) };
        let found = Arc::new(TenantRow {
            tenant: TenantRef { id: tenant.clone() },
            version: row.int(TENANT)?,
            operator: row.get(TENANT + 1)?,
            created_at: row.micros(TENANT + 2)?,
        });
        self.caches().met(&found);
        let glance = Glance::read(&row, &named)?;
        let snapshot = self.snapshot_at_least(tenant, found.version).await?;
        Ok(snapshot.map(|snapshot| (snapshot, glance)))
    }
}
