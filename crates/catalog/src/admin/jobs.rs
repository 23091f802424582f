//! The durable jobs of the caller's tenant.

use polder_policy::actions;
use polder_store::{JobRow, Page, PageRequest};
use polder_types::Result;

use crate::OpCtx;

/// Lists jobs, newest first.
///
/// # Errors
/// `Forbidden`; `Invalid` for a page token of another list.
pub async fn list(ctx: &OpCtx, page: &PageRequest) -> Result<Page<JobRow>> {
    let permit = ctx.authorize(actions::ListJobs, &ctx.tenant_ref())?;
    ctx.catalog().store().list_jobs(&permit, page).await
}
