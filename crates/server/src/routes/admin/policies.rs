//! Policies over HTTP: the policy file in, the same file out.

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{OpCtx, admin::policies};
use polder_policy::PolicySpec;
use polder_store::PolicyRow;
use polder_types::{Micros, PolicyId, Result};
use serde::Serialize;

use super::paging;
use crate::{call::Call, render};

#[derive(Serialize)]
struct PolicyView {
    id: PolicyId,
    kind: String,
    #[serde(flatten)]
    spec: PolicySpec,
    created_at: Micros,
}

impl From<PolicyRow> for PolicyView {
    fn from(row: PolicyRow) -> Self {
        Self { id: row.id, kind: row.kind, spec: row.spec, created_at: row.created_at }
    }
}

/// Makes a policy; it holds from the next request on.
pub(crate) async fn create_policy(ctx: OpCtx, call: Call) -> Result<Response> {
    let spec: PolicySpec = call.json().await?;
    let row = policies::create(&ctx, &spec).await?;
    render::json(StatusCode::CREATED, &PolicyView::from(row))
}

/// Lists the policies.
pub(crate) async fn list_policies(ctx: OpCtx, call: Call) -> Result<Response> {
    let page = policies::list(&ctx, &paging::page(&call)?).await?;
    paging::render("policies", page, PolicyView::from)
}

/// Shows a policy as it was written.
pub(crate) async fn show_policy(ctx: OpCtx, call: Call) -> Result<Response> {
    let row = policies::show(&ctx, call.required("policy")?).await?;
    render::json(StatusCode::OK, &PolicyView::from(row))
}

/// Deletes a policy.
pub(crate) async fn delete_policy(ctx: OpCtx, call: Call) -> Result<Response> {
    policies::delete(&ctx, call.required("policy")?).await?;
    Ok(render::no_content())
}
