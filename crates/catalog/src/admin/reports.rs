//! What clients reported of their scans and commits.

use polder_policy::actions;
use polder_store::{Page, PageRequest, ReportRow};
use polder_types::{RelationId, Result};

use crate::OpCtx;

/// Lists the tenant's reports, newest first; of one table if that is wanted. What waits is written before.
///
/// # Errors
/// `Forbidden`; `Invalid` for a page token of another list.
pub async fn list(ctx: &OpCtx, of: Option<RelationId>, page: &PageRequest) -> Result<Page<ReportRow>> {
    let permit = ctx.authorize(actions::ListReports, &ctx.tenant_ref())?;
    ctx.catalog().store().flush_counted(ctx.now()).await?;
    ctx.catalog().store().list_reports(&permit, of, page).await
}
