//! Tenants over HTTP: founded and listed by the operator.

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{OpCtx, admin::tenants};
use polder_types::{Micros, Result, TenantId};
use serde::{Deserialize, Serialize};

use super::{keys::IssuedView, paging};
use crate::{call::Call, render};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateTenant {
    id: TenantId,
    admin: String,
}

#[derive(Serialize)]
struct FoundedView<'a> {
    tenant: TenantId,
    principal: &'a str,
    key: IssuedView<'a>,
}

#[derive(Serialize)]
struct TenantView {
    id: TenantId,
    operator: bool,
    created_at: Micros,
}

/// Founds a tenant with its first administrator, whose key is shown this once.
pub(crate) async fn create_tenant(ctx: OpCtx, call: Call) -> Result<Response> {
    let wanted: CreateTenant = call.json().await?;
    let founded = tenants::create(&ctx, &wanted.id, &wanted.admin).await?;
    let body = FoundedView {
        tenant: founded.tenant,
        principal: &founded.key.key.principal_name,
        key: IssuedView::new(&founded.key),
    };
    render::secret_json(StatusCode::CREATED, &body)
}

/// Lists the tenants.
pub(crate) async fn list_tenants(ctx: OpCtx, call: Call) -> Result<Response> {
    let page = tenants::list(&ctx, &paging::page(&call)?).await?;
    paging::render("tenants", page, |row| TenantView {
        id: row.tenant.id,
        operator: row.operator,
        created_at: row.created_at,
    })
}
