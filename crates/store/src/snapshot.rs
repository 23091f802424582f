//! Policy snapshots: everything that a tenant's decisions are made from, read in one transaction, kept until
//! `tenants.version` moves, loaded once however many wait. A newer snapshot is never replaced by an older one (R18).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use moka::sync::Cache;
use polder_policy::{
    Effect, Grant, KeyRecord, PolicySnapshot, PrincipalRecord, Restriction, RoleRecord, Securable, SecurableName,
    SnapshotParts,
};
use polder_types::{
    KeyId, Namespace, NamespaceId, PolicyId, PrincipalId, QualifiedName, RelationId, Result, RoleId, TableIdent,
    TenantId, WarehouseId,
};
use uuid::Uuid;

use crate::{
    Store,
    db::{Row, Session, sql},
    namespaces::{namespace_of, path_of},
    principals::kind_of,
};

const SNAPSHOTS_MAX: u64 = 10_000;

type Flight = Arc<tokio::sync::Mutex<()>>;
type Bound = BTreeMap<RelationId, BTreeMap<Vec<String>, BTreeSet<i32>>>;

pub(crate) struct Snapshots {
    kept: Cache<TenantId, Arc<PolicySnapshot>>,
    flights: Cache<TenantId, Flight>,
    keeping: Mutex<()>,
}

impl Snapshots {
    pub(crate) fn new() -> Self {
        Self { kept: Cache::new(SNAPSHOTS_MAX), flights: Cache::new(SNAPSHOTS_MAX), keeping: Mutex::new(()) }
    }

    fn at_least(&self, tenant: &TenantId, version: i64) -> Option<Arc<PolicySnapshot>> {
        self.kept.get(tenant).filter(|snapshot| snapshot.version() >= version)
    }

    /// Keeps a snapshot unless a newer one is there; answers the newer of both.
    fn keep(&self, snapshot: Arc<PolicySnapshot>) -> Arc<PolicySnapshot> {
        let _keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(newer) = self.at_least(snapshot.tenant(), snapshot.version()) {
            return newer;
        }
        self.kept.insert(snapshot.tenant().clone(), snapshot.clone());
        snapshot
    }
}

impl Store {
    /// The tenant's policy snapshot as of now, on whatever node it was changed.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn policy_snapshot(&self, tenant: &TenantId) -> Result<Option<Arc<PolicySnapshot>>> {
        match self.resolve_tenant(tenant).await? {
            Some(row) => self.snapshot_at_least(tenant, row.version).await,
            None => Ok(None),
        }
    }

    /// The tenant's policy snapshot, at least as new as every row that this process has read: each statement that finds
    /// a row brings the version beside it, so nothing is asked again.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn newest_snapshot(&self, tenant: &TenantId) -> Result<Option<Arc<PolicySnapshot>>> {
        match self.caches().tenants.get(tenant) {
            Some(row) => self.snapshot_at_least(tenant, row.version).await,
            None => self.policy_snapshot(tenant).await,
        }
    }

    pub(crate) async fn snapshot_at_least(
        &self,
        tenant: &TenantId,
        version: i64,
    ) -> Result<Option<Arc<PolicySnapshot>>> {
        if let Some(snapshot) = self.snapshots().at_least(tenant, version) {
            return Ok(Some(snapshot));
        }
        let flight = self.snapshots().flights.get_with(tenant.clone(), Flight::default);
        let _flight = flight.lock().await;
        if let Some(snapshot) = self.snapshots().at_least(tenant, version) {
            return Ok(Some(snapshot));
        }
        // In a box: it is seldom, and would be part of the state of every request, which is moved.
        let read = Box::pin(async { load(&mut self.read_together().await?, tenant).await });
        let Some(parts) = read.await? else {
            return Ok(None);
        };
        Ok(Some(self.snapshots().keep(Arc::new(PolicySnapshot::new(parts)))))
    }
}

async fn load(session: &mut Session, tenant: &TenantId) -> Result<Option<SnapshotParts>> {
    let Some(row) = session.row(sql("SELECT version, operator FROM tenants WHERE id = $1").bind(tenant)).await? else {
        return Ok(None);
    };
    Ok(Some(SnapshotParts {
        tenant: tenant.clone(),
        version: row.int(0)?,
        operator: row.get(1)?,
        principals: principals(session, tenant).await?,
        keys: keys(session, tenant).await?,
        roles: roles(session, tenant).await?,
        impersonations: impersonations(session, tenant).await?,
        grants: grants(session, tenant).await?,
        restrictions: restrictions(session, tenant).await?,
    }))
}

async fn principals(session: &mut Session, tenant: &TenantId) -> Result<Vec<PrincipalRecord>> {
    let query = sql("SELECT principal_id, role_id FROM principal_roles WHERE tenant_id = $1");
    let mut roles: HashMap<Uuid, Vec<RoleId>> = HashMap::new();
    for row in session.rows(query.bind(tenant)).await? {
        roles.entry(row.uuid(0)?).or_default().push(RoleId(row.uuid(1)?));
    }
    let query = sql("SELECT id, name, kind, enabled, attributes FROM principals WHERE tenant_id = $1");
    let rows = session.rows(query.bind(tenant)).await?;
    let record = |row: &Row| {
        let id = row.uuid(0)?;
        Ok(PrincipalRecord {
            id: PrincipalId(id),
            name: row.text(1)?.into(),
            kind: kind_of(&row.text(2)?)?,
            enabled: row.get(3)?,
            roles: roles.remove(&id).unwrap_or_default(),
            attributes: Arc::new(row.json(4)?),
        })
    };
    rows.iter().map(record).collect()
}

async fn keys(session: &mut Session, tenant: &TenantId) -> Result<Vec<KeyRecord>> {
    let query =
        sql("SELECT id, principal_id, scopes, expires_at FROM api_keys WHERE tenant_id = $1 AND revoked_at IS NULL");
    let rows = session.rows(query.bind(tenant)).await?;
    let record = |row: &Row| {
        Ok(KeyRecord {
            id: row.parse::<KeyId>(0)?,
            principal: PrincipalId(row.uuid(1)?),
            scopes: row.parse(2)?,
            expires_at: row.get::<Option<i64>>(3)?.map(polder_types::Micros),
        })
    };
    rows.iter().map(record).collect()
}

async fn roles(session: &mut Session, tenant: &TenantId) -> Result<Vec<RoleRecord>> {
    let rows = session.rows(sql("SELECT id, name FROM roles WHERE tenant_id = $1").bind(tenant)).await?;
    rows.iter().map(|row| Ok(RoleRecord { id: RoleId(row.uuid(0)?), name: row.text(1)?.into() })).collect()
}

async fn impersonations(session: &mut Session, tenant: &TenantId) -> Result<Vec<(RoleId, RoleId)>> {
    let query = sql("SELECT role_id, subject_role_id FROM impersonations WHERE tenant_id = $1");
    let rows = session.rows(query.bind(tenant)).await?;
    rows.iter().map(|row| Ok((RoleId(row.uuid(0)?), RoleId(row.uuid(1)?)))).collect()
}

async fn grants(session: &mut Session, tenant: &TenantId) -> Result<Vec<Grant>> {
    let query = sql("SELECT grant_id, on_kind, on_id FROM grant_bindings WHERE tenant_id = $1");
    let mut also_on: HashMap<Uuid, Vec<Securable>> = HashMap::new();
    for row in session.rows(query.bind(tenant)).await? {
        also_on.entry(row.uuid(0)?).or_default().push(securable(&row, 1)?);
    }
    // A table's parents are those of its namespace now; the ids of a namespace's levels are in its path.
    let query = sql("SELECT g.id, g.on_kind, g.on_id, g.role_id, g.effect, g.privilege, \
                g.on_warehouse, g.on_namespace, g.on_table, COALESCE(n.warehouse_id, r.warehouse_id), \
                COALESCE(n.path, rn.path) \
         FROM grants g \
         LEFT JOIN relations r ON g.on_kind = 'table' AND r.tenant_id = g.tenant_id AND r.id = g.on_id \
         LEFT JOIN namespaces rn ON rn.tenant_id = r.tenant_id AND rn.id = r.namespace_id \
         LEFT JOIN namespaces n ON g.on_kind = 'namespace' AND n.tenant_id = g.tenant_id AND n.id = g.on_id \
         WHERE g.tenant_id = $1");
    let rows = session.rows(query.bind(tenant)).await?;
    let grant = |row: &Row| {
        let effect = effect_of(&row.text(4)?)?;
        Ok(Grant {
            role: RoleId(row.uuid(3)?),
            effect,
            privilege: row.parse(5)?,
            on: securable(row, 1)?,
            within: within(row)?,
            also_on: also_on.remove(&row.uuid(0)?).unwrap_or_default(),
            name: if effect == Effect::Deny { name_of(row)? } else { None },
        })
    };
    rows.iter().map(grant).collect()
}

pub(crate) fn effect_of(text: &str) -> Result<Effect> {
    match text {
        "allow" => Ok(Effect::Allow),
        "deny" => Ok(Effect::Deny),
        _ => Err(polder_types::Error::internal("unknown effect in the database")),
    }
}

/// Reads kind and id from two neighbouring columns.
pub(crate) fn securable(row: &Row, column: usize) -> Result<Securable> {
    let id = row.uuid(column + 1)?;
    match row.text(column)?.as_str() {
        "tenant" => Ok(Securable::Tenant),
        "warehouse" => Ok(Securable::Warehouse(WarehouseId(id))),
        "namespace" => Ok(Securable::Namespace(NamespaceId(id))),
        "table" => Ok(Securable::Table(RelationId(id))),
        _ => Err(polder_types::Error::internal("unknown kind of object in the database")),
    }
}

/// The parents of what a grant is on, innermost first.
fn within(row: &Row) -> Result<Vec<Securable>> {
    let mut parents = Vec::new();
    let on = securable(row, 1)?;
    if let Some(path) = row.get::<Option<Vec<u8>>>(10)? {
        parents.extend(path_of(&path).into_iter().rev().map(Securable::Namespace).filter(|parent| *parent != on));
    }
    if let Some(warehouse) = row.get::<Option<Uuid>>(9)? {
        parents.push(Securable::Warehouse(WarehouseId(warehouse)));
    }
    if on != Securable::Tenant {
        parents.push(Securable::Tenant);
    }
    Ok(parents)
}

fn name_of(row: &Row) -> Result<Option<SecurableName>> {
    let (namespace, table): (Option<String>, Option<String>) = (row.get(7)?, row.get(8)?);
    let Some(warehouse) = row.get::<Option<String>>(6)? else {
        return Ok(None);
    };
    let warehouse = warehouse.parse()?;
    Ok(Some(match (namespace, table) {
        (None, _) => SecurableName::Warehouse(warehouse),
        (Some(namespace), None) => SecurableName::Namespace(warehouse, namespace_of(&namespace)?),
        (Some(namespace), Some(table)) => {
            let ident = TableIdent::new(namespace_of(&namespace)?, table)?;
            SecurableName::Table(QualifiedName { warehouse, ident })
        }
    }))
}

async fn restrictions(session: &mut Session, tenant: &TenantId) -> Result<Vec<Restriction>> {
    let mut bound: HashMap<PolicyId, Bound> = HashMap::new();
    let query = sql("SELECT policy_id, relation_id FROM policy_relations WHERE tenant_id = $1");
    for row in session.rows(query.bind(tenant)).await? {
        bound.entry(PolicyId(row.uuid(0)?)).or_default().entry(RelationId(row.uuid(1)?)).or_default();
    }
    let query = sql("SELECT policy_id, relation_id, path, field_id FROM policy_fields WHERE tenant_id = $1");
    for row in session.rows(query.bind(tenant)).await? {
        let columns = bound.entry(PolicyId(row.uuid(0)?)).or_default().entry(RelationId(row.uuid(1)?)).or_default();
        columns
            .entry(row.json(2)?)
            .or_default()
            .insert(i32::try_from(row.int(3)?).map_err(polder_types::Error::internal)?);
    }
    let query = sql("SELECT id, name, warehouse, namespace_key, table_name, audience, rule \
                     FROM policies WHERE tenant_id = $1");
    let rows = session.rows(query.bind(tenant)).await?;
    let restriction = |row: &Row| {
        let id = PolicyId(row.uuid(0)?);
        Ok(Restriction {
            id,
            name: row.text(1)?,
            table: qualified(row, 2)?,
            bound: bound.remove(&id).unwrap_or_default(),
            audience: row.json(5)?,
            rule: row.json(6)?,
        })
    };
    rows.iter().map(restriction).collect()
}

/// Reads warehouse name, namespace key and table name from three neighbouring columns.
pub(crate) fn qualified(row: &Row, column: usize) -> Result<QualifiedName> {
    let namespace: Namespace = namespace_of(&row.text(column + 1)?)?;
    Ok(QualifiedName { warehouse: row.parse(column)?, ident: TableIdent::new(namespace, row.text(column + 2)?)? })
}
