//! Tenants: founded and listed by administrators of the operator's tenant.

use polder_policy::actions;
use polder_store::{Founded, Page, PageRequest, TenantRow};
use polder_types::{Result, TenantId, check_name};

use crate::OpCtx;

/// Founds a tenant with its first administrator, whose key is shown this once.
///
/// # Errors
/// `AlreadyExists`; `Invalid` for a bad name; `Forbidden` outside the operator's tenant.
pub async fn create(ctx: &OpCtx, id: &TenantId, admin: &str) -> Result<Founded> {
    check_name(admin)?;
    ctx.retrying(|ctx| async move {
        let permit = ctx.authorize(actions::ManageTenants, &ctx.tenant_ref())?;
        ctx.catalog().store().create_tenant(&permit, id, admin, &ctx.stamp()).await
    })
    .await
}

/// Lists tenants.
///
/// # Errors
/// `Forbidden` outside the operator's tenant.
pub async fn list(ctx: &OpCtx, page: &PageRequest) -> Result<Page<TenantRow>> {
    let permit = ctx.authorize(actions::ListTenants, &ctx.tenant_ref())?;
    ctx.catalog().store().list_tenants(&permit, page).await
}
