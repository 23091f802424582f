//! Roles: what grants are made to and policies are for.

use polder_policy::{Permit, actions};
use polder_types::{Error, ErrorKind, Micros, PrincipalId, Result, RoleId, Subject, TenantId};

use crate::{
    AuditDetail, AuditObject, Page, PageRequest, Stamp, Store,
    audit::Trail,
    db::{Query, Row, Session, sql},
    fresh, grants, impersonations, principals, tenants,
    tx::Tx,
};

/// A role.
#[derive(Clone, Debug)]
pub struct RoleRow {
    /// Its id.
    pub id: RoleId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// Roles for whose holders its own may act.
    pub impersonates: Vec<String>,
    /// Grows with every change of the row.
    pub version: i64,
    /// When it was made.
    pub created_at: Micros,
}

impl Store {
    /// Makes a role without grants.
    ///
    /// # Errors
    /// `AlreadyExists`, `Invalid` for a bad name.
    pub async fn create_role(
        &self,
        permit: &Permit<actions::ManageAccess>,
        name: &str,
        stamp: &Stamp,
    ) -> Result<RoleRow> {
        let (trail, name) = (Trail::of(permit, stamp), name.to_owned());
        self.write("create_role", move |tx| {
            Box::pin(async move {
                tenants::check_and_bump(tx, &trail).await?;
                create(tx, &trail, name).await
            })
        })
        .await
    }

    /// Deletes a role with its grants and memberships.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` while a policy is for it.
    pub async fn delete_role(&self, permit: &Permit<actions::ManageAccess>, name: &str, stamp: &Stamp) -> Result<()> {
        let (trail, name) = (Trail::of(permit, stamp), name.to_owned());
        self.write("delete_role", move |tx| Box::pin(async move { delete(tx, &trail, &name).await })).await
    }

    /// Gives a role to a principal. False if it had it already.
    ///
    /// # Errors
    /// `NotFound` for either.
    pub async fn assign_role(
        &self,
        permit: &Permit<actions::ManageAccess>,
        role: &str,
        principal: &str,
        stamp: &Stamp,
    ) -> Result<bool> {
        let (trail, role, principal) = (Trail::of(permit, stamp), role.to_owned(), principal.to_owned());
        self.write("assign_role", move |tx| {
            Box::pin(async move {
                tenants::check_and_bump(tx, &trail).await?;
                let role = select(tx, &trail.tenant, &role).await?;
                let principal = principals::select(tx, &trail.tenant, &principal).await?.id;
                assign(tx, &trail, &role, principal).await
            })
        })
        .await
    }

    /// Takes a role from a principal.
    ///
    /// # Errors
    /// `NotFound` for either, and if the principal did not have the role (R23).
    pub async fn unassign_role(
        &self,
        permit: &Permit<actions::ManageAccess>,
        role: &str,
        principal: &str,
        stamp: &Stamp,
    ) -> Result<()> {
        let (trail, role, principal) = (Trail::of(permit, stamp), role.to_owned(), principal.to_owned());
        self.write("unassign_role", move |tx| Box::pin(async move { unassign(tx, &trail, &role, &principal).await }))
            .await
    }

    /// Lists roles by name.
    ///
    /// # Errors
    /// `Invalid` for a page token of another list.
    pub async fn list_roles(&self, permit: &Permit<actions::ListAccess>, page: &PageRequest) -> Result<Page<RoleRow>> {
        let cursor = self.cursor(permit, "roles", page)?;
        let after = cursor.after.clone().unwrap_or_default();
        let query = query(permit.tenant()).bind(None::<String>).bind(after).bind(cursor.limit);
        let rows = self.read().await?.rows(query).await?;
        let rows = rows.iter().map(role_row).collect::<Result<Vec<_>>>()?;
        self.page(&cursor, rows, |row| row.name.clone())
    }
}

/// `$2` one name or null, `$3` after this name, `$4` most rows.
fn query(tenant: &TenantId) -> Query {
    let query = sql! {
        sqlite: "SELECT id, name, version, created_at, \
                (SELECT json_group_array(s.name) FROM impersonations i \
                    JOIN roles s ON s.tenant_id = i.tenant_id AND s.id = i.subject_role_id \
                    WHERE i.tenant_id = r.tenant_id AND i.role_id = r.id) \
            FROM roles r WHERE tenant_id = $1 AND ($2 IS NULL OR name = $2) AND name > $3 ORDER BY name LIMIT $4",
        postgres: "SELECT id, name, version, created_at, \
                (SELECT COALESCE(json_agg(s.name), '[]')::text FROM impersonations i \
                    JOIN roles s ON s.tenant_id = i.tenant_id AND s.id = i.subject_role_id \
                    WHERE i.tenant_id = r.tenant_id AND i.role_id = r.id) \
            FROM roles r WHERE tenant_id = $1 AND ($2 IS NULL OR name = $2) AND name > $3 ORDER BY name LIMIT $4",
    };
    query.bind(tenant)
}

fn role_row(row: &Row) -> Result<RoleRow> {
    let mut impersonates: Vec<String> = row.json(4)?;
    impersonates.sort_unstable();
    let (id, name) = (RoleId(row.uuid(0)?), row.text(1)?);
    Ok(RoleRow { id, name, impersonates, version: row.int(2)?, created_at: row.micros(3)? })
}

/// Reads one role by name.
pub(crate) async fn select(session: &mut Session, tenant: &TenantId, name: &str) -> Result<RoleRow> {
    let row = session.row(query(tenant).bind(name).bind("").bind(1_i64)).await?;
    role_row(&row.ok_or_else(|| Error::not_found(Subject::Role, name))?)
}

pub(crate) async fn create(tx: &mut Tx, trail: &Trail, name: String) -> Result<RoleRow> {
    polder_types::check_name(&name).map_err(|error| error.about(Subject::Role))?;
    let (id, created_at) = (RoleId(fresh::uuid(trail.stamp.now)?), trail.stamp.now);
    let row = RoleRow { id, name, impersonates: Vec::new(), version: 1, created_at };
    let query = sql("INSERT INTO roles (tenant_id, id, name, version, created_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT DO NOTHING");
    let query = query.bind(&trail.tenant).bind(row.id).bind(row.name.as_str()).bind(row.version).bind(row.created_at);
    if tx.execute(query).await? == 0 {
        return Err(Error::already_exists(Subject::Role, &row.name));
    }
    note(tx, trail, "create_role", &row, 1).await?;
    Ok(row)
}

async fn note(tx: &mut Tx, trail: &Trail, action: &'static str, row: &RoleRow, version: i64) -> Result<()> {
    let object = AuditObject::new(Subject::Role, row.id, row.name.as_str(), version);
    trail.note(tx, action, object, AuditDetail::None).await
}

async fn delete(tx: &mut Tx, trail: &Trail, name: &str) -> Result<()> {
    tenants::check_and_bump(tx, trail).await?;
    let row = select(tx, &trail.tenant, name).await?;
    // SECURITY: without its role, a policy would hold for nobody.
    let query = sql("SELECT p.name FROM policy_roles pr \
         JOIN policies p ON p.tenant_id = pr.tenant_id AND p.id = pr.policy_id \
         WHERE pr.tenant_id = $1 AND pr.role_id = $2 ORDER BY p.name LIMIT 1");
    if let Some(policy) = tx.row(query.bind(&trail.tenant).bind(row.id)).await? {
        let message = format!("role `{name}` is used by policy `{}`; delete that first", policy.text(0)?);
        return Err(Error::new(ErrorKind::Conflict, Subject::Role, "role_in_use", message));
    }
    grants::delete_of_role(tx, trail, row.id).await?;
    let query = sql("SELECT principal_id FROM principal_roles WHERE tenant_id = $1 AND role_id = $2");
    for member in tx.rows(query.bind(&trail.tenant).bind(row.id)).await? {
        leave(tx, trail, &row, PrincipalId(member.uuid(0)?)).await?;
    }
    impersonations::end_with_role(tx, trail, &row).await?;
    tx.execute(sql("DELETE FROM roles WHERE tenant_id = $1 AND id = $2").bind(&trail.tenant).bind(row.id)).await?;
    note(tx, trail, "delete_role", &row, row.version + 1).await
}

pub(crate) async fn assign(tx: &mut Tx, trail: &Trail, role: &RoleRow, principal: PrincipalId) -> Result<bool> {
    let query = sql("INSERT INTO principal_roles (tenant_id, principal_id, role_id) VALUES ($1, $2, $3) \
         ON CONFLICT DO NOTHING");
    if tx.execute(query.bind(&trail.tenant).bind(principal).bind(role.id)).await? == 0 {
        return Ok(false);
    }
    note_member(tx, trail, "assign_role", role, principal).await?;
    Ok(true)
}

async fn unassign(tx: &mut Tx, trail: &Trail, role: &str, principal: &str) -> Result<()> {
    tenants::check_and_bump(tx, trail).await?;
    let role = select(tx, &trail.tenant, role).await?;
    let member = principals::select(tx, &trail.tenant, principal).await?;
    if !leave(tx, trail, &role, member.id).await? {
        return Err(Error::not_found(Subject::Role, &format!("{} of principal {principal}", role.name)));
    }
    Ok(())
}

/// False if the principal did not have the role.
async fn leave(tx: &mut Tx, trail: &Trail, role: &RoleRow, principal: PrincipalId) -> Result<bool> {
    let query = sql("DELETE FROM principal_roles WHERE tenant_id = $1 AND principal_id = $2 AND role_id = $3");
    if tx.execute(query.bind(&trail.tenant).bind(principal).bind(role.id)).await? == 0 {
        return Ok(false);
    }
    note_member(tx, trail, "unassign_role", role, principal).await?;
    Ok(true)
}

/// A membership is part of the principal: it makes a version of its row.
async fn note_member(
    tx: &mut Tx,
    trail: &Trail,
    action: &'static str,
    role: &RoleRow,
    principal: PrincipalId,
) -> Result<()> {
    let query = sql("UPDATE principals SET version = version + 1 WHERE tenant_id = $1 AND id = $2 \
         RETURNING name, version");
    if let Some(row) = tx.row(query.bind(&trail.tenant).bind(principal)).await? {
        let object = AuditObject::new(Subject::Principal, principal, row.text(0)?, row.int(1)?);
        let detail = AuditDetail::Membership { role: role.id, name: role.name.clone() };
        trail.note(tx, action, object, detail).await?;
    }
    Ok(())
}
