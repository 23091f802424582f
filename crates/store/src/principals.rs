//! Principals: users and services of a tenant.

use std::collections::BTreeMap;

use polder_policy::{Permit, actions};
use polder_types::{Attribute, Error, Micros, PrincipalId, PrincipalKind, Result, Subject, TenantId};

use crate::{
    AuditDetail, AuditObject, Page, PageRequest, Stamp, Store,
    audit::Trail,
    db::{self, Query, Row, Session, sql},
    fresh, keys, tenants,
    tx::Tx,
};

/// A principal.
#[derive(Clone, Debug)]
pub struct PrincipalRow {
    /// Its id.
    pub id: PrincipalId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// Person or program.
    pub kind: PrincipalKind,
    /// False: its keys and tokens do not work.
    pub enabled: bool,
    /// For row filters and masks.
    pub attributes: BTreeMap<String, Attribute>,
    /// The names of its roles, sorted.
    pub roles: Vec<String>,
    /// Grows with every change of the row.
    pub version: i64,
    /// When it was made.
    pub created_at: Micros,
}

/// A principal to be made.
#[derive(Clone, Debug)]
pub struct NewPrincipal {
    /// Its name.
    pub name: String,
    /// Person or program.
    pub kind: PrincipalKind,
    /// Attributes.
    pub attributes: BTreeMap<String, Attribute>,
}

impl Store {
    /// Makes a principal without roles.
    ///
    /// # Errors
    /// `AlreadyExists`, `Invalid` for a bad name.
    pub async fn create_principal(
        &self,
        permit: &Permit<actions::ManageAccess>,
        new: NewPrincipal,
        stamp: &Stamp,
    ) -> Result<PrincipalRow> {
        let trail = Trail::of(permit, stamp);
        self.write("create_principal", move |tx| {
            Box::pin(async move {
                tenants::check_and_bump(tx, &trail).await?;
                create(tx, &trail, new).await
            })
        })
        .await
    }

    /// Changes a principal; `None` leaves a part as it is.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn update_principal(
        &self,
        permit: &Permit<actions::ManageAccess>,
        name: &str,
        enabled: Option<bool>,
        attributes: Option<BTreeMap<String, Attribute>>,
        stamp: &Stamp,
    ) -> Result<PrincipalRow> {
        let (trail, name) = (Trail::of(permit, stamp), name.to_owned());
        self.write("update_principal", move |tx| {
            Box::pin(async move { update(tx, &trail, &name, enabled, attributes).await })
        })
        .await
    }

    /// Deletes a principal with its keys.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_principal(
        &self,
        permit: &Permit<actions::ManageAccess>,
        name: &str,
        stamp: &Stamp,
    ) -> Result<()> {
        let (trail, name) = (Trail::of(permit, stamp), name.to_owned());
        self.write("delete_principal", move |tx| Box::pin(async move { delete(tx, &trail, &name).await })).await
    }

    /// Shows a principal with its roles.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn show_principal(&self, permit: &Permit<actions::ListAccess>, name: &str) -> Result<PrincipalRow> {
        select(&mut self.read().await?, permit.tenant(), name).await
    }

    /// Lists principals by name.
    ///
    /// # Errors
    /// `Invalid` for a page token of another list.
    pub async fn list_principals(
        &self,
        permit: &Permit<actions::ListAccess>,
        page: &PageRequest,
    ) -> Result<Page<PrincipalRow>> {
        let cursor = self.cursor(permit, "principals", page)?;
        let after = cursor.after.clone().unwrap_or_default();
        let query = query(permit.tenant()).bind(None::<String>).bind(after).bind(cursor.limit);
        let rows = self.read().await?.rows(query).await?;
        let rows = rows.iter().map(principal_row).collect::<Result<Vec<_>>>()?;
        self.page(&cursor, rows, |row| row.name.clone())
    }
}

/// `$2` one name or null, `$3` after this name, `$4` most rows.
fn query(tenant: &TenantId) -> Query {
    let query = sql! {
        sqlite: "SELECT id, name, kind, enabled, attributes, version, created_at, \
                (SELECT json_group_array(r.name) FROM principal_roles pr \
                    JOIN roles r ON r.tenant_id = pr.tenant_id AND r.id = pr.role_id \
                    WHERE pr.tenant_id = p.tenant_id AND pr.principal_id = p.id) \
            FROM principals p WHERE tenant_id = $1 AND ($2 IS NULL OR name = $2) AND name > $3 ORDER BY name LIMIT $4",
        postgres: "SELECT id, name, kind, enabled, attributes, version, created_at, \
                (SELECT COALESCE(json_agg(r.name), '[]')::text FROM principal_roles pr \
                    JOIN roles r ON r.tenant_id = pr.tenant_id AND r.id = pr.role_id \
                    WHERE pr.tenant_id = p.tenant_id AND pr.principal_id = p.id) \
            FROM principals p WHERE tenant_id = $1 AND ($2 IS NULL OR name = $2) AND name > $3 ORDER BY name LIMIT $4",
    };
    query.bind(tenant)
}

fn principal_row(row: &Row) -> Result<PrincipalRow> {
    let mut roles: Vec<String> = row.json(7)?;
    roles.sort_unstable();
    Ok(PrincipalRow {
        id: PrincipalId(row.uuid(0)?),
        name: row.text(1)?,
        kind: kind_of(&row.text(2)?)?,
        enabled: row.get(3)?,
        attributes: row.json(4)?,
        roles,
        version: row.int(5)?,
        created_at: row.micros(6)?,
    })
}

/// Reads the kind of a principal back.
pub(crate) fn kind_of(word: &str) -> Result<PrincipalKind> {
    let known = [PrincipalKind::User, PrincipalKind::Service].into_iter().find(|kind| kind.as_str() == word);
    known.ok_or_else(|| Error::internal("unknown kind of principal in the database"))
}

/// Reads one principal by name.
pub(crate) async fn select(session: &mut Session, tenant: &TenantId, name: &str) -> Result<PrincipalRow> {
    let row = session.row(query(tenant).bind(name).bind("").bind(1_i64)).await?;
    principal_row(&row.ok_or_else(|| Error::not_found(Subject::Principal, name))?)
}

pub(crate) async fn create(tx: &mut Tx, trail: &Trail, new: NewPrincipal) -> Result<PrincipalRow> {
    polder_types::check_name(&new.name).map_err(|error| error.about(Subject::Principal))?;
    let row = PrincipalRow {
        id: PrincipalId(fresh::uuid(trail.stamp.now)?),
        name: new.name,
        kind: new.kind,
        enabled: true,
        attributes: new.attributes,
        roles: Vec::new(),
        version: 1,
        created_at: trail.stamp.now,
    };
    insert(tx, trail, &row).await?;
    note(tx, trail, "create_principal", &row).await?;
    Ok(row)
}

/// Writes the row alone; whoever calls it writes the record.
pub(crate) async fn insert(tx: &mut Tx, trail: &Trail, row: &PrincipalRow) -> Result<()> {
    let query = sql("INSERT INTO principals (tenant_id, id, name, kind, enabled, attributes, version, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING");
    let query = query
        .bind(&trail.tenant)
        .bind(row.id)
        .bind(row.name.as_str())
        .bind(row.kind.as_str())
        .bind(row.enabled)
        .bind(db::json(&row.attributes)?)
        .bind(row.version)
        .bind(row.created_at);
    match tx.execute(query).await? {
        0 => Err(Error::already_exists(Subject::Principal, &row.name)),
        _ => Ok(()),
    }
}

/// Writes the record of a principal's version.
pub(crate) async fn note(tx: &mut Tx, trail: &Trail, action: &'static str, row: &PrincipalRow) -> Result<()> {
    let object = AuditObject::new(Subject::Principal, row.id, row.name.as_str(), row.version);
    trail.note(tx, action, object, AuditDetail::Principal { enabled: row.enabled }).await
}

async fn update(
    tx: &mut Tx,
    trail: &Trail,
    name: &str,
    enabled: Option<bool>,
    attributes: Option<BTreeMap<String, Attribute>>,
) -> Result<PrincipalRow> {
    tenants::check_and_bump(tx, trail).await?;
    let mut row = select(tx, &trail.tenant, name).await?;
    row.enabled = enabled.unwrap_or(row.enabled);
    row.attributes = attributes.unwrap_or(row.attributes);
    row.version += 1;
    let query = sql("UPDATE principals SET enabled = $1, attributes = $2, version = $3 \
         WHERE tenant_id = $4 AND id = $5");
    let query = query.bind(row.enabled).bind(db::json(&row.attributes)?).bind(row.version);
    tx.execute(query.bind(&trail.tenant).bind(row.id)).await?;
    note(tx, trail, "update_principal", &row).await?;
    Ok(row)
}

async fn delete(tx: &mut Tx, trail: &Trail, name: &str) -> Result<()> {
    tenants::check_and_bump(tx, trail).await?;
    let mut row = select(tx, &trail.tenant, name).await?;
    keys::delete_of_principal(tx, trail, row.id).await?;
    let query = sql("DELETE FROM principals WHERE tenant_id = $1 AND id = $2");
    tx.execute(query.bind(&trail.tenant).bind(row.id)).await?;
    row.version += 1;
    note(tx, trail, "delete_principal", &row).await
}
