//! Which role's holders may act for the holders of which other role. Part of the acting role: a change makes a version of its
//! row, and ends sessions at their next request, as every change of the policy does.

use polder_policy::{Permit, actions};
use polder_types::{Error, Result, RoleId, Subject};

use crate::{
    AuditDetail, AuditObject, Stamp, Store,
    audit::Trail,
    db::sql,
    roles::{self, RoleRow},
    tenants,
    tx::Tx,
};

impl Store {
    /// Lets the holders of a role act for those of another. False if they might already.
    ///
    /// # Errors
    /// `NotFound` for either.
    pub async fn allow_impersonation(
        &self,
        permit: &Permit<actions::ManageAccess>,
        role: &str,
        subject: &str,
        stamp: &Stamp,
    ) -> Result<bool> {
        let (trail, role, subject) = (Trail::of(permit, stamp), role.to_owned(), subject.to_owned());
        self.write("allow_impersonation", move |tx| Box::pin(async move { allow(tx, &trail, &role, &subject).await }))
            .await
    }

    /// Takes that back.
    ///
    /// # Errors
    /// `NotFound` for either, and if there was nothing to take back (R23).
    pub async fn revoke_impersonation(
        &self,
        permit: &Permit<actions::ManageAccess>,
        role: &str,
        subject: &str,
        stamp: &Stamp,
    ) -> Result<()> {
        let (trail, role, subject) = (Trail::of(permit, stamp), role.to_owned(), subject.to_owned());
        self.write("revoke_impersonation", move |tx| Box::pin(async move { revoke(tx, &trail, &role, &subject).await }))
            .await
    }
}

async fn allow(tx: &mut Tx, trail: &Trail, role: &str, subject: &str) -> Result<bool> {
    tenants::check_and_bump(tx, trail).await?;
    let role = roles::select(tx, &trail.tenant, role).await?;
    let subject = roles::select(tx, &trail.tenant, subject).await?;
    let query = sql("INSERT INTO impersonations (tenant_id, role_id, subject_role_id) VALUES ($1, $2, $3) \
         ON CONFLICT DO NOTHING");
    if tx.execute(query.bind(&trail.tenant).bind(role.id).bind(subject.id)).await? == 0 {
        return Ok(false);
    }
    note(tx, trail, "allow_impersonation", role.id, &subject).await?;
    Ok(true)
}

async fn revoke(tx: &mut Tx, trail: &Trail, role: &str, subject: &str) -> Result<()> {
    tenants::check_and_bump(tx, trail).await?;
    let role = roles::select(tx, &trail.tenant, role).await?;
    let subject = roles::select(tx, &trail.tenant, subject).await?;
    let query = sql("DELETE FROM impersonations WHERE tenant_id = $1 AND role_id = $2 AND subject_role_id = $3");
    if tx.execute(query.bind(&trail.tenant).bind(role.id).bind(subject.id)).await? == 0 {
        return Err(Error::not_found(Subject::Role, &format!("{} for role {}", role.name, subject.name)));
    }
    note(tx, trail, "revoke_impersonation", role.id, &subject).await
}

/// Takes a role that goes away from all that might act for its holders, and from its own.
pub(crate) async fn end_with_role(tx: &mut Tx, trail: &Trail, gone: &RoleRow) -> Result<()> {
    let query = sql("DELETE FROM impersonations WHERE tenant_id = $1 AND subject_role_id = $2 RETURNING role_id");
    for row in tx.rows(query.bind(&trail.tenant).bind(gone.id)).await? {
        let role = RoleId(row.uuid(0)?);
        if role != gone.id {
            note(tx, trail, "revoke_impersonation", role, gone).await?;
        }
    }
    let query = sql("DELETE FROM impersonations WHERE tenant_id = $1 AND role_id = $2");
    tx.execute(query.bind(&trail.tenant).bind(gone.id)).await.map(drop)
}

/// Makes a version of the acting role, with its record.
async fn note(tx: &mut Tx, trail: &Trail, action: &'static str, role: RoleId, subject: &RoleRow) -> Result<()> {
    let query = sql("UPDATE roles SET version = version + 1 WHERE tenant_id = $1 AND id = $2 RETURNING name, version");
    let Some(row) = tx.row(query.bind(&trail.tenant).bind(role)).await? else {
        return Err(Error::internal("a role that acts for others is not there"));
    };
    let object = AuditObject::new(Subject::Role, role, row.text(0)?, row.int(1)?);
    let detail = AuditDetail::Impersonation { role: subject.id, name: subject.name.clone() };
    trail.note(tx, action, object, detail).await
}
