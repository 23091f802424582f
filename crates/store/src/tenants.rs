//! Tenants: resolving and listing them, and the policy version that every mutation is checked against.

use std::sync::Arc;

use polder_policy::{Permit, TenantRef, actions};
use polder_types::{Error, Micros, Result, TenantId};

use crate::{
    Page, PageRequest, Store,
    audit::Trail,
    cache::Change,
    db::{Row, sql},
    tx::Tx,
};

/// A tenant.
#[derive(Clone, Debug)]
pub struct TenantRow {
    /// Itself.
    pub tenant: TenantRef,
    /// Its policy version.
    pub version: i64,
    /// True for the operator's tenant, whose administrators may create tenants.
    pub operator: bool,
    /// When it was made.
    pub created_at: Micros,
}

impl Store {
    /// Finds a tenant, with its policy version now.
    ///
    /// # Errors
    /// `Unavailable` if the database is.
    pub async fn resolve_tenant(&self, id: &TenantId) -> Result<Option<Arc<TenantRow>>> {
        if let Some(row) = self.caches().tenants.get(id).filter(|_| !self.is_shared()) {
            return Ok(Some(row));
        }
        let seen = self.caches().seen(id);
        let query = sql("SELECT id, version, operator, created_at FROM tenants WHERE id = $1");
        let row = self.read().await?.row(query.bind(id)).await?.as_ref().map(tenant_row).transpose()?.map(Arc::new);
        if let Some(row) = &row {
            self.caches().met(row);
            self.caches().fill(&self.caches().tenants, seen, id.clone(), row.clone());
        }
        Ok(row)
    }

    /// Lists all tenants by id, for the operator.
    ///
    /// # Errors
    /// `Invalid` for a page token of another list.
    pub async fn list_tenants(
        &self,
        permit: &Permit<actions::ListTenants>,
        page: &PageRequest,
    ) -> Result<Page<TenantRow>> {
        let cursor = self.cursor(permit, "tenants", page)?;
        let query = sql("SELECT id, version, operator, created_at FROM tenants \
             WHERE id > $1 AND EXISTS (SELECT 1 FROM tenants WHERE id = $2 AND operator) ORDER BY id LIMIT $3");
        let query = query.bind(cursor.after.clone().unwrap_or_default()).bind(permit.tenant()).bind(cursor.limit);
        let rows = self.read().await?.rows(query).await?;
        let rows = rows.iter().map(tenant_row).collect::<Result<Vec<_>>>()?;
        self.page(&cursor, rows, |row| row.tenant.id.to_string())
    }
}

/// Reads a tenant from the first columns.
pub(crate) fn tenant_row(row: &Row) -> Result<TenantRow> {
    Ok(TenantRow {
        tenant: TenantRef { id: row.parse(0)? },
        version: row.int(1)?,
        operator: row.get(2)?,
        created_at: row.micros(3)?,
    })
}

/// The error of a permit that was made under an older policy version.
pub(crate) fn stale() -> Error {
    Error::unavailable("stale_policy", "the policy changed meanwhile; try again")
}

// In PostgreSQL, whoever writes under a policy version holds the tenant's row FOR SHARE until the end, and whoever moves
// the version on updates it: the policy cannot change between a look at it and COMMIT. The advisory lock in front makes
// them take turns; locks of rows alone would let an endless row of commits keep a revocation out.

/// SECURITY: nothing is written under a permit whose policy version is not the one in force.
pub(crate) async fn check_version(tx: &mut Tx, trail: &Trail) -> Result<()> {
    let query = sql! {
        sqlite: "SELECT 1 FROM tenants WHERE id = $1 AND version = $2",
        postgres: "SELECT 1 FROM tenants WHERE id = $1 AND version = $2 \
            AND pg_advisory_xact_lock_shared(hashtextextended($1, 0)) IS NOT NULL FOR SHARE",
    };
    match tx.row(query.bind(&trail.tenant).bind(trail.policy_version)).await? {
        Some(_) => Ok(()),
        None => Err(stale()),
    }
}

/// Checks the permit's policy version and moves it on: something that decisions read is about to change.
pub(crate) async fn check_and_bump(tx: &mut Tx, trail: &Trail) -> Result<()> {
    let query = sql! {
        sqlite: "UPDATE tenants SET version = version + 1 WHERE id = $1 AND version = $2 RETURNING version",
        postgres: "UPDATE tenants SET version = version + 1 WHERE id = $1 AND version = $2 \
            AND pg_advisory_xact_lock(hashtextextended($1, 0)) IS NOT NULL RETURNING version",
    };
    let row = tx.row(query.bind(&trail.tenant).bind(trail.policy_version)).await?.ok_or_else(stale)?;
    tx.changed(Change::TenantVersion(trail.tenant.clone(), row.int(0)?));
    Ok(())
}

/// Moves the policy version on, in a transaction that checked it before.
pub(crate) async fn bump(tx: &mut Tx, tenant: &TenantId) -> Result<()> {
    let query = sql! {
        sqlite: "UPDATE tenants SET version = version + 1 WHERE id = $1 RETURNING version",
        postgres: "UPDATE tenants SET version = version + 1 WHERE id = $1 \
            AND pg_advisory_xact_lock(hashtextextended($1, 0)) IS NOT NULL RETURNING version",
    };
    if let Some(row) = tx.row(query.bind(tenant)).await? {
        tx.changed(Change::TenantVersion(tenant.clone(), row.int(0)?));
    }
    Ok(())
}
