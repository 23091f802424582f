//! Principals over HTTP.

use std::collections::BTreeMap;

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{OpCtx, admin::access};
use polder_store::{NewPrincipal, PrincipalRow};
use polder_types::{Attribute, Micros, PrincipalId, PrincipalKind, Result};
use serde::{Deserialize, Serialize};

use super::paging;
use crate::{call::Call, render};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreatePrincipal {
    name: String,
    #[serde(default = "user")]
    kind: PrincipalKind,
    #[serde(default)]
    attributes: BTreeMap<String, Attribute>,
}

fn user() -> PrincipalKind {
    PrincipalKind::User
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdatePrincipal {
    enabled: Option<bool>,
    attributes: Option<BTreeMap<String, Attribute>>,
}

#[derive(Serialize)]
struct PrincipalView {
    id: PrincipalId,
    name: String,
    kind: PrincipalKind,
    enabled: bool,
    attributes: BTreeMap<String, Attribute>,
    roles: Vec<String>,
    created_at: Micros,
}

impl From<PrincipalRow> for PrincipalView {
    fn from(row: PrincipalRow) -> Self {
        let PrincipalRow { id, name, kind, enabled, attributes, roles, created_at, .. } = row;
        Self { id, name, kind, enabled, attributes, roles, created_at }
    }
}

/// Makes a principal.
pub(crate) async fn create_principal(ctx: OpCtx, call: Call) -> Result<Response> {
    let CreatePrincipal { name, kind, attributes } = call.json().await?;
    let row = access::create_principal(&ctx, &NewPrincipal { name, kind, attributes }).await?;
    render::json(StatusCode::CREATED, &PrincipalView::from(row))
}

/// Lists the principals.
pub(crate) async fn list_principals(ctx: OpCtx, call: Call) -> Result<Response> {
    let page = access::list_principals(&ctx, &paging::page(&call)?).await?;
    paging::render("principals", page, PrincipalView::from)
}

/// Shows a principal with its roles.
pub(crate) async fn show_principal(ctx: OpCtx, call: Call) -> Result<Response> {
    let row = access::show_principal(&ctx, call.required("principal")?).await?;
    render::json(StatusCode::OK, &PrincipalView::from(row))
}

/// Enables or disables a principal, or replaces its attributes.
pub(crate) async fn update_principal(ctx: OpCtx, call: Call) -> Result<Response> {
    let name = call.required("principal")?.to_owned();
    let UpdatePrincipal { enabled, attributes } = call.json().await?;
    let row = access::update_principal(&ctx, &name, enabled, attributes).await?;
    render::json(StatusCode::OK, &PrincipalView::from(row))
}

/// Deletes a principal with its keys.
pub(crate) async fn delete_principal(ctx: OpCtx, call: Call) -> Result<Response> {
    access::delete_principal(&ctx, call.required("principal")?).await?;
    Ok(render::no_content())
}
