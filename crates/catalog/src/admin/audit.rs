//! The audit trail of the caller's tenant.

use polder_policy::actions;
use polder_store::{AuditFilter, AuditRow, Page, PageRequest};
use polder_types::Result;

use crate::OpCtx;

/// Lists audit records, newest first. What was counted so far is written before, so that the list is current.
///
/// # Errors
/// `Forbidden`.
pub async fn list(ctx: &OpCtx, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditRow>> {
    let permit = ctx.authorize(actions::ReadAudit, &ctx.tenant_ref())?;
    ctx.catalog().store().flush_counted(ctx.now()).await?;
    ctx.catalog().store().list_audit(&permit, filter, page).await
}
