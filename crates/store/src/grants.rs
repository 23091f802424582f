//! Grants. An allow dies with its object (R19); a deny stands on the name and binds to every id that carries it (R35).

use polder_policy::{Effect, NamespaceRef, Permit, Privilege, Securable, TableRef, WarehouseRef, actions};
use polder_types::{Error, Micros, Namespace, Result, RoleId, Subject, TenantId, WarehouseName};
use uuid::Uuid;

use crate::{
    AuditDetail, AuditObject, Page, PageRequest, Stamp, Store,
    audit::Trail,
    db::{Row, sql},
    fresh,
    namespaces::namespace_of,
    roles,
    snapshot::{effect_of, securable},
    tenants,
    tx::Tx,
};

/// What a grant is set on, resolved.
#[derive(Clone, Debug)]
pub enum GrantTarget {
    /// The whole tenant.
    Tenant,
    /// A warehouse.
    Warehouse(WarehouseRef),
    /// A namespace.
    Namespace(NamespaceRef),
    /// A table.
    Table(TableRef),
}

impl GrantTarget {
    fn kind(&self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Warehouse(_) => "warehouse",
            Self::Namespace(_) => "namespace",
            Self::Table(_) => "table",
        }
    }

    fn id(&self) -> Uuid {
        match self {
            Self::Tenant => Uuid::nil(),
            Self::Warehouse(warehouse) => warehouse.id.0,
            Self::Namespace(namespace) => namespace.id().0,
            Self::Table(table) => table.id.0,
        }
    }

    fn securable(&self) -> Securable {
        match self {
            Self::Tenant => Securable::Tenant,
            Self::Warehouse(warehouse) => Securable::Warehouse(warehouse.id),
            Self::Namespace(namespace) => Securable::Namespace(namespace.id()),
            Self::Table(table) => Securable::Table(table.id),
        }
    }

    fn warehouse(&self) -> Option<&WarehouseName> {
        match self {
            Self::Tenant => None,
            Self::Warehouse(warehouse) => Some(&warehouse.name),
            Self::Namespace(namespace) => Some(&namespace.warehouse.name),
            Self::Table(table) => Some(&table.namespace.warehouse.name),
        }
    }

    fn namespace(&self) -> Option<&Namespace> {
        match self {
            Self::Tenant | Self::Warehouse(_) => None,
            Self::Namespace(namespace) => Some(&namespace.name),
            Self::Table(table) => Some(&table.namespace.name),
        }
    }

    fn table(&self) -> Option<&str> {
        match self {
            Self::Table(table) => Some(&table.name),
            _ => None,
        }
    }
}

/// Grants to be made, one for each privilege.
#[derive(Clone, Debug)]
pub struct NewGrants {
    /// The role's name.
    pub role: String,
    /// Allow or deny.
    pub effect: Effect,
    /// The privileges.
    pub privileges: Vec<Privilege>,
    /// The object.
    pub on: GrantTarget,
}

/// A grant.
#[derive(Clone, Debug)]
pub struct GrantRow {
    /// Its id.
    pub id: Uuid,
    /// The role.
    pub role: RoleId,
    /// The role's name.
    pub role_name: String,
    /// Allow or deny.
    pub effect: Effect,
    /// The privilege.
    pub privilege: Privilege,
    /// The object by id.
    pub on: Securable,
    /// The object's warehouse, by its name now (a deny whose object is gone: by the name it was set on).
    pub warehouse: Option<WarehouseName>,
    /// The object's namespace.
    pub namespace: Option<Namespace>,
    /// The object's name, if it is a table.
    pub table: Option<String>,
    /// When it was made.
    pub created_at: Micros,
}

impl Store {
    /// Makes grants, all or none.
    ///
    /// # Errors
    /// `NotFound` for the role or the object, `AlreadyExists` if one of them is there.
    pub async fn add_grants(
        &self,
        permit: &Permit<actions::ManageAccess>,
        new: NewGrants,
        stamp: &Stamp,
    ) -> Result<Vec<GrantRow>> {
        let trail = Trail::of(permit, stamp);
        self.write("add_grants", move |tx| Box::pin(async move { add(tx, &trail, &new).await })).await
    }

    /// Removes a grant and says what it was (R23).
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn remove_grant(
        &self,
        permit: &Permit<actions::ManageAccess>,
        id: Uuid,
        stamp: &Stamp,
    ) -> Result<GrantRow> {
        let trail = Trail::of(permit, stamp);
        self.write("remove_grant", move |tx| Box::pin(async move { remove(tx, &trail, id).await })).await
    }

    /// Lists grants by id.
    ///
    /// # Errors
    /// `Invalid` for a page token of another list.
    pub async fn list_grants(
        &self,
        permit: &Permit<actions::ListAccess>,
        page: &PageRequest,
    ) -> Result<Page<GrantRow>> {
        let cursor = self.cursor(permit, "grants", page)?;
        let after = cursor.after.as_deref().and_then(|id| id.parse().ok()).unwrap_or(Uuid::nil());
        let query = select(permit.tenant()).bind(None::<Uuid>).bind(after).bind(cursor.limit);
        let rows = self.read().await?.rows(query).await?;
        let rows = rows.iter().map(grant_row).collect::<Result<Vec<_>>>()?;
        self.page(&cursor, rows, |row| row.id.to_string())
    }
}

/// `$2` one id or null, `$3` after this id, `$4` most rows.
fn select(tenant: &TenantId) -> crate::db::Query {
    sql("SELECT g.id, g.role_id, ro.name, g.effect, g.privilege, g.on_kind, g.on_id, \
            COALESCE(w.name, g.on_warehouse), COALESCE(n.name_key, g.on_namespace), COALESCE(r.name, g.on_table), \
            g.created_at \
         FROM grants g \
         JOIN roles ro ON ro.tenant_id = g.tenant_id AND ro.id = g.role_id \
         LEFT JOIN relations r ON g.on_kind = 'table' AND r.tenant_id = g.tenant_id AND r.id = g.on_id \
         LEFT JOIN namespaces n ON n.tenant_id = g.tenant_id AND n.id = COALESCE(r.namespace_id, g.on_id) \
         LEFT JOIN warehouses w ON w.tenant_id = g.tenant_id AND w.id = COALESCE(n.warehouse_id, g.on_id) \
         WHERE g.tenant_id = $1 AND ($2 IS NULL OR g.id = $2) AND g.id > $3 ORDER BY g.id LIMIT $4")
    .bind(tenant)
}

fn grant_row(row: &Row) -> Result<GrantRow> {
    Ok(GrantRow {
        id: row.uuid(0)?,
        role: RoleId(row.uuid(1)?),
        role_name: row.text(2)?,
        effect: effect_of(&row.text(3)?)?,
        privilege: row.parse(4)?,
        on: securable(row, 5)?,
        warehouse: row.get::<Option<String>>(7)?.map(|name| name.parse()).transpose()?,
        namespace: row.get::<Option<String>>(8)?.map(|key| namespace_of(&key)).transpose()?,
        table: row.get(9)?,
        created_at: row.micros(10)?,
    })
}

async fn add(tx: &mut Tx, trail: &Trail, new: &NewGrants) -> Result<Vec<GrantRow>> {
    tenants::check_and_bump(tx, trail).await?;
    let role = roles::select(tx, &trail.tenant, &new.role).await?;
    check_target(tx, &trail.tenant, &new.on).await?;
    let mut rows = Vec::with_capacity(new.privileges.len());
    for privilege in &new.privileges {
        let row = GrantRow {
            id: fresh::uuid(trail.stamp.now)?,
            role: role.id,
            role_name: role.name.clone(),
            effect: new.effect,
            privilege: *privilege,
            on: new.on.securable(),
            warehouse: new.on.warehouse().cloned(),
            namespace: new.on.namespace().cloned(),
            table: new.on.table().map(str::to_owned),
            created_at: trail.stamp.now,
        };
        insert(tx, trail, &row, &new.on).await?;
        rows.push(row);
    }
    Ok(rows)
}

/// Writes one grant and its record.
pub(crate) async fn insert(tx: &mut Tx, trail: &Trail, row: &GrantRow, on: &GrantTarget) -> Result<()> {
    let query = sql("INSERT INTO grants (tenant_id, id, role_id, effect, privilege, on_kind, on_id, on_warehouse, \
             on_namespace, on_table, version, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11) ON CONFLICT DO NOTHING");
    let query = query
        .bind(&trail.tenant)
        .bind(row.id)
        .bind(row.role)
        .bind(row.effect.as_str())
        .bind(row.privilege.as_str())
        .bind(on.kind())
        .bind(on.id())
        .bind(row.warehouse.as_ref())
        .bind(row.namespace.as_ref().map(Namespace::key))
        .bind(row.table.clone())
        .bind(row.created_at);
    if tx.execute(query).await? == 0 {
        let (effect, privilege) = (row.effect.as_str(), row.privilege.as_str());
        return Err(Error::already_exists(Subject::Grant, &format!("{effect} {privilege} for role {}", row.role_name)));
    }
    let detail = AuditDetail::Grant {
        role: row.role,
        effect: row.effect.as_str(),
        privilege: row.privilege.as_str(),
        on: on.kind().to_owned(),
        on_id: on.id(),
    };
    trail.note(tx, "add_grant", AuditObject::new(Subject::Grant, row.id, row.role_name.as_str(), 1), detail).await
}

/// SECURITY: a grant is set on what is there now, in this tenant, under this name.
async fn check_target(tx: &mut Tx, tenant: &TenantId, on: &GrantTarget) -> Result<()> {
    let (subject, name, query) = match on {
        GrantTarget::Tenant => return Ok(()),
        GrantTarget::Warehouse(warehouse) => {
            let query = sql("SELECT 1 FROM warehouses WHERE tenant_id = $1 AND id = $2 AND name = $3");
            (
                Subject::Warehouse,
                warehouse.name.to_string(),
                query.bind(tenant).bind(warehouse.id).bind(&warehouse.name),
            )
        }
        GrantTarget::Namespace(namespace) => {
            let query = sql("SELECT 1 FROM namespaces WHERE tenant_id = $1 AND id = $2 AND name_key = $3");
            let query = query.bind(tenant).bind(namespace.id()).bind(namespace.name.key());
            (Subject::Namespace, namespace.name.to_string(), query)
        }
        GrantTarget::Table(table) => {
            let query =
                sql("SELECT 1 FROM relations WHERE tenant_id = $1 AND id = $2 AND name = $3 AND namespace_id = $4");
            let query = query.bind(tenant).bind(table.id).bind(table.name.as_ref()).bind(table.namespace.id());
            (Subject::Table, table.ident().to_string(), query)
        }
    };
    match tx.row(query).await? {
        Some(_) => Ok(()),
        None => Err(Error::not_found(subject, &name)),
    }
}

async fn remove(tx: &mut Tx, trail: &Trail, id: Uuid) -> Result<GrantRow> {
    tenants::check_and_bump(tx, trail).await?;
    let query = select(&trail.tenant).bind(id).bind(Uuid::nil()).bind(1_i64);
    let found = tx.row(query).await?.ok_or_else(|| Error::not_found(Subject::Grant, &id.to_string()))?;
    let row = grant_row(&found)?;
    let query = sql("DELETE FROM grants WHERE tenant_id = $1 AND id = $2");
    tx.execute(query.bind(&trail.tenant).bind(id)).await?;
    let detail = AuditDetail::Grant {
        role: row.role,
        effect: row.effect.as_str(),
        privilege: row.privilege.as_str(),
        on: found.text(5)?,
        on_id: found.uuid(6)?,
    };
    trail.note(tx, "remove_grant", AuditObject::new(Subject::Grant, id, row.role_name.as_str(), 2), detail).await?;
    Ok(row)
}

/// Removes the allows on an object that goes away, and the bindings of denies to it. The number of allows.
pub(crate) async fn die_with(tx: &mut Tx, trail: &Trail, kind: &str, id: Uuid, subject: Subject) -> Result<usize> {
    let query = sql("DELETE FROM grant_bindings WHERE tenant_id = $1 AND on_kind = $2 AND on_id = $3");
    tx.execute(query.bind(&trail.tenant).bind(kind).bind(id)).await?;
    let query = sql("DELETE FROM grants WHERE tenant_id = $1 AND on_kind = $2 AND on_id = $3 AND effect = 'allow' \
         RETURNING id, version, (SELECT name FROM roles r WHERE r.tenant_id = $1 AND r.id = role_id)");
    let rows = tx.rows(query.bind(&trail.tenant).bind(kind).bind(id)).await?;
    note_removed(tx, trail, &rows, subject, id).await
}

/// Removes a role's grants. The number of them.
pub(crate) async fn delete_of_role(tx: &mut Tx, trail: &Trail, role: RoleId) -> Result<usize> {
    let query = sql("DELETE FROM grants WHERE tenant_id = $1 AND role_id = $2 \
         RETURNING id, version, (SELECT name FROM roles r WHERE r.tenant_id = $1 AND r.id = role_id)");
    let rows = tx.rows(query.bind(&trail.tenant).bind(role)).await?;
    note_removed(tx, trail, &rows, Subject::Role, role.0).await
}

async fn note_removed(tx: &mut Tx, trail: &Trail, rows: &[Row], with: Subject, with_id: Uuid) -> Result<usize> {
    for row in rows {
        let object = AuditObject::new(Subject::Grant, row.uuid(0)?, row.text(2)?, row.int(1)? + 1);
        let detail = AuditDetail::With { subject: with.noun(), id: with_id.to_string() };
        trail.note(tx, "remove_grant", object, detail).await?;
    }
    Ok(rows.len())
}

/// Binds the denies that stand on a name to the object that now carries it. The number of new bindings.
pub(crate) async fn take_over(
    tx: &mut Tx,
    tenant: &TenantId,
    kind: &str,
    id: Uuid,
    warehouse: &WarehouseName,
    inside: Option<(&str, Option<&str>)>,
) -> Result<u64> {
    let query = sql("INSERT INTO grant_bindings (tenant_id, grant_id, on_kind, on_id) \
         SELECT tenant_id, id, $2, $3 FROM grants \
         WHERE tenant_id = $1 AND effect = 'deny' AND on_kind = $2 AND on_id <> $3 AND on_warehouse = $4 \
            AND on_namespace IS NOT DISTINCT FROM $5 AND on_table IS NOT DISTINCT FROM $6 \
         ON CONFLICT DO NOTHING");
    let query = query
        .bind(tenant)
        .bind(kind)
        .bind(id)
        .bind(warehouse)
        .bind(inside.map(|(namespace, _)| namespace))
        .bind(inside.and_then(|(_, table)| table));
    tx.execute(query).await
}
