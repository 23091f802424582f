//! Policies: row filters, masks and hidden columns as written and as compiled, and what they are bound to (R35).

use std::collections::BTreeSet;

use polder_policy::{Audience, ColumnPath, Permit, PolicySpec, Rule, actions};
use polder_types::{Error, Micros, PolicyId, QualifiedName, RelationId, Result, RoleId, Subject, TenantId};

use crate::{
    AuditDetail, AuditObject, ColumnBinding, Page, PageRequest, Stamp, Store,
    audit::Trail,
    db::{self, Query, Row, sql},
    fresh,
    snapshot::qualified,
    tenants,
    tx::Tx,
};

/// A policy.
#[derive(Clone, Debug)]
pub struct PolicyRow {
    /// Its id.
    pub id: PolicyId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// The name it was set on.
    pub table: QualifiedName,
    /// `row_filter`, `mask` or `hide_column`.
    pub kind: String,
    /// As it was written.
    pub spec: PolicySpec,
    /// Whom it is for.
    pub audience: Audience,
    /// When it was made.
    pub created_at: Micros,
}

/// A policy to be made.
#[derive(Clone, Debug)]
pub struct NewPolicy {
    /// As it was written.
    pub spec: PolicySpec,
    /// The table's name (`spec.table.parse()`).
    pub table: QualifiedName,
    /// What `compile` made of it.
    pub rule: Rule,
    /// Whom it is for (roles by id).
    pub audience: Audience,
    /// The table it was compiled against.
    pub target: PolicyTarget,
}

/// The table that a policy was compiled against.
#[derive(Clone, Debug)]
pub struct PolicyTarget {
    /// Its id.
    pub relation: RelationId,
    /// The document it was compiled against; `Conflict` if the table moved on.
    pub metadata_location: String,
    /// The field ids at the rule's column paths.
    pub fields: Vec<(ColumnPath, i32)>,
}

impl Store {
    /// Makes a policy on a table's name, bound to the table that carries it now.
    ///
    /// # Errors
    /// `AlreadyExists` for a taken name, `NotFound` for a role or the table, `Conflict` if the table changed since
    /// the policy was compiled: compile it again.
    pub async fn create_policy(
        &self,
        permit: &Permit<actions::ManagePolicies>,
        new: NewPolicy,
        stamp: &Stamp,
    ) -> Result<PolicyRow> {
        let (trail, id) = (Trail::of(permit, stamp), PolicyId(fresh::uuid(stamp.now)?));
        self.write("create_policy", move |tx| Box::pin(async move { create(tx, &trail, id, new).await })).await
    }

    /// Deletes a policy and says what it was (R23).
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_policy(
        &self,
        permit: &Permit<actions::ManagePolicies>,
        name: &str,
        stamp: &Stamp,
    ) -> Result<PolicyRow> {
        let (trail, name) = (Trail::of(permit, stamp), name.to_owned());
        self.write("delete_policy", move |tx| Box::pin(async move { delete(tx, &trail, &name).await })).await
    }

    /// Shows a policy as it was written.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn show_policy(&self, permit: &Permit<actions::ListPolicies>, name: &str) -> Result<PolicyRow> {
        let row = self.read().await?.row(select(permit.tenant(), name)).await?;
        row.as_ref().map(policy_row).transpose()?.ok_or_else(|| Error::not_found(Subject::Policy, name))
    }

    /// Lists policies by name.
    ///
    /// # Errors
    /// `Invalid` for a page token of another list.
    pub async fn list_policies(
        &self,
        permit: &Permit<actions::ListPolicies>,
        page: &PageRequest,
    ) -> Result<Page<PolicyRow>> {
        let cursor = self.cursor(permit, "policies", page)?;
        let query = sql("SELECT id, name, warehouse, namespace_key, table_name, rule, spec, audience, created_at \
             FROM policies WHERE tenant_id = $1 AND name > $2 ORDER BY name LIMIT $3");
        let query = query.bind(permit.tenant()).bind(cursor.after.clone().unwrap_or_default()).bind(cursor.limit);
        let rows = self.read().await?.rows(query).await?;
        let rows = rows.iter().map(policy_row).collect::<Result<Vec<_>>>()?;
        self.page(&cursor, rows, |row| row.name.clone())
    }
}

fn select(tenant: &TenantId, name: &str) -> Query {
    sql("SELECT id, name, warehouse, namespace_key, table_name, rule, spec, audience, created_at \
         FROM policies WHERE tenant_id = $1 AND name = $2")
    .bind(tenant)
    .bind(name)
}

fn policy_row(row: &Row) -> Result<PolicyRow> {
    Ok(PolicyRow {
        id: PolicyId(row.uuid(0)?),
        name: row.text(1)?,
        table: qualified(row, 2)?,
        kind: row.json::<Rule>(5)?.kind().to_owned(),
        spec: row.json(6)?,
        audience: row.json(7)?,
        created_at: row.micros(8)?,
    })
}

async fn create(tx: &mut Tx, trail: &Trail, id: PolicyId, new: NewPolicy) -> Result<PolicyRow> {
    tenants::check_and_bump(tx, trail).await?;
    check_target(tx, &trail.tenant, &new).await?;
    let row = PolicyRow {
        id,
        name: new.spec.name.clone(),
        table: new.table,
        kind: new.rule.kind().to_owned(),
        spec: new.spec,
        audience: new.audience,
        created_at: trail.stamp.now,
    };
    insert(tx, trail, &row, &new.rule).await?;
    insert_roles(tx, trail, &row).await?;
    take_over(tx, &trail.tenant, new.target.relation, &row.table).await?;
    let bind = |(path, field)| ColumnBinding { policy: id, path, field };
    let bindings: Vec<ColumnBinding> = new.target.fields.into_iter().map(bind).collect();
    bind_columns(tx, &trail.tenant, new.target.relation, &bindings).await?;
    note(tx, trail, "create_policy", &row, 1).await?;
    Ok(row)
}

async fn insert(tx: &mut Tx, trail: &Trail, row: &PolicyRow, rule: &Rule) -> Result<()> {
    let query = sql("INSERT INTO policies (tenant_id, id, name, warehouse, namespace_key, table_name, spec, rule, \
             audience, version, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10) ON CONFLICT DO NOTHING");
    let query = query
        .bind(&trail.tenant)
        .bind(row.id)
        .bind(row.name.as_str())
        .bind(&row.table.warehouse)
        .bind(row.table.ident.namespace.key())
        .bind(row.table.ident.name.as_str())
        .bind(db::json(&row.spec)?)
        .bind(db::json(rule)?)
        .bind(db::json(&row.audience)?)
        .bind(row.created_at);
    match tx.execute(query).await? {
        0 => Err(Error::already_exists(Subject::Policy, &row.name)),
        _ => Ok(()),
    }
}

/// SECURITY: the rule was checked against this document of this table under this name; anything else could bind
/// it to the wrong columns.
async fn check_target(tx: &mut Tx, tenant: &TenantId, new: &NewPolicy) -> Result<()> {
    let query = sql("SELECT r.metadata_location FROM relations r \
         JOIN namespaces n ON n.tenant_id = r.tenant_id AND n.id = r.namespace_id \
         JOIN warehouses w ON w.tenant_id = r.tenant_id AND w.id = r.warehouse_id \
         WHERE r.tenant_id = $1 AND r.id = $2 AND w.name = $3 AND n.name_key = $4 AND r.name = $5");
    let query = query
        .bind(tenant)
        .bind(new.target.relation)
        .bind(&new.table.warehouse)
        .bind(new.table.ident.namespace.key())
        .bind(new.table.ident.name.as_str());
    let absent = || Error::not_found(Subject::Table, &new.table.ident.to_string());
    let stands = tx.row(query).await?.ok_or_else(absent)?.text(0)?;
    if stands != new.target.metadata_location {
        return Err(Error::conflict("table_changed", "the table changed while the policy was made; try again"));
    }
    Ok(())
}

async fn insert_roles(tx: &mut Tx, trail: &Trail, row: &PolicyRow) -> Result<()> {
    let Audience::Roles(roles) = &row.audience else {
        return Ok(());
    };
    for role in roles.iter().collect::<BTreeSet<&RoleId>>() {
        let query = sql("INSERT INTO policy_roles (tenant_id, policy_id, role_id) \
             SELECT tenant_id, $2, id FROM roles WHERE tenant_id = $1 AND id = $3");
        if tx.execute(query.bind(&trail.tenant).bind(row.id).bind(*role)).await? == 0 {
            return Err(Error::not_found(Subject::Role, &role.to_string()));
        }
    }
    Ok(())
}

async fn delete(tx: &mut Tx, trail: &Trail, name: &str) -> Result<PolicyRow> {
    tenants::check_and_bump(tx, trail).await?;
    let absent = || Error::not_found(Subject::Policy, name);
    let row = policy_row(&tx.row(select(&trail.tenant, name)).await?.ok_or_else(absent)?)?;
    tx.execute(sql("DELETE FROM policies WHERE tenant_id = $1 AND id = $2").bind(&trail.tenant).bind(row.id)).await?;
    note(tx, trail, "delete_policy", &row, 2).await?;
    Ok(row)
}

async fn note(tx: &mut Tx, trail: &Trail, action: &'static str, row: &PolicyRow, version: i64) -> Result<()> {
    let detail = AuditDetail::Policy { policy: row.id, kind: row.kind.clone(), table: row.table.to_string() };
    trail.note(tx, action, AuditObject::new(Subject::Policy, row.id, row.name.as_str(), version), detail).await
}

/// Binds every policy on a name to the table that now carries it. The number of new bindings.
pub(crate) async fn take_over(tx: &mut Tx, tenant: &TenantId, id: RelationId, name: &QualifiedName) -> Result<u64> {
    let query = sql("INSERT INTO policy_relations (tenant_id, policy_id, relation_id) \
         SELECT tenant_id, id, $2 FROM policies \
         WHERE tenant_id = $1 AND warehouse = $3 AND namespace_key = $4 AND table_name = $5 ON CONFLICT DO NOTHING");
    let query = query
        .bind(tenant)
        .bind(id)
        .bind(&name.warehouse)
        .bind(name.ident.namespace.key())
        .bind(name.ident.name.as_str());
    tx.execute(query).await
}

/// Binds policies to the field ids that stand at the columns they read. The number of new bindings.
pub(crate) async fn bind_columns(
    tx: &mut Tx,
    tenant: &TenantId,
    id: RelationId,
    bindings: &[ColumnBinding],
) -> Result<u64> {
    let mut bound = 0;
    for binding in bindings {
        // Only a policy of this tenant that covers the relation is bound: anything else is no row here.
        let query = sql("INSERT INTO policy_fields (tenant_id, policy_id, relation_id, path, field_id) \
             SELECT tenant_id, policy_id, relation_id, $4, $5 FROM policy_relations \
             WHERE tenant_id = $1 AND policy_id = $2 AND relation_id = $3 ON CONFLICT DO NOTHING");
        let query = query.bind(tenant).bind(binding.policy).bind(id).bind(db::json(&binding.path)?).bind(binding.field);
        bound += tx.execute(query).await?;
    }
    Ok(bound)
}
