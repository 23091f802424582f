//! Roles over HTTP, who holds them, and for whose holders theirs may act.

use axum::response::Response;
use http::StatusCode;
use polder_catalog::{OpCtx, admin::access};
use polder_store::RoleRow;
use polder_types::{Micros, Result, RoleId};
use serde::{Deserialize, Serialize};

use super::paging;
use crate::{call::Call, render};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateRole {
    name: String,
}

#[derive(Serialize)]
struct RoleView {
    id: RoleId,
    name: String,
    impersonates: Vec<String>,
    created_at: Micros,
}

impl From<RoleRow> for RoleView {
    fn from(row: RoleRow) -> Self {
        Self { id: row.id, name: row.name, impersonates: row.impersonates, created_at: row.created_at }
    }
}

/// What became of an assignment.
#[derive(Serialize)]
struct AssignmentView<'a> {
    role: &'a str,
    principal: &'a str,
    changed: bool,
}

/// What became of letting a role act for another.
#[derive(Serialize)]
struct ImpersonationView<'a> {
    role: &'a str,
    impersonates: &'a str,
    changed: bool,
}

/// Makes a role.
pub(crate) async fn create_role(ctx: OpCtx, call: Call) -> Result<Response> {
    let CreateRole { name } = call.json().await?;
    let row = access::create_role(&ctx, &name).await?;
    render::json(StatusCode::CREATED, &RoleView::from(row))
}

/// Lists the roles.
pub(crate) async fn list_roles(ctx: OpCtx, call: Call) -> Result<Response> {
    let page = access::list_roles(&ctx, &paging::page(&call)?).await?;
    paging::render("roles", page, RoleView::from)
}

/// Deletes a role with its grants.
pub(crate) async fn delete_role(ctx: OpCtx, call: Call) -> Result<Response> {
    access::delete_role(&ctx, call.required("role")?).await?;
    Ok(render::no_content())
}

/// Gives a role to a principal; says whether that changed anything (R23).
pub(crate) async fn assign_role(ctx: OpCtx, call: Call) -> Result<Response> {
    let (role, principal) = (call.required("role")?, call.required("principal")?);
    let changed = access::assign_role(&ctx, role, principal).await?;
    render::json(StatusCode::OK, &AssignmentView { role, principal, changed })
}

/// Takes a role from a principal.
pub(crate) async fn unassign_role(ctx: OpCtx, call: Call) -> Result<Response> {
    access::unassign_role(&ctx, call.required("role")?, call.required("principal")?).await?;
    Ok(render::no_content())
}

/// Lets the holders of a role act for those of another; says whether that changed anything (R23).
pub(crate) async fn allow_impersonation(ctx: OpCtx, call: Call) -> Result<Response> {
    let (role, impersonates) = (call.required("role")?, call.required("subject")?);
    let changed = access::allow_impersonation(&ctx, role, impersonates).await?;
    render::json(StatusCode::OK, &ImpersonationView { role, impersonates, changed })
}

/// Takes that back.
pub(crate) async fn revoke_impersonation(ctx: OpCtx, call: Call) -> Result<Response> {
    access::revoke_impersonation(&ctx, call.required("role")?, call.required("subject")?).await?;
    Ok(render::no_content())
}
